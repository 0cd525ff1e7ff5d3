// UEFI firmware hands over arbitrary bytes; its application builds a start info from them, and the loader reads that.

import Boot
import Bytes
import Diagnostics
import Firmware
import Memory
import TestSupport
import UEFI

extension FuzzTarget {
    /// The address of the start info, and the size of its memory.
    private static var block: (start: UInt64, size: UInt64) { (0x2_0000, 0x8000) }
    /// The address of the application, a sound file.
    private static var file: UInt64 { 0x3_0000 }

    /// The bytes are sizes, load options or a file with a command line, a folder's entry, and a memory map.
    static func uefi(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let entrySize = source.number(upTo: 80)
        let choices = source.byte()
        // With less room than the application would request, it must report the lack of room.
        let room = choices & 2 == 0 ? block.size : source.number(upTo: 4096)
        let limit = choices & 4 == 0 ? 1 << 31 : source.address()
        let line = part(&source), folderEntry = part(&source), map = source.rest
        let memory = FirmwareMemory(ByteView(map.span.bytes), entrySize: entrySize)
        var violations: [String] = []

        if let place = memory.room(for: 0x4_0000, alignment: 0x10_0000, limit: limit) {
            let range = AddressRange(at: place, size: 0x4_0000)
            let isRAM = (0..<memory.count).contains { memory[$0].isAvailable && memory[$0].range.contains(range) }
            if !isRAM || place & 0xf_ffff != 0 || range.end > limit { violations.append("the loader: where no RAM is") }
        }

        var guarded = GuardedBytes(count: Int(room))
        var isWritten = false
        do throws(Fault) {
            try guarded.write(at: block.start) { region throws(Fault) in
                guard let whole = region.part(block.start, size: room) else { return }
                var writer = StartInfoWriter(whole, rsdp: 0xe_0000)
                guard room >= 600, writer.addModule(AddressRange(at: file, size: moduleSize)) else { return }
                let view = ByteView(line.span.bytes)
                guard choices & 1 == 0 ? writer.setCommandLine(file: view) : writer.setCommandLine(FirmwareText(view))
                else { return }
                if let entry = FolderEntry(ByteView(folderEntry.span.bytes)), entry.isSharedObject {
                    guard writer.addModule(AddressRange(at: file, size: moduleSize), name: entry.name) else { return }
                }
                isWritten = writer.finish(memory)
            }
        } catch { violations.append("nothing throws here") }
        if !guarded.isIntact { violations.append("the start info: written past its room") }
        guard isWritten else { return violations }
        var all = [UInt8](repeating: 0, count: Int(block.start)) + guarded.inside
        all += [UInt8](repeating: 0, count: Int(file) - all.count) + sample.bytes + [UInt8](repeating: 0, count: 0x1000)
        return violations + firmwareViolations(all, .uefi, at: block.start)
            + boot(in: all, .uefi, at: block.start, by: bytes).violations
    }

    /// Up to 255 bytes, or as many as remain.
    private static func part(_ source: inout ByteSource) -> [UInt8] {
        (0..<source.byte()).map { _ in source.byte() }
    }

    /// A command line of at most `size` bytes, a library, and a memory map.
    static func uefiSeed(_ size: UInt8) -> [UInt8] {
        func wide(_ text: String) -> [UInt8] { text.utf16.flatMap { littleEndian($0) } + [0, 0] }
        let line = Array(wide("BOOT_IMAGE=/a loader.kaslr -- b initrd=initrd").prefix(Int(size)))
        let entry = [UInt8](repeating: 0, count: 80) + wide("libfoo.so")
        let regions: [(UInt64, UInt64, UInt64)] = [
            (7, 0, 0xa0), (7, 0x10_0000, 0x700), (10, 0x80_0000, 0x100), (4, 0x90_0000, 0x1000),
            (0, 0xf000_0000, 0x100),
        ]
        let map = regions.flatMap { type, start, pages in [type, start, 0, pages, 0xf, 0].flatMap { littleEndian($0) } }
        return [48, 1, UInt8(line.count)] + line + [UInt8(entry.count)] + entry + map
    }
}
