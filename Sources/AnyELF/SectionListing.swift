// Section headers with their names (gABI, chapter "Section Header"), for display only: linked images boot without them.

public import Bytes
public import Diagnostics
public import ELF

/// The section headers of a file whose header has been read.
public struct SectionListing: ~Escapable, Sendable {
    private let form: FileForm
    private let table: ByteView
    private let names: ByteView
    private let file: ByteView
    /// How many there are.
    public let count: Int
    /// The file offset of the names; 0 if there are none.
    public private(set) var nameTableOffset: UInt64 = 0

    /// The table that `header` describes in `file`; empty if there is none. e_shnum and e_shstrndx that do not fit in 16 bits are in
    /// section header 0. Throws `sectionHeadersBeyondFile` or `sectionBeyondFile`.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ header: FileHeader) throws(Fault) { try self.init(file, AnyFileHeader(header)) }

    /// The same of a file of either class and byte order.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ header: AnyFileHeader) throws(Fault) {
        let start = header.sectionHeaderOffset
        let form = header.form
        let unit = form.sectionHeaderSize
        self.file = file
        self.form = form
        guard start > 0 else {
            count = 0
            table = file.part(at: 0, size: 0)
            names = table
            return
        }
        let first = form.sectionHeader(
            try file.record(at: start, size: unit, else: .sectionHeadersBeyondFile, .header))
        let number = header.sectionHeaderCount == 0 ? first.size : UInt64(header.sectionHeaderCount)
        let (size, overflow) = number.multipliedReportingOverflow(by: unit)
        table = try file.slice(at: start, size: overflow ? .max : size, else: .sectionHeadersBeyondFile, .header)
        count = Int(number)
        let index = header.sectionNameIndex == SectionIndex.extended ? Int(first.link) : Int(header.sectionNameIndex)
        guard index > 0, index < count else {
            names = file.part(at: 0, size: 0)
            return
        }
        let strings = form.sectionHeader(table.entry(index, size: Int(unit)))
        names = try file.slice(
            at: strings.fileStart, size: strings.fileSize, else: .sectionBeyondFile, .sectionHeader(UInt64(index)))
        nameTableOffset = strings.fileStart
    }

    /// The header at `index`, below `count`.
    public subscript(index: Int) -> SectionHeader {
        form.sectionHeader(table.entry(index, size: Int(form.sectionHeaderSize)))
    }

    /// The name of `section`; empty if it has none.
    @_lifetime(copy self)
    public func name(_ section: SectionHeader) -> ByteView { names.string(at: UInt64(section.name)) }

    /// The bytes in the file of the section at `index`. Throws `sectionBeyondFile`.
    @_lifetime(copy self)
    public func contents(_ index: Int) throws(Fault) -> ByteView {
        let section = self[index]
        return try file.slice(
            at: section.fileStart, size: section.fileSize, else: .sectionBeyondFile, .sectionHeader(UInt64(index)))
    }

    /// The relocations in the section at `index`, of any form; nil if it holds none. Throws `sectionBeyondFile`.
    @_lifetime(copy self)
    public func relocations(_ index: Int) throws(Fault) -> RelocationSection? {
        let size: UInt64
        switch self[index].type {
        case SectionHeader.Kind.rela: size = RelocationEntry.relaSize
        case SectionHeader.Kind.rel: size = RelocationEntry.relSize
        case SectionHeader.Kind.crel: size = 0
        default: return nil
        }
        let bytes = try contents(index)
        let whole = size == 0 ? bytes.count : bytes.count - bytes.count % size
        return RelocationSection(bytes.part(at: 0, size: whole), .sectionHeader(UInt64(index)), entrySize: size)
    }
}
