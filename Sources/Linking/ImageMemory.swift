// The memory in which an image is built: its host decides how a file's bytes get there.

public import Bytes

/// Memory for an image, known by the address of its first byte. Loading is written once: the loader's memory copies bytes, a host's may map
/// them.
public protocol ImageMemory: ~Copyable, ~Escapable {
    /// The address of the first byte.
    var address: UInt64 { get }
    /// The number of bytes.
    var count: UInt64 { get }

    /// Provides `size` zeros at `address`; false if they are not all inside the memory.
    @discardableResult
    @_lifetime(self: copy self)
    mutating func clear(_ address: UInt64, size: UInt64) -> Bool

    /// Provides all of `source` at `address`; false if it does not fit in the memory.
    @discardableResult
    @_lifetime(self: copy self)
    mutating func copy(_ source: borrowing ByteView, to address: UInt64) -> Bool
}

extension ByteRegion: ImageMemory {}
