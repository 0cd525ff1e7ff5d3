// Writes a flattened device tree (Devicetree Specification 0.4, chapter 5), version 17, front to back.

public import Firmware
public import Memory
public import Bytes
public import Diagnostics

/// The device tree of a Hermit kernel, under construction in memory that the caller gives. First the reservations, then the root, the
/// nodes, and `finish`. Bytes that do not fit are counted but not written, and reported by `finish`.
public struct DeviceTreeWriter: ~Copyable, ~Escapable {
    /// The words that the structure block consists of (5.4.1).
    private enum Token: UInt32 {
        case beginNode = 1
        case endNode = 2
        case property = 3
        case end = 9
    }

    /// The names of properties; a raw value is the name's offset in `names`.
    private enum Property: UInt32 {
        case addressCells = 0
        case sizeCells = 15
        case compatible = 27
        case deviceType = 38
        case reg = 50
        case bootargs = 54
        case initrdStart = 63
        case initrdEnd = 82
    }

    /// The strings block.
    private static var names: StaticString {
        """
        #address-cells\0#size-cells\0compatible\0device_type\0reg\0bootargs\0\
        linux,initrd-start\0linux,initrd-end\0
        """
    }

    /// The most bytes that a tree takes with nodes for so many `regions` of memory, and `commandLine` bytes of the command line.
    static func mostBytes(regions: Int, reservations: Int, commandLine: UInt64) -> UInt64 {
        // A node has 24 bytes of name, properties of 20 and 28 bytes, and two tokens; an entry of the reservation block has 16. There are
        // a few more of those than reservations. The other nodes, the names and the header take less than 1 KiB in all.
        let (node, entry, others): (UInt64, UInt64, UInt64) = (96, 16, 1024)
        return others &+ UInt64(truncatingIfNeeded: regions) &* node
            &+ UInt64(truncatingIfNeeded: reservations) &* entry &+ commandLine
    }

    /// The header's size, which is the offset of the reservation block.
    private static var headerSize: UInt64 { 40 }

    private var region: ByteRegion
    private var position = DeviceTreeWriter.headerSize
    /// The offset of the structure block.
    private var structure: UInt64 = 0

    /// Starts a tree at the beginning of `region`, which must be aligned to 8 bytes.
    @_lifetime(copy region)
    public init(_ region: consuming ByteRegion) {
        self.region = region
    }

    /// Adds `range` to the memory reservation block.
    @_lifetime(self: copy self)
    public mutating func reserve(_ range: AddressRange) {
        append(range.start)
        append(range.size)
    }

    /// Begins the root, which says how the loader was started: `compatible`, and two cells each for addresses and sizes.
    @_lifetime(self: copy self)
    public mutating func beginRoot(_ bootProtocol: BootProtocol) {
        reserve(AddressRange(0, 0))
        structure = position
        begin("\0")
        switch bootProtocol {
        case .multiboot: property(.compatible, "hermit,multiboot\0")
        case .multiboot2: property(.compatible, "hermit,multiboot2\0")
        // Not `hermit,uefi`: kernels that read it expect the state in which upstream's UEFI loader leaves the machine.
        case .pvh, .uefi: property(.compatible, "hermit,pvh\0")
        case .linux: property(.compatible, "hermit,linux\0")
        }
        property(.addressCells, cell: 2)
        property(.sizeCells, cell: 2)
    }

    /// A node for memory that the kernel may use: `device_type` and `reg`.
    @_lifetime(self: copy self)
    public mutating func memory(_ range: AddressRange) {
        begin("memory@", at: range.start)
        property(.deviceType, "memory\0")
        property(.reg, range)
        append(.endNode)
    }

    /// A node for ACPI's root pointer, at `address`: `reg`.
    @_lifetime(self: copy self)
    public mutating func rootPointer(_ address: UInt64) {
        begin("hermit,rsdp@", at: address)
        property(.reg, AddressRange(at: address, size: 1))
        append(.endNode)
    }

    /// A node for SEV-SNP's confidential computing blob, at `address`, in the form of upstream's loader: `reg`.
    @_lifetime(self: copy self)
    public mutating func confidentialBlob(_ address: UInt64) {
        begin("hermit,efi_sev_snp_cc_blob@", at: address)
        property(.reg, AddressRange(at: address, size: 1))
        append(.endNode)
    }

