// Notes of either byte order (gABI, chapter "Note Section"): the loader's reader finds out how they are padded, but reads one order.

public import Bytes
public import Diagnostics
public import ELF

/// The range of some notes.
public struct NoteArea {
    /// NT_GNU_BUILD_ID: the type of the note `GNU` that identifies a build.
    public static let buildID: UInt32 = 3

    /// The offset in the file, and the link address.
    public let start: UInt64, address: UInt64
    /// p_align or sh_addralign.
    public let alignment: UInt64
    /// The location that faults name.
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

    /// Calls `body` with each note in `bytes`, the area's bytes. Throws `noteTruncated`, and the errors of `body`.
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

    /// A copy of `bytes` with the three words that begin each note in the order of the loader's reader. Like that reader it takes notes to
    /// be padded to 8 bytes if they then fill the bytes, and otherwise to 4.
    func swappingHeaders(of bytes: ByteView, _ form: FileForm) -> [UInt8] {
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
