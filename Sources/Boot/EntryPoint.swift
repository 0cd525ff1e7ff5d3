// Whether anything can run at the application's entry point: an application that would die at its first instruction is refused.

import Memory
import Diagnostics
import ELF
import Linking

extension Application {
    /// Throws if a linked file has no code at the entry point: `entryWithoutBytes`, or `entryInHeader`.
    func requireCodeAtEntry() throws(Fault) {
        guard let index = contents.linked.properties.entrySegment else { return }
        let segment = contents.linked.programHeaders[index]
        let entry = contents.linked.header.entry
        let offset = entry &- segment.vaddr
        guard offset < segment.filesz else {
            throw Fault(.entryWithoutBytes, .programHeader(UInt64(index)), value: entry)
        }
        // 0, the entry point of files that have none (gABI, "ELF Header"), is often the address of the loaded header.
        guard segment.offset &+ offset >= FileHeader.size else {
            throw Fault(.entryInHeader, .header, value: entry)
        }
    }

    /// Throws `entryNotExecutable` if the page of the entry point would not be executable. A page shared by parts is executable if one of
    /// them needs it.
    func requireExecutableEntry() throws(Fault) {
        if !isObject, let index = contents.linked.properties.entrySegment,
            contents.linked.programHeaders[index].isExecutable
        {
            return
        }
        let page = AddressRange(at: entry.pageStart, size: Page.size)
        var parts = ImageParts()
        while parts.advance(in: self) {
            if parts.part.isExecutable, AddressRange(parts.part.start, parts.part.end).overlaps(page) { return }
        }
        let part = contents.part(at: entry) ?? 0
        throw Fault(.entryNotExecutable, isObject ? .sectionHeader(part) : .programHeader(part), value: entry)
    }
}
