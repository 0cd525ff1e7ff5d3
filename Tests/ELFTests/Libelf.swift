// A file as read by libelf, the independent witness, in plain values.

import Clibelf
import TestSupport

/// Everything that the tests compare, read by libelf.
struct LibelfFile {
    var type: UInt16, machine: UInt16, osABI: UInt8, entry: UInt64, flags: UInt32
    var sectionHeaderOffset: UInt64
    var segments: [Segment] = []
    /// Notes of all PT_NOTE segments: type, name and descriptor.
    var notes: [(type: UInt32, name: [UInt8], desc: [UInt8], offset: UInt64)] = []
    /// Tags and values up to DT_NULL.
    var dynamic: [(tag: UInt64, value: UInt64)] = []
    /// The symbols of the section of type SHT_DYNSYM.
    var symbols: [(name: UInt32, info: UInt8, other: UInt8, shndx: UInt16, value: UInt64, size: UInt64)] = []
    /// The entries of allocated relocation sections, by the section's address.
    var relocations: [UInt64: [Relocation]] = [:]

    /// Reads `bytes`; nil if libelf cannot, or if the file is not an x86-64 ELF file with program headers.
    init?(_ bytes: inout [UInt8]) {
        guard elf_version(UInt32(EV_CURRENT)) != 0 else { return nil }
        let count = bytes.count
        var copy: LibelfFile?
        bytes.withUnsafeMutableBytes { buffer in
            let image = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard let image, let elf = elf_memory(image, count) else { return }
            defer { elf_end(elf) }
            copy = LibelfFile(elf)
        }
        guard let copy else { return nil }
        self = copy
    }

    private init?(_ elf: OpaquePointer) {
        var header = GElf_Ehdr()
        guard gelf_getehdr(elf, &header) != nil, header.e_machine == 62, header.e_ident.4 == 2 else { return nil }
        type = header.e_type
        machine = header.e_machine
        osABI = header.e_ident.7
        entry = header.e_entry
        flags = header.e_flags
        sectionHeaderOffset = header.e_shoff
        var count = 0
        guard elf_getphdrnum(elf, &count) == 0 else { return nil }
        for index in 0..<count {
            var segment = GElf_Phdr()
            guard gelf_getphdr(elf, Int32(index), &segment) != nil else { return nil }
            segments.append(
                Segment(
                    segment.p_type, offset: segment.p_offset, vaddr: segment.p_vaddr, filesz: segment.p_filesz,
                    memsz: segment.p_memsz, align: segment.p_align, flags: segment.p_flags))
            readSegment(elf, segment)
        }
        readSections(elf)
    }

    private mutating func readSegment(_ elf: OpaquePointer, _ segment: GElf_Phdr) {
        if segment.p_type == 4 {
            let type = segment.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR
            guard let data = elf_getdata_rawchunk(elf, Int64(segment.p_offset), Int(segment.p_filesz), type) else {
                return
            }
            var offset = 0
            while true {
                var note = GElf_Nhdr()
                var (name, desc) = (0, 0)
                let next = gelf_getnote(data, offset, &note, &name, &desc)
                guard next > 0 else { break }
                let bytes = UnsafeRawBufferPointer(start: data.pointee.d_buf, count: data.pointee.d_size)
                notes.append(
                    (
                        note.n_type, Array(bytes[name..<name + Int(note.n_namesz)]),
                        Array(bytes[desc..<desc + Int(note.n_descsz)]), segment.p_offset + UInt64(offset)
                    ))
                offset = next
            }
        } else if segment.p_type == 2 {
            guard let data = elf_getdata_rawchunk(elf, Int64(segment.p_offset), Int(segment.p_filesz), ELF_T_DYN) else {
                return
            }
            for index in 0..<Int32(segment.p_filesz / 16) {
                var entry = GElf_Dyn()
                guard gelf_getdyn(data, index, &entry) != nil, entry.d_tag != 0 else { break }
                dynamic.append((UInt64(bitPattern: entry.d_tag), entry.d_un.d_val))
            }
        }
    }

    private mutating func readSections(_ elf: OpaquePointer) {
        var section: OpaquePointer? = elf_nextscn(elf, nil)
        while let current = section {
            defer { section = elf_nextscn(elf, current) }
            var header = GElf_Shdr()
            guard gelf_getshdr(current, &header) != nil, header.sh_entsize > 0 else { continue }
            let count = Int32(header.sh_size / header.sh_entsize)
            switch header.sh_type {
            case 11:
                guard let data = elf_getdata(current, nil) else { continue }
                for index in 0..<count {
                    var symbol = GElf_Sym()
                    guard gelf_getsym(data, index, &symbol) != nil else { continue }
                    symbols.append(
                        (
                            symbol.st_name, symbol.st_info, symbol.st_other, symbol.st_shndx, symbol.st_value,
                            symbol.st_size
                        ))
                }
            case 4 where header.sh_flags & 2 != 0:
                guard let data = elf_getdata(current, nil) else { continue }
                relocations[header.sh_addr] = (0..<count).compactMap { index in
                    var entry = GElf_Rela()
                    guard gelf_getrela(data, index, &entry) != nil else { return nil }
                    return Relocation(
                        UInt32(truncatingIfNeeded: entry.r_info), at: entry.r_offset,
                        symbol: UInt32(truncatingIfNeeded: entry.r_info >> 32),
                        addend: UInt64(bitPattern: entry.r_addend))
                }
            default: break
            }
        }
    }
}
