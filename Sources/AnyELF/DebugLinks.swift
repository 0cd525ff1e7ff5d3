// How a file names the one with its symbols and lines: by the build ID (note GNU, type 3) that both have, and by .gnu_debuglink (GDB's
// manual, "Debugging Information in Separate Files").

public import Bytes
import Diagnostics
import ELF

/// The build ID of a file of any form, and the debug file that it names.
public struct DebugLinks: Sendable {
    /// The build ID, in hexadecimal.
    public private(set) var buildID: String?
    /// The name in .gnu_debuglink, and the other file's CRC-32.
    public private(set) var name: String?, checksum: UInt32?

    /// Reads both from `file`; nothing if it cannot be read.
    public init(_ file: ByteView) {
        guard let header = try? AnyFileHeader(file) else { return }
        if let sections = try? SectionListing(file, header) {
            var budget = file.count
            for index in 0..<sections.count {
                let section = sections[index]
                guard let contents = try? sections.contents(index) else { continue }
                let isLink = sections.name(section).text == ".gnu_debuglink"
                guard isLink || section.type == SectionHeader.Kind.note, budget.spend(contents.count) else { continue }
                if isLink {
                    readLink(contents, header.form)
                } else {
                    readNotes(contents, NoteArea(section, index: index), header.form)
                }
            }
        }
        // Not every file has sections, and a debug file's segments have no bytes.
        guard buildID == nil, let segments = try? SegmentListing(file, header) else { return }
        var budget = file.count
        for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.note {
            guard let contents = try? segments[index].contents(file, index: UInt64(index)),
                budget.spend(contents.count)
            else { continue }
            readNotes(contents, NoteArea(segments[index], index: index), header.form)
        }
    }

    private mutating func readNotes(_ bytes: ByteView, _ area: NoteArea, _ form: FileForm) {
        var found = buildID
        // Notes before a truncated one count.
        try? area.forEach(in: bytes, form) { note in
            guard found == nil, note.type == NoteArea.buildID, note.isOwned(by: "GNU"),
                (2...64).contains(note.desc.count)
            else {
                return
            }
            found = (0..<note.desc.count).map { (note.desc.byte(at: $0) ?? 0).hexadecimalDigits }.joined()
        }
        buildID = found
    }

    private mutating func readLink(_ bytes: ByteView, _ form: FileForm) {
        let text = bytes.string(at: 0)
        // The name, its end, zeros up to a multiple of 4, the checksum.
        guard text.count > 0, let word = form.u32(bytes, at: (text.count + 4) & ~3) else { return }
        (name, checksum) = (text.wholeText, word)
    }
}

extension UInt64 {
    /// Takes `size` off the number of bytes that may still be read; false if there are not as many: parts that overlap can have far more
    /// bytes than the file, and reading each of them could take forever.
    fileprivate mutating func spend(_ size: UInt64) -> Bool {
        guard size <= self else { return false }
        self -= size
        return true
    }
}
