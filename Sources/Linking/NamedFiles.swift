// Several files as the firmware hands them over, side by side in memory.

public import Bytes

/// A file as the firmware handed it over: the location of its bytes and of its name.
public struct NamedFile: Equatable, Sendable {
    /// The offset of its first byte, and the number of its bytes.
    public var start: UInt64, size: UInt64
    /// The offset of its string, which begins with its path, and the string's length; 0 if it has no path.
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
    /// The bytes that all offsets refer to.
    public let bytes: ByteView
    private var list = InlineArray<16, NamedFile>(repeating: NamedFile(start: 0, size: 0))
    /// The number of files.
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

    /// Removes the file that was added last.
    @_lifetime(self: copy self)
    public mutating func removeLast() { count &-= 1 }

    /// Adds a file; there must be fewer than `capacity`.
    @_lifetime(self: copy self)
    public mutating func append(_ file: NamedFile) {
        guard count < NamedFiles.capacity else { return }
        list[count] = file
        count &+= 1
    }
}
