// Four-level page tables (Intel SDM volume 3, 4.5), identity mapped, written into memory that the caller gives.

public import Bytes
public import Diagnostics
public import Memory

/// The sizes of pages.
public enum PageSize: UInt64, Sendable {
    /// A page table entry's.
    case size4KiB = 0x1000
    /// A page directory entry's.
    case size2MiB = 0x20_0000
    /// A page directory pointer table entry's; not on every CPU.
    case size1GiB = 0x4000_0000
}

/// What may be done with a page, besides reading it.
public struct PageAccess: Equatable, Sendable {
    /// R/W and XD as they are in an entry, but that XD says what is allowed.
    private var bits: UInt64

    private static var writable: UInt64 { 1 << 1 }
    private static var executable: UInt64 { 1 << 63 }

    /// Reading, and what else is said.
    public init(isWritable: Bool, isExecutable: Bool) {
        bits = (isWritable ? PageAccess.writable : 0) | (isExecutable ? PageAccess.executable : 0)
    }

    /// Whether it can be written.
    public var isWritable: Bool { bits & PageAccess.writable != 0 }
    /// Whether its bytes can be executed.
    public var isExecutable: Bool { bits & PageAccess.executable != 0 }

    /// Writing and executing.
    public static var all: PageAccess { PageAccess(isWritable: true, isExecutable: true) }
    /// Writing, not executing.
    public static var data: PageAccess { PageAccess(isWritable: true, isExecutable: false) }
    /// Executing, not writing.
    public static var code: PageAccess { PageAccess(isWritable: false, isExecutable: true) }
    /// Neither.
    public static var none: PageAccess { PageAccess(isWritable: false, isExecutable: false) }

    /// What either allows.
    public func union(_ other: PageAccess) -> PageAccess {
        var result = self
        result.bits |= other.bits
        return result
    }

    /// The flags of an entry, P among them; `noExecute` is XD, or 0 where the CPU does not know it.
    func flags(_ noExecute: UInt64) -> UInt64 { bits & PageAccess.writable | ~bits & noExecute | 1 }
}

