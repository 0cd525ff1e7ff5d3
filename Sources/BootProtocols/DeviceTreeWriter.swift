// Writes a flattened device tree (Devicetree Specification 0.4, chapter 5), version 17, front to back.

public import AddressSpace
public import Bytes
public import Diagnostics

/// A device tree under construction in memory that the caller gives. First the reservations, then the nodes, then
/// `finish`. What does not fit is counted but not written, and reported by `finish`.
public struct DeviceTreeWriter: ~Copyable, ~Escapable {
    /// The property names that can be used; the raw value is the offset in the strings block.
    public enum Property: UInt32, Sendable {
        /// `#address-cells`
        case addressCells = 0
        /// `#size-cells`
        case sizeCells = 15
        /// `compatible`
        case compatible = 27
        /// `device_type`
        case deviceType = 38
        /// `reg`
        case reg = 50
        /// `bootargs`
        case bootArguments = 54
        /// `ranges`
        case ranges = 63
    }

    private static var strings: StaticString {
        "#address-cells\0#size-cells\0compatible\0device_type\0reg\0bootargs\0ranges\0"
    }

    private var region: ByteRegion
    private var position: UInt64 = 40
    private var structure: UInt64 = 0

    /// Starts a tree at the beginning of `region`, which must be aligned to 8 bytes.
    @_lifetime(copy region)
    public init(_ region: consuming ByteRegion) {
        self.region = region
    }

    /// Adds `range` to the memory reservation block. Only before the first node.
    @_lifetime(self: copy self)
    public mutating func reserve(_ range: AddressRange) {
        append(range.start.bigEndian)
        append(range.size.bigEndian)
    }

    /// Opens a node called `name`, or `name@address`.
    @_lifetime(self: copy self)
    public mutating func beginNode(_ name: StaticString, at address: UInt64? = nil) {
        if structure == 0 {
            reserve(AddressRange(0, 0))
            structure = position
        }
        append((1 as UInt32).bigEndian)
        append(name)
        if let address {
            append(UInt8(ascii: "@"))
            var shift = address == 0 ? 0 : (63 - UInt64(address.leadingZeroBitCount)) & ~3
            while true {
                let digit = UInt8(truncatingIfNeeded: address >> shift) & 0xf
                append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
                if shift == 0 { break }
                shift -= 4
            }
        }
        append(0 as UInt8)
        pad()
    }

    /// Closes the node that was opened last.
    @_lifetime(self: copy self)
    public mutating func endNode() {
        append((2 as UInt32).bigEndian)
    }

    /// A property of one 32-bit cell.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property, _ value: UInt32) {
        begin(property, size: 4)
        append(value.bigEndian)
    }

    /// A property without a value.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property) {
        begin(property, size: 0)
    }

    /// A property that is a string.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property, _ value: StaticString) {
        begin(property, size: UInt64(value.utf8CodeUnitCount) + 1)
        append(value)
        append(0 as UInt8)
        pad()
    }

    /// A property that is a string of someone else's bytes, without their NUL.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property, _ value: borrowing ByteView) {
        begin(property, size: value.count + 1)
        append(value)
        append(0 as UInt8)
        pad()
    }

    /// A property that is an address range, of two cells each for address and size.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property, _ range: AddressRange) {
        begin(property, size: 16)
        append(range.start.bigEndian)
        append(range.size.bigEndian)
    }

    /// Ends the tree and writes its header; returns the tree's size in bytes. Throws `deviceTreeRoom`.
    @_lifetime(self: copy self)
    public mutating func finish() throws(Fault) -> UInt64 {
        append((9 as UInt32).bigEndian)
        let stringsStart = position
        append(DeviceTreeWriter.strings)
        let end = position
        guard end <= region.count else { throw Fault(.deviceTreeRoom, value: region.count) }
        position = 0
        append((0xd00d_feed as UInt32).bigEndian)
        append(UInt32(truncatingIfNeeded: end).bigEndian)
        append(UInt32(truncatingIfNeeded: structure).bigEndian)
        append(UInt32(truncatingIfNeeded: stringsStart).bigEndian)
        append((40 as UInt32).bigEndian)  // The reservation block.
        append((17 as UInt32).bigEndian)  // Version.
        append((16 as UInt32).bigEndian)  // Last compatible version.
        append(0 as UInt32)  // Boot CPU.
        append(UInt32(truncatingIfNeeded: end &- stringsStart).bigEndian)
        append(UInt32(truncatingIfNeeded: stringsStart &- structure).bigEndian)
        return end
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func begin(_ property: Property, size: UInt64) {
        append((3 as UInt32).bigEndian)
        append(UInt32(truncatingIfNeeded: size).bigEndian)
        append(property.rawValue.bigEndian)
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append<Word: FixedWidthInteger & BitwiseCopyable>(_ word: Word) {
        region.store(word, at: region.address &+ position)
        position += UInt64(MemoryLayout<Word>.size)
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append(_ bytes: borrowing ByteView) {
        region.copy(bytes, to: region.address &+ position)
        position += bytes.count
    }

    @_lifetime(self: copy self)
    private mutating func append(_ text: StaticString) {
        append(ByteView(text))
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func pad() {
        while position & 3 != 0 { append(0 as UInt8) }
    }
}
