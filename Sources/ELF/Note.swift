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
    /// Where the note begins in the file.
    public let offset: UInt64

    @_lifetime(copy name, copy desc)
    init(type: UInt32, name: ByteView, desc: ByteView, offset: UInt64) {
        self.type = type
        self.name = name
        self.desc = desc
        self.offset = offset
    }

    /// Whether the owner is `owner`.
    @inline(never)
    public func isOwned(by owner: StaticString) -> Bool {
        guard name.count == UInt64(owner.utf8CodeUnitCount) else { return false }
        let wanted = unsafe owner.utf8Start
        for index in 0..<owner.utf8CodeUnitCount {
            // In bounds: both have this many bytes.
            if name.byte(at: UInt64(index)) != (unsafe wanted[index]) { return false }
        }
        return true
    }
}

/// The notes of one PT_NOTE segment or SHT_NOTE section, front to back.
public struct Notes: ~Escapable {
    private let bytes: ByteView
    private let start: UInt64
    private let alignment: UInt64
    private let place: FaultLocation
    private var position: UInt64 = 0

    /// The notes in `segment` of `file`; `index` is the segment's number, for faults. Throws `segmentBeyondFile`.
    @_lifetime(copy file)
    public init(_ file: ByteView, segment: ProgramHeader, index: UInt64) throws(Fault) {
        place = .programHeader(index)
        start = segment.offset
        // Everyone but PT_GNU_PROPERTY pads to 4; a segment aligned to 8 pads to 8.
        alignment = segment.align == 8 ? 8 : 4
        bytes = try file.slice(at: segment.offset, size: segment.filesz, else: .segmentBeyondFile, place)
    }

    /// The notes in the section at `index` of `sections`. Throws `sectionBeyondFile`.
    @_lifetime(copy sections)
    public init(_ sections: borrowing SectionTable, section index: UInt32) throws(Fault) {
        let section = sections[index]
        place = .sectionHeader(UInt64(index))
        start = section.offset
        alignment = section.addralign == 8 ? 8 : 4
        bytes = try sections.contents(index)
    }

    /// The next note, or nil behind the last. Throws `noteTruncated`. Each call moves on by at least 12 bytes.
    @_lifetime(copy self)
    public mutating func next() throws(Fault) -> Note? {
        // What is left may be padding.
        guard bytes.count &- position >= 12 else { return nil }
        let header = bytes.part(at: position, size: 12).entry(0, size: 12)
        let nameSize = UInt64(header.u32(0))
        let descSize = UInt64(header.u32(4))
        let nameStart = position &+ 12
        // Sums of a few 32-bit numbers and a position inside the file stay far below 2^64.
        let descStart = Notes.align(nameStart &+ nameSize, alignment)
        let descEnd = descStart &+ descSize
        guard nameStart &+ nameSize <= bytes.count, descSize == 0 || descEnd <= bytes.count else {
            throw Fault(
                .noteTruncated, place, value: start &+ max(descEnd, nameStart &+ nameSize), limit: start &+ bytes.count)
        }
        var trimmed = nameSize
        while trimmed > 0, bytes.byte(at: nameStart &+ trimmed &- 1) == 0 {
            trimmed &-= 1
        }
        let note = Note(
            type: header.u32(8),
            name: bytes.part(at: nameStart, size: trimmed),
            desc: bytes.part(at: min(descStart, bytes.count), size: descSize),
            offset: start &+ position)
        position = min(Notes.align(descEnd, alignment), bytes.count)
        return note
    }

    private static func align(_ value: UInt64, _ alignment: UInt64) -> UInt64 {
        (value &+ (alignment &- 1)) & ~(alignment &- 1)
    }
}
