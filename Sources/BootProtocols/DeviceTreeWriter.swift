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
            let count = Digits.hexadecimalCount(address)
            if count > 8 { append(hexadecimal: UInt32(truncatingIfNeeded: address >> 32), count &- 8) }
            append(hexadecimal: UInt32(truncatingIfNeeded: address), min(count, 8))
        }
        endString()
    }

    /// Closes the node that was opened last.
    @_lifetime(self: copy self)
    public mutating func endNode() {
        append((2 as UInt32).bigEndian)
    }

    /// A property of one 32-bit cell.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property, _ value: UInt32) {
        append((3 << 32 | 4 as UInt64).bigEndian)
        append((UInt64(property.rawValue) << 32 | UInt64(value)).bigEndian)
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
        endString()
    }

    /// A property that is a string of someone else's bytes, without their NUL.
    @_lifetime(self: copy self)
    public mutating func property(_ property: Property, _ value: borrowing ByteView) {
        begin(property, size: value.count + 1)
        append(value)
        endString()
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
        append(0xd00d_feed, end)
        append(structure, stringsStart)
        append(40, 17)  // The reservation block, and the version.
        append(16, 0)  // The last compatible version, and the boot CPU.
        append(end &- stringsStart, stringsStart &- structure)
        return end
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func begin(_ property: Property, size: UInt64) {
        // The token for a property, and the size of its value.
        append((3 << 32 | size & 0xffff_ffff).bigEndian)
        append(property.rawValue.bigEndian)
    }

    /// Two cells.
    @_lifetime(self: copy self)
    private mutating func append(_ first: UInt64, _ second: UInt64) {
        append((first << 32 | second & 0xffff_ffff).bigEndian)
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append<Word: FixedWidthInteger & BitwiseCopyable>(_ word: Word) {
        region.store(word, at: region.address &+ position)
        position &+= UInt64(MemoryLayout<Word>.size)
    }

    /// The last `count` hexadecimal digits of `value`; what is stored behind them is overwritten by what follows.
    @_lifetime(self: copy self)
    private mutating func append(hexadecimal value: UInt32, _ count: UInt64) {
        append(Digits.hexadecimal(value) >> (8 &* (8 &- count)))
        position &-= 8 &- count
    }

    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append(_ bytes: borrowing ByteView) {
        region.copy(bytes, to: region.address &+ position)
        position &+= bytes.count
    }

    @_lifetime(self: copy self)
    private mutating func append(_ text: StaticString) {
        append(ByteView(text))
    }

    /// A NUL, and more up to the next cell.
    @_lifetime(self: copy self)
    private mutating func endString() {
        append(0 as UInt32)
        position &= ~3
    }
}