/// Writes page tables into a region; the first page is the PML4, further tables follow in the order of their first use.
public struct PageTables: ~Copyable, ~Escapable {
    /// Present, writable.
    static var present: UInt64 { 0b11 }
    /// PS: the entry maps a page rather than point to a table.
    static var huge: UInt64 { 1 << 7 }
    static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }
    /// R/W and XD.
    static var accessMask: UInt64 { 1 << 63 | 1 << 1 }

    private var region: ByteRegion
    /// XD, or 0 where the CPU does not know it.
    private let noExecute: UInt64
    private var used: UInt64 = 0x1000
    private var isFull = false
    /// The slot in the newest page directory from which on all are empty.
    private var untouched: UInt64 = 0
    /// The last page table that was written, and the number of the 2 MiB that it maps.
    private var recent: (number: UInt64, table: UInt64) = (.max, 0)

    /// Starts with an empty PML4 at the beginning of `region`, whose address is the one CR3 will hold. Unless the CPU
    /// `hasNoExecute`, everything can be executed.
    @_lifetime(copy region)
    @inline(never)
    public init(_ region: consuming ByteRegion, hasNoExecute: Bool = true) {
        self.region = region
        noExecute = hasNoExecute ? 1 << 63 : 0
        self.region.clear(self.region.address, size: min(0x1000, self.region.count))
    }

    /// The number of tables that mapping `range` with `pageSize` needs below the PML4, at the most.
    @inline(never)
    public static func tableCount(for range: AddressRange, _ pageSize: PageSize) -> UInt64 {
        guard !range.isEmpty else { return 0 }
        var count: UInt64 = 0
        var level: UInt64 = 39
        while 1 &<< level > pageSize.rawValue {
            count &+= (range.end &- 1) &>> level &- range.start &>> level &+ 1
            level &-= 9
        }
        return count
    }

    /// Maps every page of `range`, rounded outward to 4 KiB, to itself with `access`, whatever it had before: in pages as large
    /// as fit, but no larger than `largest`. Larger pages that are mapped already are split where a part of them changes, and
    /// stay where they have that access. The upper half of the address space is not mapped: it is the kernel's. What takes more
    /// room than there is is left out, which `checkRoom` tells.
    @inline(never)
    @_lifetime(self: copy self)
    public mutating func map(_ range: AddressRange, _ largest: PageSize, _ access: PageAccess = .all) {
        // Rounded outward, no bytes would be a page.
        guard !range.isEmpty else { return }
        let flags = access.flags(noExecute)
        let end = (min(range.end, 1 << 47) &+ 0xfff) & ~0xfff
        var address = range.start & ~0xfff
        while address < end {
            if address >> 21 != recent.number {
                let size = mapLarge(address, end, largest, flags)
                if size > 0 {
                    address &+= size
                    continue
                }
            }
            let first = address >> 12 & 511
            let pages = min((end &- address) >> 12, 512 &- first)
            fill(recent.table &+ first &* 8, address | flags, 0x1000, pages)
            address &+= pages << 12
        }
    }

    /// Maps what lies between `address` and `end` with pages of more than 4 KiB, as far as one table goes, and returns the number
    /// of bytes; 0 where it takes smaller pages: then `recent` is their table.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func mapLarge(
        _ address: UInt64, _ end: UInt64, _ largest: PageSize, _ flags: UInt64
    ) -> UInt64 {
        var table = region.address
        var level: UInt64 = 39
        while level > 12 {
            let size: UInt64 = 1 &<< level
            let index = address &>> level & 511
            let slot = table &+ index &* 8
            // Every table is there as a whole, but for a PML4 in too little room: then there is none for others either.
            let entry = region.load(UInt64.self, at: slot) ?? 0
            let isPage = entry & PageTables.huge != 0
            if isPage, (entry ^ flags) & PageTables.accessMask == 0 { return size &- address & (size &- 1) }
            let isWhole = size <= largest.rawValue && address & (size &- 1) == 0 && size <= end &- address
            if isWhole, entry == 0 || isPage {
                // One by one where others may be in use.
                var pages: UInt64 = 1
                if level == 21, slot >= untouched {
                    pages = min((end &- address) >> 21, 512 &- index)
                    untouched = slot &+ pages &* 8
                }
                fill(slot, address | flags | PageTables.huge, size, pages)
                return pages &<< level
            }
            level &-= 9
            guard entry == 0 || isPage else {
                table = entry & PageTables.addressMask
                continue
            }
            table = region.address &+ used
            guard region.clear(table, size: 0x1000) else {
                isFull = true
                return end &- address
            }
            used &+= 0x1000
            region.store(table | PageTables.present, at: slot)
            if level == 12 { untouched = max(untouched, slot &+ 8) }
            if level == 21 { untouched = table }
            // The same in smaller pages.
            if isPage { fill(table, level > 12 ? entry : entry & ~PageTables.huge, size >> 9, 512) }
        }
        recent = (address >> 21, table)
        return 0
    }

    /// Fills `count` entries of one table from `slot` on.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func fill(_ slot: UInt64, _ first: UInt64, _ step: UInt64, _ count: UInt64) {
        _ = region.fill(at: slot, first: first, step: step, count: count)
    }

    /// Lets the PML4's last entry point to the PML4 itself.
    @_lifetime(self: copy self)
    public mutating func makeRecursive() {
        region.store(region.address | PageTables.present, at: region.address &+ 511 &* 8)
    }

    /// Throws `pageTableRoom` where something was left out.
    public func checkRoom() throws(Fault) {
        if isFull { throw Fault(.pageTableRoom, value: region.count / 0x1000) }
    }

    /// The number of bytes of `region` that the tables occupy.
    public var size: UInt64 { used }
}