    /// Adds the command line, and the archive's range, if there is one, as two properties of 64 bits; ends the tree and writes its header.
    /// Returns the tree's size in bytes. Throws `deviceTreeRoom`.
    @_lifetime(self: copy self)
    public mutating func finish(
        _ commandLine: borrowing ByteView, archive: AddressRange = AddressRange(0, 0)
    ) throws(Fault) -> UInt64 {
        begin("chosen\0")
        property(.bootargs, size: commandLine.count &+ 1)
        append(commandLine)
        append("\0")
        align()
        if !archive.isEmpty {
            property(.initrdStart, cells: archive.start)
            property(.initrdEnd, cells: archive.end)
        }
        append(.endNode)
        append(.endNode)
        append(.end)
        let strings = position
        append(DeviceTreeWriter.names)
        let end = position
        guard end <= region.count else { throw Fault(.deviceTreeRoom, value: region.count) }

        // The header (5.2): from the magic number to the offset of the strings.
        position = 0
        append(0xd00d_feed, UInt32(truncatingIfNeeded: end))
        append(UInt32(truncatingIfNeeded: structure), UInt32(truncatingIfNeeded: strings))
        // The reservation block, the version, the last compatible version, the boot CPU.
        append(UInt32(truncatingIfNeeded: DeviceTreeWriter.headerSize), 17)
        append(16, 0)
        append(UInt32(truncatingIfNeeded: end &- strings), UInt32(truncatingIfNeeded: strings &- structure))
        return end
    }

    // MARK: Nodes and properties

    /// Begins a node with the name `name`, which ends with a NUL.
    @_lifetime(self: copy self)
    private mutating func begin(_ name: StaticString) {
        append(.beginNode)
        append(name)
        align()
    }

    /// Begins a node whose name is `name` and `address` in hexadecimal without leading zeros.
    @_lifetime(self: copy self)
    private mutating func begin(_ name: StaticString, at address: UInt64) {
        append(.beginNode)
        append(name)
        var digit = Digits.hexadecimalCount(address)
        while digit > 0 {
            digit &-= 1
            append(byte: Digits.hexadecimalDigit(address &>> (4 &* digit)))
        }
        append("\0")
        align()
    }

    /// Begins a property whose value has `size` bytes.
    @_lifetime(self: copy self)
    private mutating func property(_ name: Property, size: UInt64) {
        append(Token.property.rawValue, UInt32(truncatingIfNeeded: size))
        append(name.rawValue)
    }

    /// A property that is a string, which ends with a NUL.
    @_lifetime(self: copy self)
    private mutating func property(_ name: Property, _ value: StaticString) {
        property(name, size: UInt64(truncatingIfNeeded: value.utf8CodeUnitCount))
        append(value)
        align()
    }

    /// A property of one cell.
    @_lifetime(self: copy self)
    private mutating func property(_ name: Property, cell value: UInt32) {
        append(Token.property.rawValue, 4)
        append(name.rawValue, value)
    }

    /// A property of two cells.
    @_lifetime(self: copy self)
    private mutating func property(_ name: Property, cells value: UInt64) {
        property(name, size: 8)
        append(value)
    }

    /// A property that is an address and a size, of two cells each.
    @_lifetime(self: copy self)
    private mutating func property(_ name: Property, _ value: AddressRange) {
        property(name, size: 16)
        append(value.start)
        append(value.size)
    }

    // MARK: Bytes

    /// Adds a token.
    @_lifetime(self: copy self)
    private mutating func append(_ token: Token) { append(token.rawValue) }

    /// Adds a cell: 32 bits, most significant byte first.
    @_lifetime(self: copy self)
    private mutating func append(_ cell: UInt32) {
        region.store(cell.bigEndian, at: region.address &+ position)
        position &+= 4
    }

    /// Adds two cells.
    @_lifetime(self: copy self)
    private mutating func append(_ first: UInt32, _ second: UInt32) {
        append(UInt64(first) << 32 | UInt64(second))
    }

    /// Adds the two cells of a number.
    @_lifetime(self: copy self)
    private mutating func append(_ cells: UInt64) {
        region.store(cells.bigEndian, at: region.address &+ position)
        position &+= 8
    }

    /// Adds a byte.
    @_lifetime(self: copy self)
    private mutating func append(byte: UInt8) {
        region.store(byte, at: region.address &+ position)
        position &+= 1
    }

    /// Adds all bytes of `text`.
    @_lifetime(self: copy self)
    private mutating func append(_ text: StaticString) { append(ByteView(text)) }

    /// Adds all of `bytes`.
    @_lifetime(self: copy self)
    private mutating func append(_ bytes: borrowing ByteView) {
        region.copy(bytes, to: region.address &+ position)
        position &+= bytes.count
    }

    /// Adds zeros up to the next cell.
    @_lifetime(self: copy self)
    private mutating func align() {
        while position & 3 != 0 { append(byte: 0) }
    }
}
