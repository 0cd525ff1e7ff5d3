// Notes of either byte order (gABI, chapter "Note Section"): the loader's reader knows how they are padded, and one order.

public import Bytes
public import Diagnostics
public import ELF

/// Where the bytes of some notes are.
public struct NoteArea {
    /// The offset in the file, and the link address.
    public let start: UInt64, address: UInt64
    /// p_align or sh_addralign.
    public let alignment: UInt64
    /// What faults name.
    public let location: FaultLocation

    /// The area of `segment`, the one at `index` of the program headers.
    public init(_ segment: ProgramHeader, index: Int) {
        start = segment.fileStart
        address = segment.vaddr
        alignment = segment.align
        location = .programHeader(UInt64(index))
    }

    /// The area of `section`, the one at `index` of the section headers.
    public init(_ section: SectionHeader, index: Int) {
        start = section.fileStart
        address = section.addr
        alignment = section.addralign
        location = .sectionHeader(UInt64(index))
    }

    /// Calls `body` with each note in `bytes`, those of this area. Throws `noteTruncated`, and what `body` does.
    public func forEach(
        in bytes: ByteView, _ form: FileForm, _ body: (borrowing Note) throws(Fault) -> Void
    ) throws(Fault) {
        let swapped = form.isBigEndian ? swappingHeaders(of: bytes, form) : []
        var notes =
            form.isBigEndian
            ? Notes(ByteView(swapped.span), at: start, address, alignment, location)
            : Notes(bytes, at: start, address, alignment, location)
        while let note = try notes.next() { try body(note) }
    }

    /// A copy of `bytes` with the three words that begin each note in the order that the loader's reader knows. Where the notes
    /// fill the bytes when padded to 8, they are taken to be; otherwise to 4, as that reader does.
    public func swappingHeaders(of bytes: ByteView, _ form: FileForm) -> [UInt8] {
        if alignment == 8, let copy = swapped(bytes, form, padding: 8), copy.fills { return copy.bytes }
        return swapped(bytes, form, padding: 4)?.bytes ?? []
    }

    private func swapped(_ bytes: ByteView, _ form: FileForm, padding: UInt64) -> (bytes: [UInt8], fills: Bool)? {
        var copy: [UInt8] = []
        copy.reserveCapacity(bytes.span.byteCount)
        for index in 0..<bytes.count { copy.append(bytes.byte(at: index) ?? 0) }
        func aligned(_ value: UInt64) -> UInt64 { (value &+ padding &- 1) & ~(padding &- 1) }
        var position: UInt64 = 0
        while bytes.contains(position, 12) {
            // A linker leaves zeros between two sections of notes.
            if alignment > padding, alignment & (alignment &- 1) == 0, (address &+ position) % alignment != 0,
                form.u32(bytes, at: position) == 0
            {
                position += 4
                continue
            }
            let name = UInt64(form.u32(bytes, at: position) ?? 0), size = UInt64(form.u32(bytes, at: position + 4) ?? 0)
            for word in 0..<3 {
                let start = Int(position) + word * 4
                copy[start..<start + 4].reverse()
            }
            // Three numbers of 32 bits, and a place in the file.
            position = aligned(aligned(position &+ 12 &+ name) &+ size)
            if position > bytes.count { break }
        }
        return (copy, position == aligned(bytes.count))
    }
}
