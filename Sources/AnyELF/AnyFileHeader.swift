// The ELF header of files that need not be for the loader (gABI, chapter "ELF Header").

import Architecture
public import Bytes
public import Diagnostics
public import ELF

/// The header of a file of either class and byte order, of any type and for any machine. PN_XNUM is resolved.
public struct AnyFileHeader: Sendable {
    /// Class and byte order.
    public let form: FileForm
    /// e_ident[EI_OSABI].
    public let osABI: UInt8
    /// e_type, of any value.
    public let type: UInt16
    /// e_machine.
    public let machine: UInt16
    /// e_entry.
    public let entry: UInt64
    /// e_phoff.
    public let programHeaderOffset: UInt64
    /// The number of program headers.
    public private(set) var programHeaderCount: UInt64
    /// e_shoff.
    public let sectionHeaderOffset: UInt64
    /// e_shnum as written.
    public let sectionHeaderCount: UInt16
    /// e_shstrndx as written.
    public let sectionNameIndex: UInt16

    /// ET_CORE: the memory of a process.
    public static let coreType: UInt16 = 4

    /// Whether it is an object file, ET_REL.
    public var isObject: Bool { type == FileType.relocatable.rawValue }
    /// Whether it is of the loader's form, and for its machine.
    public var isOwn: Bool { form.isOwn && machine == MachineType.amd64 }

    /// The header that the loader has read.
    public init(_ header: FileHeader) {
        form = .own
        osABI = header.osABI
        type = header.type.rawValue
        machine = MachineType.amd64
        entry = header.entry
        programHeaderOffset = header.programHeaderOffset
        programHeaderCount = header.programHeaderCount
        sectionHeaderOffset = header.sectionHeaderOffset
        sectionHeaderCount = header.sectionHeaderCount
        sectionNameIndex = header.sectionNameIndex
    }

    /// Reads the header of `file`.
    ///
    /// Throws `emptyFile`, `notELF`, `fileTooShort`, `notClass64` and `notLittleEndian` for a class and an order that do not
    /// exist, `badIdentVersion`, `badVersion`, `badHeaderSize`, `badProgramHeaderSize`, `noSectionHeaderForCount` or
    /// `programHeadersBeyondFile`.
    public init(_ file: ByteView) throws(Fault) {
        form = try AnyFileHeader.form(of: file)
        let size = form.headerSize
        guard file.count >= size else { throw Fault(.fileTooShort, .header, value: file.count, limit: size) }
        let record = file.entry(0, size: Int(size))
        // After e_entry, fields of the class's size shift the later ones.
        let word = Int(form.wordSize)
        let start = AnyFileHeader.entryOffset
        let rest = start + 3 * word
        osABI = record.u8(AnyFileHeader.osABIOffset)
        type = form.u16(record, AnyFileHeader.typeOffset)
        machine = form.u16(record, AnyFileHeader.machineOffset)
        let version = form.u32(record, AnyFileHeader.versionOffset)
        guard version == AnyFileHeader.currentVersion else {
            throw Fault(.badVersion, .header, value: UInt64(version))
        }
        entry = form.word(record, start)
        programHeaderOffset = form.word(record, start + word)
        sectionHeaderOffset = form.word(record, start + 2 * word)
        guard form.u16(record, rest + 4) >= size else {
            throw Fault(.badHeaderSize, .header, value: UInt64(form.u16(record, rest + 4)), limit: size)
        }
        programHeaderCount = UInt64(form.u16(record, rest + 8))
        sectionHeaderCount = form.u16(record, rest + 12)
        sectionNameIndex = form.u16(record, rest + 14)
        if programHeaderCount == AnyFileHeader.extendedCount {
            // sh_info of section header 0 has the number.
            guard sectionHeaderOffset != 0 else { throw Fault(.noSectionHeaderForCount, .header) }
            let first = form.sectionHeader(
                try file.record(
                    at: sectionHeaderOffset, size: form.sectionHeaderSize, else: .noSectionHeaderForCount, .header))
            programHeaderCount = UInt64(first.info)
        }
        guard programHeaderCount > 0 else { return }
        let entrySize = UInt64(form.u16(record, rest + 6))
        guard entrySize == form.programHeaderSize else {
            throw Fault(.badProgramHeaderSize, .header, value: entrySize, limit: form.programHeaderSize)
        }
        // The number has at most 32 bits, so the product cannot overflow.
        _ = try file.record(
            at: programHeaderOffset, size: programHeaderCount &* entrySize, else: .programHeadersBeyondFile, .header)
    }

    /// The offsets of e_type, e_machine, e_version and e_entry, which are the same in both classes.
    private static let typeOffset = 16, machineOffset = 18, versionOffset = 20, entryOffset = 24
    /// The offsets of EI_CLASS, EI_DATA, EI_VERSION and EI_OSABI.
    private static let classOffset: UInt64 = 4, orderOffset: UInt64 = 5, identVersionOffset: UInt64 = 6, osABIOffset = 7
    /// ELFCLASS32 and ELFCLASS64.
    private static let class32: UInt8 = 1, class64: UInt8 = 2
    /// ELFDATA2LSB and ELFDATA2MSB.
    private static let littleEndian: UInt8 = 1, bigEndian: UInt8 = 2
    /// EV_CURRENT: the only version.
    private static let currentVersion: UInt8 = 1
    /// PN_XNUM.
    private static let extendedCount: UInt64 = 0xffff

    /// e_machine of `file`, whatever else is wrong with its header; nil if it ends before that.
    public static func machine(of file: ByteView) -> UInt16? {
        let order = file.byte(at: orderOffset)
        return FileForm(isWide: true, isBigEndian: order == bigEndian).u16(file, at: UInt64(machineOffset))
    }

    /// Class and byte order of `file`, by as many bytes of e_ident as there are.
    private static func form(of file: ByteView) throws(Fault) -> FileForm {
        guard file.count > 0 else { throw Fault(.emptyFile) }
        guard file.count >= 4, file.word32(at: 0) == FileHeader.magic else {
            // The loader's reader then throws the fitting fault.
            _ = try FileHeader(file)
            throw Fault(.notELF)
        }
        let (fileClass, order) = (file.byte(at: classOffset) ?? class64, file.byte(at: orderOffset) ?? littleEndian)
        guard fileClass == class32 || fileClass == class64 else {
            throw Fault(.notClass64, .header, value: UInt64(fileClass))
        }
        guard order == littleEndian || order == bigEndian else {
            throw Fault(.notLittleEndian, .header, value: UInt64(order))
        }
        if let version = file.byte(at: identVersionOffset), version != currentVersion {
            throw Fault(.badIdentVersion, .header, value: UInt64(version))
        }
        return FileForm(isWide: fileClass == class64, isBigEndian: order == bigEndian)
    }

    /// The gABI's name of the file's type; nil if it has none.
    public var typeName: String? {
        switch type {
        case FileType.relocatable.rawValue: "ET_REL"
        case FileType.executable.rawValue: "ET_EXEC"
        case FileType.dynamic.rawValue: "ET_DYN"
        case AnyFileHeader.coreType: "ET_CORE"
        default: nil
        }
    }
}
