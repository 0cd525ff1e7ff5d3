// The program headers of a file of either class and byte order (gABI, chapter "Program Header").

public import Bytes
public import Diagnostics
public import ELF

/// The program headers of a file whose header has been read.
public struct SegmentListing: ~Escapable, Sendable {
    /// How many there are.
    public let count: Int
    private let form: FileForm
    private let table: ByteView

    /// The table that `header` describes in `file`. Throws `programHeadersBeyondFile`.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ header: AnyFileHeader) throws(Fault) {
        form = header.form
        let number = header.programHeaderCount
        // The number has at most 32 bits.
        table = try file.slice(
            at: number == 0 ? 0 : header.programHeaderOffset, size: number &* header.form.programHeaderSize,
            else: .programHeadersBeyondFile, .header)
        count = Int(number)
    }

    /// The header at `index`, below `count`.
    public subscript(index: Int) -> ProgramHeader {
        form.programHeader(table.entry(index, size: Int(form.programHeaderSize)))
    }

    /// The file offset of the byte at link address `address`, and the number of its segment's bytes from there on; nil if no PT_LOAD
    /// segment has it.
    public func place(of address: UInt64) -> (offset: UInt64, size: UInt64)? {
        for index in 0..<count {
            let segment = self[index]
            guard segment.type == ProgramHeader.Kind.load, address >= segment.vaddr,
                address - segment.vaddr < segment.filesz
            else { continue }
            let offset = address - segment.vaddr
            return segment.offset.adding(offset).map { ($0, segment.filesz - offset) }
        }
        return nil
    }
}
