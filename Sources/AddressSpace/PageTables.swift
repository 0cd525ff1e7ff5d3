// Four-level page tables (Intel SDM volume 3, 4.5), identity mapped, written into memory that the caller gives.

public import Bytes
public import Diagnostics

/// The sizes of pages.
public enum PageSize: UInt64, Sendable {
    /// A page table entry's.
    case size4KiB = 0x1000
    /// A page directory entry's.
    case size2MiB = 0x20_0000
    /// A page directory pointer table entry's; not on every CPU.
    case size1GiB = 0x4000_0000

    /// The number of address bits within a page.
    var shift: UInt64 { UInt64(rawValue.trailingZeroBitCount) }

    /// The next smaller size.
    var smaller: PageSize? {
        switch self {
        case .size4KiB: nil
        case .size2MiB: .size4KiB
        case .size1GiB: .size2MiB
        }
    }
}

/// What may be done with a page, besides reading it.
public struct PageAccess: Equatable, Sendable {
    /// Whether it can be written.
    public var isWritable: Bool
    /// Whether its bytes can be executed.
    public var isExecutable: Bool

    /// Reading, and what else is said.
    public init(isWritable: Bool, isExecutable: Bool) {
        self.isWritable = isWritable
        self.isExecutable = isExecutable
    }

    /// Writing and executing.
    public static var all: PageAccess { PageAccess(isWritable: true, isExecutable: true) }
    /// Writing, not executing.
    public static var data: PageAccess { PageAccess(isWritable: true, isExecutable: false) }
    /// Executing, not writing.
    public static var code: PageAccess { PageAccess(isWritable: false, isExecutable: true) }

    /// What either allows.
    public func union(_ other: PageAccess) -> PageAccess {
        PageAccess(isWritable: isWritable || other.isWritable, isExecutable: isExecutable || other.isExecutable)
    }
}

