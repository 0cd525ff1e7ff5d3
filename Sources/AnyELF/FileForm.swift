// How an ELF file writes its numbers: the class and the byte order in e_ident (gABI, chapters "ELF Header" to "Relocation").
// The loader's own reader (module ELF) reads one of the four forms; for views, which only list, this reads any of them into the same
// structures.

public import Bytes
public import ELF

/// A class and a byte order.
public struct FileForm: Equatable, Sendable {
    /// ELFCLASS64: addresses, offsets and sizes have 64 bits, not 32.
    public let isWide: Bool
    /// ELFDATA2MSB: the most significant byte comes first.
    public let isBigEndian: Bool

    /// The form of this class and byte order.
    public init(isWide: Bool, isBigEndian: Bool) {
        self.isWide = isWide
        self.isBigEndian = isBigEndian
    }

    /// The form of the files that the loader boots.
    public static var own: FileForm { FileForm(isWide: true, isBigEndian: false) }
    /// Whether the loader's own reader reads it.
    @inlinable public var isOwn: Bool { isWide && !isBigEndian }

    /// How many bytes an address has.
    public var wordSize: UInt64 { isWide ? 8 : 4 }
    /// The size of the ELF header.
    public var headerSize: UInt64 { isWide ? FileHeader.size : 52 }
    /// The size of a program header.
    public var programHeaderSize: UInt64 { isWide ? ProgramHeader.size : 32 }
    /// The size of a section header.
    public var sectionHeaderSize: UInt64 { isWide ? SectionHeader.size : 40 }
    /// The size of a symbol.
    @inlinable public var symbolSize: UInt64 { isWide ? Symbol.size : 16 }
    /// The size of an entry of the dynamic section.
    var dynamicEntrySize: UInt64 { 2 * wordSize }

    // MARK: Numbers

    /// The 16-bit field at `offset` of `record`.
    public func u16(_ record: borrowing Record, _ offset: Int) -> UInt16 {
        isBigEndian ? record.u16(offset).byteSwapped : record.u16(offset)
    }

    /// The 32-bit field at `offset` of `record`.
    public func u32(_ record: borrowing Record, _ offset: Int) -> UInt32 {
        isBigEndian ? record.u32(offset).byteSwapped : record.u32(offset)
    }

    /// The 64-bit field at `offset` of `record`.
    public func u64(_ record: borrowing Record, _ offset: Int) -> UInt64 {
        isBigEndian ? record.u64(offset).byteSwapped : record.u64(offset)
    }

    /// The field of an address's size at `offset` of `record`.
    public func word(_ record: borrowing Record, _ offset: Int) -> UInt64 {
        isWide ? u64(record, offset) : UInt64(u32(record, offset))
    }

    /// The 16-bit number at `offset` of `bytes`; nil if it is not all there.
    public func u16(_ bytes: ByteView, at offset: UInt64) -> UInt16? {
        bytes.contains(offset, 2) ? u16(bytes.part(at: offset, size: 2).entry(0, size: 2), 0) : nil
    }

    /// The 32-bit number at `offset` of `bytes`; nil if it is not all there.
    public func u32(_ bytes: ByteView, at offset: UInt64) -> UInt32? {
        bytes.contains(offset, 4) ? u32(bytes.part(at: offset, size: 4).entry(0, size: 4), 0) : nil
    }

    /// The number of an address's size at `offset` of `bytes`; nil if it is not all there.
    public func word(_ bytes: ByteView, at offset: UInt64) -> UInt64? {
        let size = Int(wordSize)
        return bytes.contains(offset, wordSize)
            ? word(bytes.part(at: offset, size: wordSize).entry(0, size: size), 0) : nil
    }

    // MARK: Structures

    /// The program header in `record`, which has `programHeaderSize` bytes.
    public func programHeader(_ record: borrowing Record) -> ProgramHeader {
        if isOwn { return ProgramHeader(record) }
        let (type, flags) = (u32(record, 0), u32(record, isWide ? 4 : 24))
        func field(_ wide: Int, _ narrow: Int) -> UInt64 { word(record, isWide ? wide : narrow) }
        return ProgramHeader(
            type: type, flags: flags, offset: field(8, 4), vaddr: field(16, 8), paddr: field(24, 12),
            filesz: field(32, 16), memsz: field(40, 20), align: field(48, 28))
    }

    /// The section header in `record`, which has `sectionHeaderSize` bytes.
    public func sectionHeader(_ record: borrowing Record) -> SectionHeader {
        if isOwn { return SectionHeader(record) }
        func field(_ wide: Int, _ narrow: Int) -> UInt64 { word(record, isWide ? wide : narrow) }
        return SectionHeader(
            name: u32(record, 0), type: u32(record, 4), flags: word(record, 8), addr: field(16, 12),
            offset: field(24, 16), size: field(32, 20), link: u32(record, isWide ? 40 : 24),
            info: u32(record, isWide ? 44 : 28), addralign: field(48, 32), entsize: field(56, 36))
    }

    /// The symbol at `index` of a table whose bytes are `table`.
    @inlinable @inline(__always)
    public func symbol(_ table: ByteView, _ index: Int) -> Symbol {
        isOwn
            ? Symbol(table.entry(index, size: Int(Symbol.size)))
            : foreignSymbol(table.entry(index, size: Int(symbolSize)))
    }

    @usableFromInline func foreignSymbol(_ record: borrowing Record) -> Symbol {
        var symbol = Symbol(function: word(record, isWide ? 8 : 4))
        symbol.name = u32(record, 0)
        symbol.info = record.u8(isWide ? 4 : 12)
        symbol.other = record.u8(isWide ? 5 : 13)
        symbol.shndx = u16(record, isWide ? 6 : 14)
        symbol.size = word(record, isWide ? 16 : 8)
        return symbol
    }
}
