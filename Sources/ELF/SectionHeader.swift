// Section headers (gABI, chapter "Section Header"). Linked images boot without them.

public import Bytes

/// A section header, Elf64_Shdr, as it stands in the file.
public struct SectionHeader: Equatable, Sendable {
    /// The size of Elf64_Shdr in a file.
    public static var size: UInt64 { 64 }

    /// sh_name: offset in the section name table.
    public var name: UInt32
    /// sh_type.
    public var type: UInt32
    /// sh_flags.
    public var flags: UInt64
    /// sh_addr: link address.
    public var addr: UInt64
    /// sh_offset: file offset.
    public var offset: UInt64
    /// sh_size, in bytes.
    public var size: UInt64
    /// sh_link: a section index.
    public var link: UInt32
    /// sh_info.
    public var info: UInt32
    /// sh_addralign.
    public var addralign: UInt64
    /// sh_entsize.
    public var entsize: UInt64

    /// SHF_ALLOC: it is in memory at run time.
    public var isLoaded: Bool { flags & Flags.alloc != 0 }
    /// SHT_SYMTAB or SHT_DYNSYM: it is a table of symbols.
    public var holdsSymbols: Bool { type == Kind.symbolTable || type == Kind.dynamicSymbols }

    /// The number of its bytes in the file: 0 for SHT_NOBITS, whatever sh_size says.
    public var fileSize: UInt64 { type == Kind.nobits ? 0 : size }
    /// The file offset of its bytes: sh_offset, but 0 if there are none, because sh_offset may then point anywhere.
    public var fileStart: UInt64 { fileSize == 0 ? 0 : offset }

    /// A header with these fields, as read by a view of other forms of files.
    public init(
        name: UInt32, type: UInt32, flags: UInt64, addr: UInt64, offset: UInt64, size: UInt64, link: UInt32,
        info: UInt32, addralign: UInt64, entsize: UInt64
    ) {
        self.name = name
        self.type = type
        self.flags = flags
        self.addr = addr
        self.offset = offset
        self.size = size
        self.link = link
        self.info = info
        self.addralign = addralign
        self.entsize = entsize
    }

    /// Reads the fields of a record of `size` bytes.
    public init(_ record: borrowing Record) {
        name = record.u32(0)
        type = record.u32(4)
        flags = record.u64(8)
        addr = record.u64(16)
        offset = record.u64(24)
        size = record.u64(32)
        link = record.u32(40)
        info = record.u32(44)
        addralign = record.u64(48)
        entsize = record.u64(56)
    }
}
