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
        let rest = 24 + 3 * word
        osABI = record.u8(7)
        type = form.u16(record, 16)
        machine = form.u16(record, 18)
        guard form.u32(record, 20) == 1 else {
            throw Fault(.badVersion, .header, value: UInt64(form.u32(record, 20)))
        }
        entry = form.word(record, 24)
        programHeaderOffset = form.word(record, 24 + word)
        sectionHeaderOffset = form.word(record, 24 + 2 * word)
        guard form.u16(record, rest + 4) >= size else {
            throw Fault(.badHeaderSize, .header, value: UInt64(form.u16(record, rest + 4)), limit: size)
        }
        programHeaderCount = UInt64(form.u16(record, rest + 8))
        sectionHeaderCount = form.u16(record, rest + 12)
        sectionNameIndex = form.u16(record, rest + 14)
        if programHeaderCount == 0xffff {
            // PN_XNUM: sh_info of section header 0 has the number.
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

    /// Class and byte order of `file`, by as many bytes of e_ident as there are.
    private static func form(of file: ByteView) throws(Fault) -> FileForm {
        guard file.count > 0 else { throw Fault(.emptyFile) }
        guard file.count >= 4, file.word32(at: 0) == FileHeader.magic else {
            // The loader's reader then throws the fitting fault.
            _ = try FileHeader(file)
            throw Fault(.notELF)
        }
        let (fileClass, order) = (file.byte(at: 4) ?? 2, file.byte(at: 5) ?? 1)
        guard fileClass == 1 || fileClass == 2 else { throw Fault(.notClass64, .header, value: UInt64(fileClass)) }
        guard order == 1 || order == 2 else { throw Fault(.notLittleEndian, .header, value: UInt64(order)) }
        if let version = file.byte(at: 6), version != 1 {
            throw Fault(.badIdentVersion, .header, value: UInt64(version))
        }
        return FileForm(isWide: fileClass == 2, isBigEndian: order == 2)
    }

    /// The gABI's name of the file's type; nil if it has none.
    public var typeName: String? {
        switch type {
        case 1: "ET_REL"
        case 2: "ET_EXEC"
        case 3: "ET_DYN"
        case AnyFileHeader.coreType: "ET_CORE"
        default: nil
        }
    }
}
