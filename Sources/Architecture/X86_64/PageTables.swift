// Four-level page tables (Intel SDM volume 3, 4.5) that map addresses to themselves, written into the caller's memory.

public import Bytes
public import Diagnostics
public import Memory

/// The sizes of pages.
public enum PageSize: UInt64, Sendable {
    /// Mapped by a page table entry.
    case size4KiB = 0x1000
    /// Mapped by a page directory entry.
    case size2MiB = 0x20_0000
    /// Mapped by a page-directory-pointer-table entry; not on every CPU.
    case size1GiB = 0x4000_0000
}

extension PageAccess {
    /// The flags of an entry, including P; `noExecute` is XD, or 0 if the CPU does not have it.
    func flags(_ noExecute: UInt64) -> UInt64 {
        PageTables.present | (isWritable ? PageTables.writable : 0) | (isExecutable ? 0 : noExecute)
    }
}

/// Writes page tables into a region; the first page is the PML4, further tables follow in the order of their first use.
public struct PageTables: ~Copyable, ~Escapable {
    /// P: the entry is in use.
    public static var present: UInt64 { 1 }
    /// R/W: it allows writing.
    public static var writable: UInt64 { 1 << 1 }
    /// U/S: it allows access from user mode, too; the loader never sets it.
    public static var user: UInt64 { 1 << 2 }
    /// XD: it forbids execution.
    public static var noExecute: UInt64 { 1 << 63 }
    /// The flags of an entry that points to a table: they forbid nothing, so the page's own entry decides.
    private static var table: UInt64 { present | writable }
    /// PS: the entry maps a page instead of pointing to a table.
    public static var huge: UInt64 { 1 << 7 }
    /// The bits that hold an address.
    public static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }
    /// The bits that decide which access is allowed.
    public static var accessMask: UInt64 { writable | noExecute }

    /// The size of a table: one page.
    public static var tableSize: UInt64 { Page.size }
    /// The number of its entries.
    public static var entryCount: UInt64 { 512 }
    /// The size of an entry.
    public static var entrySize: UInt64 { 8 }
    /// The number of address bits that select an entry at each level.
    public static var levelBits: UInt64 { 9 }
    /// The number of the bits below those that select an entry of a page table.
    public static var pageBits: UInt64 { 12 }
    /// The same of a page directory.
    public static var directoryBits: UInt64 { pageBits &+ levelBits }
    /// The same of the PML4.
    public static var rootBits: UInt64 { directoryBits &+ 2 &* levelBits }
    /// The end of the lower half of the address space.
    private static var lowerHalfEnd: UInt64 { 1 << 47 }

    private var region: ByteRegion
    /// XD, or 0 if the CPU does not have it.
    private let noExecute: UInt64
    private var used = PageTables.tableSize
    private var isFull = false
    /// The first slot of the newest page directory such that it and all later ones are empty.
    private var untouched: UInt64 = 0
    /// The last page table that was written, and the number of the 2 MiB range that it maps.
    private var recent: (number: UInt64, table: UInt64) = (.max, 0)

    /// Starts with an empty PML4 at the beginning of `region`, whose address is the one that CR3 will hold. Everything can be
    /// executed unless the CPU has XD (`hasNoExecute`).
    @_lifetime(copy region)
    public init(_ region: consuming ByteRegion, hasNoExecute: Bool = true) {
        self.region = region
        noExecute = hasNoExecute ? PageTables.noExecute : 0
        self.region.clear(self.region.address, size: min(PageTables.tableSize, self.region.count))
    }

    /// The largest number of tables that mapping `range` with `pageSize` needs below the PML4.
    public static func tableCount(for range: AddressRange, _ pageSize: PageSize) -> UInt64 {
        guard !range.isEmpty else { return 0 }
        var count: UInt64 = 0
        var level = rootBits
        while 1 &<< level > pageSize.rawValue {
            count &+= (range.end &- 1) &>> level &- range.start &>> level &+ 1
            level &-= levelBits
        }
        return count
    }

    /// Maps every page of `range`, rounded outward to 4 KiB, to itself with `access`, whatever access it had before. Pages are as
    /// large as possible, but no larger than `largest`. A larger page that is already mapped is split if part of it changes, and is
    /// kept if it has that access. The upper half of the address space is the kernel's, and is not mapped. If the tables run out of
    /// room, mapping stops: see `checkRoom`.
    @inline(never)
    @_lifetime(self: copy self)
    public mutating func map(_ range: AddressRange, _ largest: PageSize, _ access: PageAccess = .all) {
        // An empty range, rounded outward, could become a page.
        guard !range.isEmpty else { return }
        let flags = access.flags(noExecute)
        let end = min(range.end, PageTables.lowerHalfEnd).pageAligned
        var address = range.start.pageStart
        while address < end {
            if address >> PageTables.directoryBits != recent.number {
                let size = mapLarge(address, end, largest, flags)
                if size > 0 {
                    address &+= size
                    continue
                }
            }
            let first = address >> PageTables.pageBits & (PageTables.entryCount &- 1)
            let pages = min((end &- address) >> PageTables.pageBits, PageTables.entryCount &- first)
            fill(recent.table &+ first &* PageTables.entrySize, address | flags, Page.size, pages)
            address &+= pages << PageTables.pageBits
        }
    }

    /// Maps memory from `address` towards `end` with pages of more than 4 KiB, as far as one table reaches. Returns the number of bytes
    /// mapped; 0 if 4 KiB pages are needed: then their table is `recent`.
    @_lifetime(self: copy self)
    private mutating func mapLarge(
        _ address: UInt64, _ end: UInt64, _ largest: PageSize, _ flags: UInt64
    ) -> UInt64 {
        var table = region.address
        var level = PageTables.rootBits
        while level > PageTables.pageBits {
            let size: UInt64 = 1 &<< level
            let index = address &>> level & (PageTables.entryCount &- 1)
            let slot = table &+ index &* PageTables.entrySize
            // Every table is complete, except a PML4 in too little room; then there is no room for other tables either.
            let entry = region.load(UInt64.self, at: slot) ?? 0
            let isPage = entry & PageTables.huge != 0
            if isPage, (entry ^ flags) & PageTables.accessMask == 0 { return size &- address & (size &- 1) }
            let isWhole = size <= largest.rawValue && address & (size &- 1) == 0 && size <= end &- address
            if isWhole, entry == 0 || isPage {
                // One page at a time if the next slot may be in use.
                var pages: UInt64 = 1
                if level == PageTables.directoryBits, slot >= untouched {
                    pages = min((end &- address) >> PageTables.directoryBits, PageTables.entryCount &- index)
                    untouched = slot &+ pages &* PageTables.entrySize
                }
                fill(slot, address | flags | PageTables.huge, size, pages)
                return pages &<< level
            }
            level &-= PageTables.levelBits
            guard entry == 0 || isPage else {
                table = entry & PageTables.addressMask
                continue
            }
            table = region.address &+ used
            guard region.clear(table, size: PageTables.tableSize) else {
                isFull = true
                return end &- address
            }
            used &+= PageTables.tableSize
            region.store(table | PageTables.table, at: slot)
            if level == PageTables.pageBits { untouched = max(untouched, slot &+ PageTables.entrySize) }
            if level == PageTables.directoryBits { untouched = table }
            // A page that is split becomes smaller pages with the same access.
            if isPage {
                let pages = level > PageTables.pageBits ? entry : entry & ~PageTables.huge
                fill(table, pages, size >> PageTables.levelBits, PageTables.entryCount)
            }
        }
        recent = (address >> PageTables.directoryBits, table)
        return 0
    }

    /// Fills `count` entries of one table from `slot` on.
    @inline(never)
    @_lifetime(self: copy self)
    private mutating func fill(_ slot: UInt64, _ first: UInt64, _ step: UInt64, _ count: UInt64) {
        _ = region.fill(at: slot, first: first, step: step, count: count)
    }

    /// Makes the PML4's last entry point to the PML4 itself.
    @_lifetime(self: copy self)
    public mutating func makeRecursive() {
        let last = region.address &+ (PageTables.tableSize &- PageTables.entrySize)
        region.store(region.address | PageTables.table, at: last)
    }

    /// Throws `pageTableRoom` if the tables had too little room.
    public func checkRoom() throws(Fault) {
        if isFull { throw Fault(.pageTableRoom, value: region.count / PageTables.tableSize) }
    }

    /// The number of bytes of `region` that the tables occupy.
    public var size: UInt64 { used }
}
