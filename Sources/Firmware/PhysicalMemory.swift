// Physical memory, read with checks.

public import Bytes
public import Diagnostics
public import Memory

/// Physical memory as far as the loader can read it, from address `origin` on.
public struct PhysicalMemory: ~Escapable {
    /// The bytes.
    public let bytes: ByteView
    /// The address of the first byte.
    public let origin: UInt64

    /// Memory whose first byte lies at `origin`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, origin: UInt64) {
        self.bytes = bytes
        self.origin = origin
    }

    /// The longest string that is read, in bytes; a longer one is an error.
    public static var stringCapacity: UInt64 { 0xffff }

    /// The addresses that can be read.
    public var range: AddressRange { AddressRange(at: origin, size: bytes.count) }

    /// The `size` bytes at `address`. Throws `rule` if they are not all there.
    @_lifetime(copy self)
    public func view(
        _ address: UInt64, size: UInt64, else rule: Rule = .platformStructureOutsideMemory
    ) throws(Fault) -> ByteView {
        guard address >= origin, bytes.contains(address &- origin, size) else {
            throw Fault(rule, value: address, limit: rule == .moduleOutsideMemory ? address &+ size : size)
        }
        return try bytes.slice(at: address &- origin, size: size, else: rule, .none)
    }

    /// The structure of `size` bytes at `address`. Throws `platformStructureOutsideMemory`.
    @_lifetime(copy self)
    public func record(_ address: UInt64, size: UInt64) throws(Fault) -> Record {
        try view(address, size: size).entry(0, size: Int(truncatingIfNeeded: size))
    }

    /// The range of the NUL-terminated string at `address`, without its NUL. Throws `commandLineTooLong` or
    /// `platformStructureOutsideMemory`.
    public func string(_ address: UInt64) throws(Fault) -> AddressRange {
        guard let length = bytes.stringLength(at: address &- origin, limit: PhysicalMemory.stringCapacity) else {
            // Either `stringCapacity` + 1 bytes are there and none is NUL, or memory ends first.
            _ = try view(address, size: PhysicalMemory.stringCapacity &+ 1)
            throw Fault(.commandLineTooLong, limit: PhysicalMemory.stringCapacity)
        }
        return AddressRange(at: address, size: length)
    }
}
