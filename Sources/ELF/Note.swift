// Notes (gABI, chapter "Note Section"): 4-byte fields, name and descriptor padded to the segment's alignment.

public import Bytes
public import Diagnostics

/// One note of a PT_NOTE segment.
public struct Note: ~Escapable {
    /// n_type; its meaning depends on the name.
    public let type: UInt32
    /// The owner's name, without its terminating NUL.
    public let name: ByteView
    /// The descriptor.
    public let desc: ByteView
    /// The file offset of the note.
    public let offset: UInt64

    @_lifetime(copy name, copy desc)
    init(type: UInt32, name: ByteView, desc: ByteView, offset: UInt64) {
        self.type = type
        self.name = name
        self.desc = desc
        self.offset = offset
    }

    /// Whether the owner is `owner`.
    public func isOwned(by owner: Text) -> Bool { name.isSame(as: owner) }
}

/// The notes of one PT_NOTE segment or SHT_NOTE section, front to back.
///
/// The gABI pads the fields of 64-bit files to 8 bytes, but nearly all tools pad to 4. p_align does not say which: linkers put notes of
/// both kinds in one segment, whose p_align is the larger one. So notes are read with padding to 8 if they then fill the segment, and
/// otherwise with padding to 4.
public struct Notes: ~Escapable {
    /// How fields are padded.
    private enum Padding {
        /// To 8 bytes.
        case eight
        /// To 4, with zeros before a note that begins at a multiple of the segment's alignment: linkers leave such gaps between
        /// sections.
        case fourWithGaps
        /// To 4.
        case four
    }

    /// The offsets of a note's parts. Sums of a few 32-bit numbers and a position inside the file stay far below 2^64.
    private struct Extent {
        var start: UInt64, nameEnd: UInt64, descStart: UInt64, descEnd: UInt64
        var nameStart: UInt64 { start &+ 12 }
    }

    private let bytes: ByteView
    private let start: UInt64
    /// The link address of the first byte, and the alignment of the whole.
    private let address: UInt64, alignment: UInt64
    private let location: FaultLocation
    private var padding = Padding.four
    private var position: UInt64 = 0

    /// The notes in `segment` of `file`; `index` is the segment's number, for faults. Throws `segmentBeyondFile`.
    @_lifetime(copy file)
    public init(_ file: ByteView, segment: ProgramHeader, index: UInt64) throws(Fault) {
        let bytes = try segment.contents(file, index: index)
        self.init(bytes, at: segment.fileStart, segment.vaddr, segment.align, .programHeader(index))
    }

    /// The notes in the section at `index` of `sections`. Throws `sectionBeyondFile`.
    @_lifetime(copy sections)
    public init(_ sections: borrowing SectionTable, section index: UInt32) throws(Fault) {
        let section = sections[index]
        let bytes = try sections.contents(index)
        self.init(bytes, at: section.fileStart, section.addr, section.addralign, .sectionHeader(UInt64(index)))
    }

    /// The notes in `bytes`, which begin at `start` of the file and at link address `address`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, at start: UInt64, _ address: UInt64, _ alignment: UInt64, _ location: FaultLocation)
    {
        self.bytes = bytes
        self.start = start
        self.address = address
        self.alignment = alignment
        self.location = location
        choosePadding()
    }

    /// The next note; nil after the last. Throws `noteTruncated`. Each call moves on by at least 12 bytes.
    @_lifetime(copy self)
    public mutating func next() throws(Fault) -> Note? {
        guard let extent = try extent(from: position) else { return nil }
        let header = bytes.part(at: extent.start, size: 12).entry(0, size: 12)
        var nameEnd = extent.nameEnd
        while nameEnd > extent.nameStart, bytes.byte(at: nameEnd &- 1) == 0 {
            nameEnd &-= 1
        }
        position = end(of: extent)
        return Note(
            type: header.u32(8),
            name: bytes.part(at: extent.nameStart, size: nameEnd &- extent.nameStart),
            // If there is no descriptor, the end of the name need not be padded.
            desc: bytes.part(at: min(extent.descStart, bytes.count), size: extent.descEnd &- extent.descStart),
            offset: start &+ extent.start)
    }

    // MARK: Padding

    /// Decides how fields are padded: the first way that the alignment permits and by which the notes fill the bytes.
    @inline(never)  // Two callers: 500 bytes less.
    private mutating func choosePadding() {
        guard alignment > 4 else { return }
        padding = .eight
        if alignment == 8, fillsBytes { return }
        padding = .fourWithGaps
        if fillsBytes { return }
        padding = .four
    }

    /// Whether notes with this padding fill all bytes: each note is inside and its name ends in NUL, and all other bytes are zero.
    private var fillsBytes: Bool {
        var position: UInt64 = 0
        do throws(Fault) {
            while let found = try extent(from: position) {
                guard isZero(position, found.start), isZero(found.nameEnd, found.descStart),
                    found.nameEnd == found.nameStart || isZero(found.nameEnd &- 1, found.nameEnd)
                else { return false }
                position = end(of: found)
                guard isZero(found.descEnd, position) else { return false }
            }
        } catch { return false }
        return isZero(position, bytes.count)
    }

    /// The offsets of the parts of the next note, from `position` on; nil after the last. Throws `noteTruncated`.
    private func extent(from position: UInt64) throws(Fault) -> Extent? {
        var begin = position
        if padding == .fourWithGaps {
            while (address &+ begin) % alignment != 0, bytes.word32(at: begin) == 0 { begin &+= 4 }
        }
        // A rest shorter than a note's header may be padding.
        guard bytes.contains(begin, 12) else { return nil }
        let header = bytes.part(at: begin, size: 12).entry(0, size: 12)
        let nameEnd = begin &+ 12 &+ UInt64(header.u32(0))
        let descStart = aligned(nameEnd)
        let descEnd = descStart &+ UInt64(header.u32(4))
        guard nameEnd <= bytes.count, descEnd == descStart || descEnd <= bytes.count else {
            throw Fault(
                .noteTruncated, location, value: start &+ max(descEnd, nameEnd), limit: start &+ bytes.count)
        }
        return Extent(start: begin, nameEnd: nameEnd, descStart: descStart, descEnd: descEnd)
    }

    /// The offset where the note after the one at `extent` may begin.
    private func end(of extent: Extent) -> UInt64 { min(aligned(extent.descEnd), bytes.count) }

    /// Whether all bytes from `start` to `end` are zero; those past the last one count as zero.
    private func isZero(_ start: UInt64, _ end: UInt64) -> Bool {
        var position = start
        while position < min(end, bytes.count) {
            if bytes.byte(at: position) != 0 { return false }
            position &+= 1
        }
        return true
    }

    private func aligned(_ value: UInt64) -> UInt64 {
        let mask: UInt64 = padding == .eight ? 7 : 3
        return (value &+ mask) & ~mask
    }
}
