// Relocation entries (gABI, chapter "Relocation").

public import Bytes

/// A relocation entry: Elf64_Rela, or Elf64_Rel, whose addend is in place.
public struct RelocationEntry: Equatable, Sendable {
    /// The size of Elf64_Rela in a file.
    public static var relaSize: UInt64 { 24 }
    /// The size of Elf64_Rel in a file.
    public static var relSize: UInt64 { 16 }

    /// r_offset: a link address in linked files.
    public var offset: UInt64
    /// r_info: symbol index and type.
    public var info: UInt64
    /// r_addend; nil if the addend is in place, in the field to be relocated.
    public var addend: UInt64?

    /// ELF64_R_TYPE.
    public var type: UInt32 { UInt32(truncatingIfNeeded: info) }
    /// ELF64_R_SYM.
    public var symbol: UInt32 { UInt32(truncatingIfNeeded: info >> 32) }

    /// An entry with these fields.
    public init(offset: UInt64, info: UInt64, addend: UInt64?) {
        self.offset = offset
        self.info = info
        self.addend = addend
    }

    /// Reads an Elf64_Rela.
    @inlinable
    public init(rela record: borrowing Record) {
        offset = record.u64(0)
        info = record.u64(8)
        addend = record.u64(16)
    }

    /// Reads an Elf64_Rel.
    @inlinable
    public init(rel record: borrowing Record) {
        offset = record.u64(0)
        info = record.u64(8)
        addend = nil
    }
}
