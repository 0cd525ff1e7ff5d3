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

/// Elf64_Ehdr, validated: its class, byte order, machine and sizes. PN_XNUM is resolved.
public struct FileHeader: Equatable, Sendable {
    /// The size of Elf64_Ehdr in a file.
    public static var size: UInt64 { 64 }
    /// The first four bytes of every ELF file, 0x7f and "ELF", as a little-endian word.
    public static var magic: UInt32 { 0x464c_457f }

    /// ELFCLASS64: 64-bit objects.
    private static var class64: UInt8 { 2 }
    /// ELFDATA2LSB: the least significant byte comes first.
    private static var littleEndian: UInt8 { 1 }
    /// EV_CURRENT: the only version.
    private static var currentVersion: UInt8 { 1 }
    /// ET_CORE: the memory of a process.
    private static var coreType: UInt16 { 4 }
    /// PN_XNUM: the number of program headers is in section header 0.
    private static var extendedCount: UInt16 { 0xffff }

    /// e_ident[EI_OSABI]: see `OSABI`.
    public var osABI: UInt8
    /// e_type.
    public var type: FileType
    /// e_entry: a link address.
    public var entry: UInt64
    /// e_phoff: file offset of the program headers.
    public var programHeaderOffset: UInt64
    /// The number of program headers: e_phnum or, if that is PN_XNUM, sh_info of section header 0.
    public var programHeaderCount: UInt64
    /// e_shoff: file offset of the section headers, 0 if there are none.
    public var sectionHeaderOffset: UInt64
    /// e_shnum as written. Booting needs no section headers; they are checked where they are used.
    public var sectionHeaderCount: UInt16
    /// e_shstrndx as written.
    public var sectionNameIndex: UInt16
    /// e_flags.
    public var flags: UInt32

    /// Reads and validates the header of `file`, whose e_machine must be `machine`.
    ///
    /// Throws `emptyFile`, `notELF`, `fileTooShort`, `notClass64`, `notLittleEndian`, `badIdentVersion`, `wrongMachine`,
    /// `coreFile`, `unknownFileType`, `badVersion`, `badHeaderSize`, `badProgramHeaderSize`,
    /// `noSectionHeaderForCount` or `programHeadersBeyondFile`.
    public init(_ file: borrowing ByteView, machine: UInt16) throws(Fault) {
        guard file.count > 0 else { throw Fault(.emptyFile) }
        try FileHeader.checkIdentification(file)
        guard file.count >= FileHeader.size else {
            throw Fault(.fileTooShort, .header, value: file.count, limit: FileHeader.size)
        }
        let record = file.entry(0, size: Int(FileHeader.size))

        guard record.u16(18) == machine else { throw Fault(.wrongMachine, .header, value: UInt64(record.u16(18))) }
        let rawType = record.u16(16)
        guard rawType != FileHeader.coreType else { throw Fault(.coreFile, .header) }
        guard let type = FileType(rawValue: rawType) else {
            throw Fault(.unknownFileType, .header, value: UInt64(rawType))
        }
        guard record.u32(20) == FileHeader.currentVersion else {
            throw Fault(.badVersion, .header, value: UInt64(record.u32(20)))
        }
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

        if programHeaderCount == FileHeader.extendedCount {
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

    /// Checks the first seven bytes of e_ident, or as many as the file has.
    private static func checkIdentification(_ file: borrowing ByteView) throws(Fault) {
        var magic: UInt64 = 0
        for offset in 0..<min(file.count, 4) { magic |= UInt64(file.byte(at: offset) ?? 0) << (8 &* offset) }
        // As many bytes of the magic number as the file has.
        let expected = UInt64(FileHeader.magic) & (1 << (8 &* min(file.count, 4)) &- 1)
        guard magic == expected else { throw Fault(.notELF, value: magic) }
        if let fileClass = file.byte(at: 4), fileClass != class64 {
            throw Fault(.notClass64, .header, value: UInt64(fileClass))
        }
        if let order = file.byte(at: 5), order != littleEndian {
            throw Fault(.notLittleEndian, .header, value: UInt64(order))
        }
        if let version = file.byte(at: 6), version != currentVersion {
            throw Fault(.badIdentVersion, .header, value: UInt64(version))
        }
    }
}

/// The values of EI_OSABI that have a meaning here.
public enum OSABI {
    /// ELFOSABI_GNU: it uses GNU's extensions, such as STT_GNU_IFUNC.
    public static var gnu: UInt8 { 3 }
    /// ELFOSABI_STANDALONE: it runs without an operating system.
    public static var standalone: UInt8 { 255 }
}
