// Several files as the firmware hands them over, side by side in memory.

public import Bytes

/// Bytes in the view of all files.
struct FileRange: Equatable, Sendable {
    var start: UInt64 = 0, size: UInt64 = 0

    /// Whether it has `count` bytes at `offset`.
    func holds(_ offset: UInt64, _ count: UInt64) -> Bool { offset <= size && count <= size &- offset }

    /// The length of the string at `offset`; nil where none ends there.
    @inline(never)
    func length(_ offset: UInt64, _ files: borrowing ByteView) -> UInt64? {
        guard offset < size else { return nil }
        return files.stringLength(at: start &+ offset, limit: size &- offset &- 1)
    }
}

/// A file as the firmware handed it over: where its bytes and its name are.
public struct NamedFile: Equatable, Sendable {
    /// The offset of its first byte, and how many there are.
    public var start: UInt64, size: UInt64
    /// The offset of its string, which begins with its path, and the string's length; 0 where it has none.
    public var string: UInt64, stringSize: UInt64

    /// A file.
    public init(start: UInt64, size: UInt64, string: UInt64 = 0, stringSize: UInt64 = 0) {
        self.start = start
        self.size = size
        self.string = string
        self.stringSize = stringSize
    }
}

/// Several files in one view; the first is the application.
public struct NamedFiles: ~Escapable {
    /// What all offsets count in.
    public let bytes: ByteView
    private var list = InlineArray<16, NamedFile>(repeating: NamedFile(start: 0, size: 0))
    /// How many there are.
    public private(set) var count = 0

    /// No files, in `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView) { self.bytes = bytes }

    /// The largest number of files.
    public static var capacity: Int { 16 }

    /// The file at `index`, below `count`.
    public subscript(index: Int) -> NamedFile {
        @inline(never) get { list.span[index] }
        set { list[index] = newValue }
    }

    /// The name of the file at `index` for people: its offset, and its length.
    public func name(_ index: Int) -> (start: UInt64, size: UInt64) {
        var object = LinkedFile()
        try? object.read(index, of: self)
        return (object.name, object.nameSize)
    }

    /// Adds a file, of at most `capacity`.
    @_lifetime(self: copy self)
    @inline(never)
    public mutating func append(_ file: NamedFile) {
        guard count < NamedFiles.capacity else { return }
        list[count] = file
        count &+= 1
    }
}

extension ByteView {
    /// The bytes in `range`, which the caller has checked; see `part(at:size:)`.
    @_lifetime(copy self)
    func part(_ range: FileRange) -> ByteView { part(at: range.start, size: range.size) }

    /// The 32-bit word at `offset` of a table that has been checked to be there; 0 where it isn't.
    @inline(never)
    func field(at offset: UInt64) -> UInt64 { UInt64(word32(at: offset) ?? 0) }

    /// The last part of the path in `range`, which ends at the first `stop` if not before.
    @inline(never)
    func lastPart(of range: FileRange, until stop: UInt8) -> FileRange {
        var part = range
        var end = range.start
        while end &- range.start < range.size, let byte = byte(at: end), byte != stop {
            end &+= 1
            if byte == UInt8(ascii: "/") { part.start = end }
        }
        part.size = end &- part.start
        return part
    }
}
