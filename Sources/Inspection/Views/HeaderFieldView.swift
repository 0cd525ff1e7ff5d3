// The ELF header, field by field, of files of either class and byte order (gABI, chapter "ELF Header").

import Bytes
import Diagnostics
import ELF

/// The fields of the ELF header of a file, which need not be one that boots.
enum HeaderFieldView {
    /// One field: its name, and its size in bytes; the size of an address or offset depends on the class.
    private enum Width {
        case bytes(UInt64), address
    }
    private static let fields: [(name: Text, width: Width)] = [
        ("EI_MAG", .bytes(4)), ("EI_CLASS", .bytes(1)), ("EI_DATA", .bytes(1)), ("EI_VERSION", .bytes(1)),
        ("EI_OSABI", .bytes(1)),
        ("EI_ABIVERSION", .bytes(1)), ("EI_PAD", .bytes(7)), ("e_type", .bytes(2)), ("e_machine", .bytes(2)),
        ("e_version", .bytes(4)), ("e_entry", .address), ("e_phoff", .address), ("e_shoff", .address),
        ("e_flags", .bytes(4)),
        ("e_ehsize", .bytes(2)), ("e_phentsize", .bytes(2)), ("e_phnum", .bytes(2)), ("e_shentsize", .bytes(2)),
        ("e_shnum", .bytes(2)), ("e_shstrndx", .bytes(2)),
    ]

    /// Lists the fields that `file` has bytes for. Throws `emptyFile` or `notELF`.
    static func list(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        guard file.count > 0 else { throw Fault(.emptyFile) }
        guard file.count >= 4, file.word32(at: 0) == FileHeader.magic else {
            throw Fault(.notELF, value: UInt64(file.word32(at: 0) ?? 0))
        }
        var listing = destination.listing(
            "header",
            [
                Column("offset", "offset", 6, right: true), Column("size", "size", 4, right: true),
                Column("field", "field", 13), Column("value", "value", 18, right: true),
                Column("meaning", "meaning", 24),
            ])
        let isWide = file.byte(at: 4) != 1
        let isBigEndian = file.byte(at: 5) == 2
        var offset: UInt64 = 0
        for (name, width) in fields {
            let size: UInt64
            var isBig = isBigEndian
            switch width {
            case .bytes(let bytes): size = bytes
            case .address: size = isWide ? 8 : 4
            }
            // e_ident is a row of bytes: their order is the same everywhere.
            if offset < 16 { isBig = true }
            guard let value = number(file, offset, size, isBig) else { break }
            listing.hex(offset)
            listing.decimal(size)
            listing.text(name)
            listing.hex(value)
            if let meaning = meaning(name.string, value) { listing.text(meaning) } else { listing.none() }
            offset += size
        }
        listing.end()
    }

    /// The number of `size` bytes at `offset`; nil if the file ends before them.
    private static func number(_ file: ByteView, _ offset: UInt64, _ size: UInt64, _ isBigEndian: Bool) -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<size {
            guard let byte = file.byte(at: offset + index) else { return nil }
            value |= UInt64(byte) << (8 * (isBigEndian ? size - 1 - index : index))
        }
        return value
    }

    private static func meaning(_ field: String, _ value: UInt64) -> String? {
        switch (field, value) {
        case ("EI_MAG", _): "0x7f ELF"
        case ("EI_CLASS", 1): "ELFCLASS32"
        case ("EI_CLASS", 2): "ELFCLASS64"
        case ("EI_DATA", 1): "ELFDATA2LSB, little endian"
        case ("EI_DATA", 2): "ELFDATA2MSB, big endian"
        case ("EI_VERSION", 1), ("e_version", 1): "EV_CURRENT"
        case ("EI_OSABI", 0): "ELFOSABI_NONE, System V"
        case ("EI_OSABI", 3): "ELFOSABI_GNU"
        case ("EI_OSABI", 9): "ELFOSABI_FREEBSD"
        case ("EI_OSABI", 255): "ELFOSABI_STANDALONE"
        case ("e_type", 0): "ET_NONE"
        case ("e_type", 1): "ET_REL, an object file"
        case ("e_type", 2): "ET_EXEC, linked at a fixed address"
        case ("e_type", 3): "ET_DYN, position independent"
        case ("e_type", 4): "ET_CORE, a process's memory"
        case ("e_machine", _): Names.machine(UInt16(value)) ?? "an unknown machine"
        case ("e_ehsize", _), ("e_phentsize", _), ("e_shentsize", _): "\(value) bytes"
        case ("e_phnum", 0xffff): "PN_XNUM: the number is in sh_info of section 0"
        case ("e_shstrndx", 0xffff): "SHN_XINDEX: sh_link of section 0"
        case ("e_shstrndx", 0): "SHN_UNDEF: sections have no names"
        case ("e_phnum", _), ("e_shnum", _), ("e_shstrndx", _): "\(value)"
        default: nil
        }
    }
}