/// Writes page tables into a region; the first page is the PML4, further tables follow in the order of their first use.
public struct PageTables: ~Copyable, ~Escapable {
    /// Present, writable.
    static var present: UInt64 { 0b11 }
    /// PS: the entry maps a page rather than point to a table.
    static var huge: UInt64 { 1 << 7 }
    static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }

    private var region: ByteRegion
    /// XD, or 0 where the CPU does not know it.
    private let noExecute: UInt64
    private var used: UInt64 = 0x1000
    /// The address of the first entry of the newest table that has not been written, as none behind it.
    private var untouched: UInt64 = 0
    /// The last table of 4 KiB pages that was looked for, and the number of the 2 MiB that it maps.
    private var recent: (number: UInt64, table: UInt64) = (.max, 0)

    /// Starts with an empty PML4 at the beginning of `region`, whose address is the one CR3 will hold. Unless the CPU
    /// `hasNoExecute`, everything can be executed.
    @_lifetime(copy region)
    public init(_ region: consuming ByteRegion, hasNoExecute: Bool = true) {
        self.region = region
        noExecute = hasNoExecute ? 1 << 63 : 0
        self.region.clear(self.region.address, size: min(0x1000, self.region.count))
    }

    /// The number of tables that mapping `range` with `pageSize` needs below the PML4, at the most.
    public static func tableCount(for range: AddressRange, _ pageSize: PageSize) -> UInt64 {
        let covered = { (unit: UInt64) -> UInt64 in
            range.isEmpty ? 0 : ((range.end &- 1) / unit) &- range.start / unit &+ 1
        }
        var count = covered(1 << 39)
        if pageSize != .size1GiB { count += covered(PageSize.size1GiB.rawValue) }
        if pageSize == .size4KiB { count += covered(PageSize.size2MiB.rawValue) }
        return count
    }

    /// Maps every page of `range`, rounded outward to 4 KiB, to itself, in pages of 2 MiB as far as they fit. Throws
    /// `pageTableRoom`.
    @_lifetime(self: copy self)
    public mutating func identityMap(_ range: AddressRange, _ access: PageAccess) throws(Fault) {
        let unit = PageSize.size2MiB.rawValue
        let start = range.start.aligned(to: unit) ?? range.end
        let large = AddressRange(start, range.end & ~(unit &- 1))
        guard !large.isEmpty else { return try identityMap(range, .size4KiB, access) }
        try identityMap(AddressRange(range.start, large.start), .size4KiB, access)
        try identityMap(large, .size2MiB, access)
        try identityMap(AddressRange(large.end, range.end), .size4KiB, access)
    }

    /// Maps every page of `range`, rounded outward to `pageSize`, to itself. Where a larger page is mapped already it stays,
    /// with its access; where smaller pages are in use, the rest is mapped with those. Throws `pageTableRoom`.
    @_lifetime(self: copy self)
    public mutating func identityMap(
        _ range: AddressRange, _ pageSize: PageSize, _ access: PageAccess = .all
    ) throws(Fault) {
        // Rounded outward, no bytes would be a page.
        guard !range.isEmpty else { return }
        let range = range.roundedOutward(to: pageSize.rawValue)
        let leaf = pageSize.shift
        let flags = flags(access, leaf)
        var address = range.start
        while address < range.end {
            guard let table = try table(for: address, leaf, splitting: false) else {
                // A larger page covers this already.
                address = (address | ((1 << (leaf &+ 9)) &- 1)) &+ 1
                continue
            }
            // Fill as much of this table as is empty in one go.
            let pages = min((range.end &- address) >> leaf, 512 &- (address >> leaf & 511))
            let filled = try fill(slot(table, address, leaf), address | flags, pageSize, pages)
            address &+= filled << leaf
            if filled < pages, let smaller = pageSize.smaller {
                // What follows is mapped, or has a table of smaller pages, which may have room.
                if try entry(slot(table, address, leaf)) & PageTables.huge == 0 {
                    try identityMap(AddressRange(at: address, size: pageSize.rawValue), smaller, access)
                }
                address &+= pageSize.rawValue
            }
        }
    }

    /// Maps every page of `range`, rounded outward to 4 KiB, to itself with `access`, whatever it had before. Larger pages of
    /// which only a part changes are split. Throws `pageTableRoom`.
    @_lifetime(self: copy self)
    public mutating func remap(_ range: AddressRange, _ access: PageAccess) throws(Fault) {
        guard !range.isEmpty else { return }
        let range = range.roundedOutward(to: 0x1000)
        let unit = PageSize.size2MiB.rawValue
        var address = range.start
        while address < range.end {
            let isWhole = address & (unit &- 1) == 0 && range.end &- address >= unit
            if isWhole, let directory = try table(for: address, 21, splitting: true) {
                let slot = slot(directory, address, 21)
                let entry = try entry(slot)
                if entry == 0 || entry & PageTables.huge != 0 {
                    region.store(address | flags(access, 21), at: slot)
                    address &+= unit
                    continue
                }
            }
            guard let table = try table(for: address, 12, splitting: true) else { return }
            let pages = min((range.end &- address) >> 12, 512 &- (address >> 12 & 511))
            address &+= try fill(slot(table, address, 12), address | flags(access, 12), .size4KiB, pages) << 12
        }
    }

    private func flags(_ access: PageAccess, _ leaf: UInt64) -> UInt64 {
        (access.isWritable ? 0b11 : 0b01) | (access.isExecutable ? 0 : noExecute) | (leaf > 12 ? PageTables.huge : 0)
    }

    /// Fills entries from `slot` on, and returns their number: of larger pages up to the first entry that is in use.
    @_lifetime(self: copy self)
    private mutating func fill(
        _ slot: UInt64, _ first: UInt64, _ pageSize: PageSize, _ pages: UInt64
    ) throws(Fault) -> UInt64 {
        // In the newest table nothing has to be tested: that is most of the loader's work with page tables.
        let isUntouched = slot >= untouched && slot &- region.address >= used &- 0x1000
        let filled =
            isUntouched || pageSize == .size4KiB
            ? region.fill(at: slot, first: first, step: pageSize.rawValue, count: pages)
            : region.fillZeros(at: slot, first: first, step: pageSize.rawValue, count: pages)
        guard let filled else { throw Fault(.pageTableRoom, value: region.count / 0x1000) }
        if isUntouched { untouched = slot &+ filled &* 8 }
        return filled
    }

    /// The table whose entries map `1 << leaf` bytes each and that covers `address`, made if need be. Where a larger page
    /// covers the address it is split, or, unless `splitting`, nil is returned.
    @_lifetime(self: copy self)
    private mutating func table(for address: UInt64, _ leaf: UInt64, splitting: Bool) throws(Fault) -> UInt64? {
        if leaf == 12, address >> 21 == recent.number { return recent.table }
        var table = region.address
        var level: UInt64 = 39
        while level > leaf {
            let slot = self.slot(table, address, level)
            let entry = try self.entry(slot)
            level &-= 9
            if entry & 1 == 0 {
                table = try addTable(at: slot)
            } else if entry & PageTables.huge != 0, level < 30 {
                guard splitting else { return nil }
                table = try addTable(at: slot)
                let first = level > 12 ? entry : entry & ~PageTables.huge
                _ = try fill(table, first, level > 12 ? .size2MiB : .size4KiB, 512)
            } else {
                table = entry & PageTables.addressMask
            }
        }
        if leaf == 12 { recent = (address >> 21, table) }
        return table
    }

    /// Makes the table of 4 KiB pages for the first 2 MiB, and with it those above: they follow the PML4 if nothing has been
    /// mapped yet.
    @_lifetime(self: copy self)
    public mutating func makeFirstTables() throws(Fault) { _ = try table(for: 0, 12, splitting: false) }

    /// Takes the page that holds `address` out of the mapping, so that touching it is a page fault.
    @_lifetime(self: copy self)
    public mutating func unmap4KiB(_ address: UInt64) throws(Fault) {
        guard let table = try table(for: address, 12, splitting: true) else { return }
        region.store(UInt64(0), at: slot(table, address, 12))
    }

    /// Lets the PML4's last entry point to the PML4 itself.
    @_lifetime(self: copy self)
    public mutating func makeRecursive() {
        region.store(region.address | PageTables.present, at: region.address &+ 511 &* 8)
    }

    /// The number of bytes of `region` that the tables occupy.
    public var size: UInt64 { used }

    private func slot(_ table: UInt64, _ address: UInt64, _ level: UInt64) -> UInt64 {
        table &+ (address >> level & 511) &* 8
    }

    private func entry(_ slot: UInt64) throws(Fault) -> UInt64 {
        guard let entry = region.load(UInt64.self, at: slot) else {
            throw Fault(.pageTableRoom, value: region.count / 0x1000)
        }
        return entry
    }

    @_lifetime(self: copy self)
    private mutating func addTable(at slot: UInt64) throws(Fault) -> UInt64 {
        let table = region.address &+ used
        guard region.clear(table, size: 0x1000) else { throw Fault(.pageTableRoom, value: region.count / 0x1000) }
        used += 0x1000
        untouched = table
        region.store(table | PageTables.present, at: slot)
        return table
    }
}
