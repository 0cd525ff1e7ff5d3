// The ELF file header (gABI, chapter "ELF Header").

public import Bytes
public import Diagnostics

/// The kinds of ELF file (e_type) that carry code.
public enum FileType: UInt16, Sendable {
    /// ET_REL, an object file.
    case relocatable = 1
    /// ET_EXEC, linked at a fixed address.
    case executable = 2
    /// ET_DYN, position independent.
    case dynamic = 3
}

/// Elf64_Ehdr, validated: class, byte order, machine, sizes, and the number of program headers (PN_XNUM resolved).
public struct FileHeader: Equatable, Sendable {
    /// The size of Elf64_Ehdr in a file.
    public static var size: UInt64 { 64 }

    /// e_ident[EI_OSABI].
    public var osABI: UInt8
    /// e_type.
    public var type: FileType
    /// e_entry: a link address.
    public var entry: UInt64
    /// e_phoff: file offset of the program headers.
    public var programHeaderOffset: UInt64
    /// The number of program headers, from e_phnum or, where that is PN_XNUM, from sh_info of section header 0.
    public var programHeaderCount: UInt64
    /// e_shoff: file offset of the section headers, 0 if there are none.
    public var sectionHeaderOffset: UInt64
    /// e_shnum as written; section headers are not needed to boot and are checked where they are used.
    public var sectionHeaderCount: UInt16
    /// e_shstrndx as written.
    public var sectionNameIndex: UInt16
    /// e_flags.
    public var flags: UInt32

    /// Reads and validates the header of `file`.
    ///
    /// Throws `emptyFile`, `notELF`, `fileTooShort`, `notClass64`, `notLittleEndian`, `badIdentVersion`, `wrongMachine`,
    /// `coreFile`, `unknownFileType`, `badVersion`, `badHeaderSize`, `badProgramHeaderSize`,
    /// `noSectionHeaderForCount` or `programHeadersBeyondFile`.
    public init(_ file: borrowing ByteView) throws(Fault) {
        guard file.count > 0 else { throw Fault(.emptyFile) }
        let ident = FileHeader.ident(file)
        guard ident & 0xffff_ffff == 0x464c_457f else {
            throw Fault(.notELF, value: file.count < 4 ? ident & (1 << (8 &* file.count) &- 1) : ident & 0xffff_ffff)
        }
        guard ident >> 32 & 0xff == 2 else { throw Fault(.notClass64, .header, value: ident >> 32 & 0xff) }
        guard ident >> 40 & 0xff == 1 else { throw Fault(.notLittleEndian, .header, value: ident >> 40 & 0xff) }
        guard ident >> 48 & 0xff == 1 else { throw Fault(.badIdentVersion, .header, value: ident >> 48 & 0xff) }
        guard file.count >= FileHeader.size else {
            throw Fault(.fileTooShort, .header, value: file.count, limit: FileHeader.size)
        }
        let record = file.entry(0, size: Int(FileHeader.size))

        let machine = record.u16(18)
        guard machine == 62 else { throw Fault(.wrongMachine, .header, value: UInt64(machine)) }
        let rawType = record.u16(16)
        guard rawType != 4 else { throw Fault(.coreFile, .header) }
        guard let type = FileType(rawValue: rawType) else {
            throw Fault(.unknownFileType, .header, value: UInt64(rawType))
        }
        guard record.u32(20) == 1 else { throw Fault(.badVersion, .header, value: UInt64(record.u32(20))) }
        guard record.u16(52) >= FileHeader.size else {
            throw Fault(.badHeaderSize, .header, value: UInt64(record.u16(52)), limit: FileHeader.size)
        }

        osABI = record.u8(7)
        self.type = type
        entry = record.u64(24)
        programHeaderOffset = record.u64(32)
        sectionHeaderOffset = record.u64(40)
        flags = record.u32(48)
        sectionHeaderCount = record.u16(60)
        sectionNameIndex = record.u16(62)
        programHeaderCount = UInt64(record.u16(56))

        if programHeaderCount == 0xffff {  // PN_XNUM
            let first = try file.record(
                at: sectionHeaderOffset, size: SectionHeader.size, else: .noSectionHeaderForCount, .header)
            guard sectionHeaderOffset != 0 else { throw Fault(.noSectionHeaderForCount, .header) }
            programHeaderCount = UInt64(first.u32(44))
        }
        guard programHeaderCount > 0 else { return }
        guard record.u16(54) == ProgramHeader.size else {
            throw Fault(.badProgramHeaderSize, .header, value: UInt64(record.u16(54)), limit: ProgramHeader.size)
        }
        // The count has at most 32 bits, so the product cannot overflow.
        let size = programHeaderCount &* ProgramHeader.size
        _ = try file.record(at: programHeaderOffset, size: size, else: .programHeadersBeyondFile, .header)
    }

    /// The first eight bytes of e_ident; those that a shorter file does not have are as they should be.
    private static func ident(_ file: borrowing ByteView) -> UInt64 {
        if let word = file.word64(at: 0) { return word }
        var ident: UInt64 = 0x1_0102_464c_457f
        var offset: UInt64 = 0
        while let byte = file.byte(at: offset) {
            ident = ident & ~(0xff << (8 &* offset)) | UInt64(byte) << (8 &* offset)
            offset &+= 1
        }
        return ident
    }
}
