// Writes a flattened device tree (Devicetree Specification 0.4, chapter 5), version 17, front to back.

public import Firmware
public import Memory
public import Bytes
public import Diagnostics

/// The device tree of a Hermit kernel, under construction in memory that the caller gives. First the reservations, then the
/// root, the nodes, and `finish`. What does not fit is counted but not written, and reported by `finish`.
///
/// What is always the same is written as it stands in the tree: big-endian tokens, 1 for a node and its name, 2 for its end, and
/// 3 for a property, with the size of its value and its name's offset in `strings`, all of it in words of four bytes.
public struct DeviceTreeWriter: ~Copyable, ~Escapable {
    /// The end of the root and of the structure block, and behind those 12 bytes the names of properties, at offsets 0, 0xf, 0x1b,
    /// 0x26, 0x32 and 0x36 of the strings block; 0x3f and 0x52 are those of `archiveNames`.
    private static var end: StaticString {
        "\0\0\0\u{2}\0\0\0\u{2}\0\0\0\u{9}#address-cells\0#size-cells\0compatible\0device_type\0reg\0bootargs\0"
    }
    /// The names of properties that only a tree with an archive has.
    private static var archiveNames: StaticString { "linux,initrd-start\0linux,initrd-end\0" }

    private var region: ByteRegion
    private var position: UInt64 = 40
    private var structure: UInt64 = 0

    /// Starts a tree at the beginning of `region`, which must be aligned to 8 bytes.
    @_lifetime(copy region)
    public init(_ region: consuming ByteRegion) {
        self.region = region
    }

    /// Adds `range` to the memory reservation block.
    @_lifetime(self: copy self)
    public mutating func reserve(_ range: AddressRange) {
        append(range.start, range.size)
    }

    /// Begins the root, which tells how the loader was started: `compatible`, and two cells each for addresses and sizes.
    @_lifetime(self: copy self)
    public mutating func beginRoot(_ bootProtocol: BootProtocol) {
        reserve(AddressRange(0, 0))
        structure = position
        switch bootProtocol {
        case .multiboot:
            append("\0\0\0\u{1}\0\0\0\0\0\0\0\u{3}\0\0\0\u{11}\0\0\0\u{1b}hermit,multiboot\0\0\0\0")
        case .multiboot2:
            append(
                "\0\0\0\u{1}\0\0\0\0\0\0\0\u{3}\0\0\0\u{12}\0\0\0\u{1b}hermit,multiboot2\0\0\0")
        // Not `hermit,uefi`: kernels that read it expect the state in which upstream's UEFI loader leaves the machine.
        case .pvh, .uefi:
            append("\0\0\0\u{1}\0\0\0\0\0\0\0\u{3}\0\0\0\u{b}\0\0\0\u{1b}hermit,pvh\0\0")
        case .linux:
            append("\0\0\0\u{1}\0\0\0\0\0\0\0\u{3}\0\0\0\u{d}\0\0\0\u{1b}hermit,linux\0\0\0\0")
        }
        append(3 << 32 | 4, 2)
        append(3 << 32 | 4, 0xf << 32 | 2)
    }

    /// A node for memory that the kernel may use: `device_type` and `reg`.
    @_lifetime(self: copy self)
    public mutating func memory(_ range: AddressRange) {
        node(
            "\0\0\0\u{1}memory@",
            "\0\0\0\u{3}\0\0\0\u{7}\0\0\0\u{26}memory\0\0\0\0\0\u{3}\0\0\0\u{10}\0\0\0\u{32}", range)
    }

    /// A node for ACPI's root pointer, at `address`: `reg`.
    @_lifetime(self: copy self)
    public mutating func rootPointer(_ address: UInt64) {
        node(
            "\0\0\0\u{1}hermit,rsdp@", "\0\0\0\u{3}\0\0\0\u{10}\0\0\0\u{32}", AddressRange(at: address, size: 1))
    }

    /// Adds the command line, and where the archive lies, if there is one, as two properties of 64 bits; ends the tree and writes its header.
    /// Returns the tree's size in bytes. Throws `deviceTreeRoom`.
    @_lifetime(self: copy self)
    public mutating func finish(
        _ commandLine: borrowing ByteView, archive: AddressRange = AddressRange(0, 0)
    ) throws(Fault) -> UInt64 {
        append("\0\0\0\u{1}chosen\0\0\0\0\0\u{3}")
        append((commandLine.count &+ 1) << 32 | 0x36)
        append(commandLine)
        endString()
        if !archive.isEmpty {
            append(3 << 32 | 8, 0x3f << 32 | archive.start >> 32)
            append(archive.start << 32 | 3, 8 << 32 | 0x52)
            append(archive.end)
        }
        let stringsStart = position &+ 12
        append(DeviceTreeWriter.end)
        if !archive.isEmpty { append(DeviceTreeWriter.archiveNames) }
        let end = position
        guard end <= region.count else { throw Fault(.deviceTreeRoom, value: region.count) }
        position = 0
        append(0xd00d_feed << 32 | end, structure << 32 | stringsStart)
        // The reservation block, the version, the last compatible version, and the boot CPU.
        append(40 << 32 | 17, 16 << 32)
        append((end &- stringsStart) << 32 | (stringsStart &- structure))
        return end
    }

    /// A node whose name, up to the `@`, is followed by the address of `range`, and whose properties end with `reg`.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func node(_ name: StaticString, _ properties: StaticString, _ range: AddressRange) {
        append(name)
        let count = Digits.hexadecimalCount(range.start)
        if count > 8 { append(hexadecimal: range.start >> 32, count &- 8) }
        append(hexadecimal: range.start, min(count, 8))
        endString()
        append(properties)
        append(range.start, range.size)
        append(2 << 32)
        position &-= 4
    }

    /// The last `count` hexadecimal digits of `value`'s lower half.
    @_lifetime(self: copy self)
    private mutating func append(hexadecimal value: UInt64, _ count: UInt64) {
        let digits = Digits.hexadecimal(UInt32(truncatingIfNeeded: value)) >> (8 &* (8 &- count))
        append(digits.byteSwapped)
        // What lies behind them is overwritten by what follows.
        position &-= 8 &- count
    }

    /// A NUL, and more up to the next cell.
    @_lifetime(self: copy self)
    private mutating func endString() {
        append(0)
        position = (position &- 4) & ~3
    }

    /// Four cells.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append(_ first: UInt64, _ second: UInt64) {
        region.store((UInt128(first) << 64 | UInt128(second)).bigEndian, at: region.address &+ position)
        position &+= 16
    }

    /// Two cells.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func append(_ cells: UInt64) {
        region.store(cells.bigEndian, at: region.address &+ position)
        position &+= 8
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
}
