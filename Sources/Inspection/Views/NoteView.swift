// The notes of a file, and the meaning of the usual ones (gABI, chapter "Note Section"; Linux's elfcore.h for core files).

import AnyELF
import Bytes
import Diagnostics
import ELF
import HermitEntry

/// The view of notes.
enum NoteView {
    /// The notes of every PT_NOTE segment; of an object file, of every SHT_NOTE section that is in memory.
    static func list(_ file: ByteView, to destination: ViewTarget) throws(Fault) {
        let header = try AnyFileHeader(file)
        let segments = try SegmentListing(file, header)
        var listing = destination.listing(
            "notes",
            [
                Column("offset", "offset", 10, right: true), Column("owner", "owner", 10), Column("type", "type", 8),
                Column("size", "size", 5, right: true), Column("meaning", "meaning", 24),
            ])
        for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.note {
            let bytes = try segments[index].contents(file, index: UInt64(index))
            try list(bytes, NoteArea(segments[index], index: index), header, in: &listing)
        }
        if header.isObject {
            let sections = try SectionListing(file, header)
            for index in 0..<sections.count
            where sections[index].type == SectionHeader.Kind.note && sections[index].isLoaded {
                try list(try sections.contents(index), NoteArea(sections[index], index: index), header, in: &listing)
            }
        }
        listing.end()
    }

    private static func list(
        _ bytes: ByteView, _ area: NoteArea, _ header: AnyFileHeader, in listing: inout Listing
    ) throws(Fault) {
        try area.forEach(in: bytes, header.form) { (note) throws(Fault) in
            listing.hex(note.offset)
            listing.text(note.name)
            listing.hex(UInt64(note.type))
            listing.decimal(note.desc.count)
            listing.text(meaning(note, header))
        }
    }

    // MARK: Meaning

    private static func meaning(_ note: borrowing Note, _ header: AnyFileHeader) -> String {
        func word(_ offset: UInt64) -> UInt32? { header.form.u32(note.desc, at: offset) }
        let first = word(0) ?? 0
        switch (note.name.text, note.type) {
        case ("HERMIT", HermitNotes.entryVersionType):
            return "Hermit entry version \(note.desc.byte(at: 0).map { String($0) } ?? "?")"
        case ("UHYVEIF", HermitNotes.uhyveInterfaceType):
            // Big endian, whatever the file's byte order.
            return "uhyve interface version \((note.desc.word32(at: 0) ?? 0).byteSwapped)"
        case ("GNU", HermitNotes.abiTagType):
            let systems: [UInt32: String] = [0: "Linux", 2: "Solaris", 3: "FreeBSD", 6: "Hermit"]
            let version = [4, 8, 12].map { word($0).map { String($0) } ?? "?" }
            return "ABI tag: \(systems[first] ?? "system \(first)") \(version.joined(separator: "."))"
        case ("GNU", NoteArea.buildID): return "build ID \(bytes(note.desc))"
        case ("GNU", 5): return "program properties"
        case ("Xen", 18): return "PVH entry point \(hex(UInt64(first)))"
        case ("CORE", _), ("LINUX", _):
            return coreMeaning(note, header) ?? bytes(note.desc)
        default: return bytes(note.desc)
        }
    }

    /// The meaning of a core file's note; nil if it is not in the table.
    private static func coreMeaning(_ note: borrowing Note, _ header: AnyFileHeader) -> String? {
        let (form, desc) = (header.form, note.desc)
        switch note.type {
        case 1:
            // struct elf_prstatus: pr_cursig, and pr_pid after pr_sigpend and pr_sighold.
            guard let thread = form.u32(desc, at: form.isWide ? 32 : 24), let signal = form.u16(desc, at: 12) else {
                return "NT_PRSTATUS"
            }
            return "NT_PRSTATUS: thread \(thread), signal \(signal)"
        case 2: return "NT_FPREGSET: floating-point registers"
        case 3:
            // struct elf_prpsinfo ends with pr_psargs.
            let length: UInt64 = 80
            guard desc.count >= length else { return "NT_PRPSINFO" }
            var words = desc.part(at: desc.count - length, size: length).string(at: 0).text
            while words.last == " " { words.removeLast() }
            return "NT_PRPSINFO: \(words)"
        case 6: return "NT_AUXV: \(desc.count / (2 * form.wordSize)) entries"
        case 0x4649_4c45:
            return form.word(desc, at: 0).map { "NT_FILE: \($0) mapped ranges of files" } ?? "NT_FILE"
        case 0x5349_4749:
            return form.u32(desc, at: 0).map { "NT_SIGINFO: signal \($0)" } ?? "NT_SIGINFO"
        case 0x100: return "NT_PPC_VMX"
        case 0x200: return "NT_386_TLS"
        case 0x202: return "NT_X86_XSTATE: extended registers"
        case 0x400: return "NT_ARM_VFP"
        case 0x401: return "NT_ARM_TLS"
        case 0x46e6_2b7f: return "NT_PRXFPREG"
        default: return nil
        }
    }

    private static func bytes(_ view: borrowing ByteView) -> String {
        let shown = (0..<min(view.count, 20)).map { (view.byte(at: $0) ?? 0).hexadecimalDigits }
        return shown.joined() + (view.count > 20 ? "..." : "")
    }
}
