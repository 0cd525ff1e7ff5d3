// Names of files in an archive, compared by their meaning: `/app`, `./app` and `app` are the same.

public import Bytes

/// A name in an archive: two parts joined by a slash; the first may be empty.
public struct TarPath: Equatable, Sendable {
    /// The offset of the first part in the archive, and its size.
    public private(set) var prefix: UInt64 = 0, prefixSize: UInt64 = 0
    /// The offset of the second part, and its size.
    public private(set) var name: UInt64 = 0, nameSize: UInt64 = 0

    /// The name of `size` bytes at `name`.
    init(at name: UInt64, size: UInt64) { (self.name, nameSize) = (name, size) }

    /// Puts `size` bytes at `prefix` before it.
    mutating func prepend(_ prefix: UInt64, size: UInt64) { (self.prefix, prefixSize) = (prefix, size) }

    /// The number of bytes, including the slash between its parts.
    public var count: UInt64 { prefixSize == 0 ? nameSize : prefixSize &+ 1 &+ nameSize }

    /// The byte at `index`, below `count`, of a path in `archive`.
    public func byte(_ index: UInt64, in archive: ByteView) -> UInt8 {
        if prefixSize == 0 { return archive.byte(at: name &+ index) ?? 0 }
        if index < prefixSize { return archive.byte(at: prefix &+ index) ?? 0 }
        if index == prefixSize { return UInt8(ascii: "/") }
        return archive.byte(at: name &+ index &- prefixSize &- 1) ?? 0
    }

    /// Whether it ends with a slash, as names of folders do.
    func isFolder(in archive: ByteView) -> Bool { count > 0 && byte(count &- 1, in: archive) == UInt8(ascii: "/") }

    /// Whether one of its components is `..`.
    func leavesRoot(in archive: ByteView) -> Bool {
        var components = TarComponents(self)
        while let component = components.next(in: archive) {
            if component.count == 2, byte(component.start, in: archive) == UInt8(ascii: "."),
                byte(component.start &+ 1, in: archive) == UInt8(ascii: ".")
            {
                return true
            }
        }
        return false
    }

    /// Whether it names the same file as `other`, both in `archive`.
    public func isSame(as other: TarPath, in archive: ByteView) -> Bool {
        var (left, right) = (TarComponents(self), TarComponents(other))
        while true {
            guard let one = left.next(in: archive) else { return right.next(in: archive) == nil }
            guard let two = right.next(in: archive), one.count == two.count else { return false }
            for index in 0..<one.count {
                guard byte(one.start &+ index, in: archive) == other.byte(two.start &+ index, in: archive) else {
                    return false
                }
            }
        }
    }

    /// Whether it names the file that `path` names.
    public func isSame(as path: ByteView, in archive: ByteView) -> Bool {
        guard var end = rest(of: path, in: archive) else { return false }
        return path.nextComponent(from: &end) == 0
    }

    /// The offset in `path` after the components of this one; nil if `path` does not begin with them.
    func rest(of path: ByteView, in archive: ByteView) -> UInt64? {
        var components = TarComponents(self)
        var offset: UInt64 = 0
        while let component = components.next(in: archive) {
            guard path.nextComponent(from: &offset) == component.count else { return nil }
            for index in 0..<component.count {
                guard byte(component.start &+ index, in: archive) == path.byte(at: offset &+ index) else { return nil }
            }
            offset &+= component.count
        }
        return offset
    }
}

extension ByteView {
    /// Moves `offset` to the start of the next component, past slashes and `.`, and returns the component's size; 0 at the end.
    func nextComponent(from offset: inout UInt64) -> UInt64 {
        while true {
            while byte(at: offset) == UInt8(ascii: "/") { offset &+= 1 }
            let size = distance(to: UInt8(ascii: "/"), from: offset) ?? count &- min(offset, count)
            guard size == 1, byte(at: offset) == UInt8(ascii: ".") else { return size }
            offset &+= 1
        }
    }
}

/// The components of a path, except empty ones and `.`.
struct TarComponents {
    private let path: TarPath
    private var position: UInt64 = 0

    /// The components of `path`.
    init(_ path: TarPath) { self.path = path }

    /// The start of the next component, and the number of its bytes; nil at the end.
    mutating func next(in archive: ByteView) -> (start: UInt64, count: UInt64)? {
        let count = path.count
        while position < count {
            let start = position
            while position < count, path.byte(position, in: archive) != UInt8(ascii: "/") { position &+= 1 }
            let size = position &- start
            position &+= 1
            if size == 0 || size == 1 && path.byte(start, in: archive) == UInt8(ascii: ".") { continue }
            return (start, size)
        }
        return nil
    }
}

extension TarEntry {
    /// Writes to `bytes` the path in `archive` that a link leads to, followed by `rest`, without `.` and `..`; returns the number of its
    /// bytes. Nil if it leaves the archive, or there is no room for it.
    func destination(in archive: ByteView, then rest: ByteView, into bytes: inout MutableSpan<UInt8>) -> Int? {
        var count = 0
        // A symbolic link leads on from its folder, a hard link from the archive's root, as one does that begins with a slash.
        if kind == .symbolicLink, target.count > 0, target.byte(0, in: archive) != UInt8(ascii: "/") {
            guard append(path, to: &bytes, &count, in: archive) else { return nil }
            removeLast(bytes, &count)
        }
        guard append(target, to: &bytes, &count, in: archive),
            append(TarPath(at: 0, size: rest.count), to: &bytes, &count, in: rest)
        else { return nil }
        return count
    }

    /// Appends the components of `other`, each after a slash; false if that would leave the root or needs more room.
    private func append(_ other: TarPath, to bytes: inout MutableSpan<UInt8>, _ count: inout Int, in archive: ByteView)
        -> Bool
    {
        var components = TarComponents(other)
        while let component = components.next(in: archive) {
            let isDots =
                component.count == 2 && other.byte(component.start, in: archive) == UInt8(ascii: ".")
                && other.byte(component.start &+ 1, in: archive) == UInt8(ascii: ".")
            if isDots {
                guard count > 0 else { return false }
                removeLast(bytes, &count)
                continue
            }
            guard component.count < UInt64(truncatingIfNeeded: bytes.count &- count) else { return false }
            bytes[count] = UInt8(ascii: "/")
            count &+= 1
            for index in 0..<component.count {
                bytes[count] = other.byte(component.start &+ index, in: archive)
                count &+= 1
            }
        }
        return true
    }

    /// Removes the last component of a path of `count` bytes, and the slash before it.
    private func removeLast(_ bytes: borrowing MutableSpan<UInt8>, _ count: inout Int) {
        while count > 0 {
            count &-= 1
            if bytes[count] == UInt8(ascii: "/") { return }
        }
    }
}
