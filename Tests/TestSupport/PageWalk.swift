// Walks page tables as a CPU does (Intel SDM volume 3, 4.5), without the code under test.

/// A page that is mapped.
public struct MappedPage: Equatable, Sendable {
    /// Its virtual address, sign bits left out, and its physical address.
    public var virtual: UInt64, physical: UInt64
    /// Its size.
    public var size: UInt64
    /// Whether every entry on the way allows writing, and whether every one allows executing.
    public var isWritable: Bool, isExecutable: Bool
}

/// The pages that the tables under the PML4 at `root` map, in ascending order; `read` gives the entry at a physical address,
/// or nil outside the tables' memory. PML4 entries in `skipped` are not followed. Nil if a table is out of bounds or an
/// entry has unexpected bits set.
public func mappedPages(
    root: UInt64, skipping skipped: Set<Int> = [], _ read: (UInt64) -> UInt64?
) -> [MappedPage]? {
    var pages: [MappedPage] = []
    func walk(_ table: UInt64, _ level: Int, _ base: UInt64, _ writable: Bool, _ executable: Bool) -> Bool {
        let shift = UInt64(12 + 9 * (level - 1))
        for index in 0..<512 {
            if level == 4, skipped.contains(index) { continue }
            guard let entry = read(table + UInt64(index) * 8) else { return false }
            guard entry & 1 == 1 else { continue }
            // P, R/W and XD, and PS above the last level. All other bits, the caching ones included, are clear.
            let known: UInt64 = 0x800f_ffff_ffff_f003 | (level == 2 || level == 3 ? 0x80 : 0)
            guard entry & ~known == 0 else { return false }
            let virtual = base | UInt64(index) << shift
            let (writable, executable) = (writable && entry & 2 != 0, executable && entry >> 63 == 0)
            let address = entry & 0x000f_ffff_ffff_f000
            let isPage = level == 1 || entry & 0x80 != 0
            if isPage {
                guard level <= 3, address % (1 << shift) == 0 else { return false }
                pages.append(
                    MappedPage(
                        virtual: virtual, physical: address, size: 1 << shift, isWritable: writable,
                        isExecutable: executable))
            } else if !walk(address, level - 1, virtual, writable, executable) {
                return false
            }
        }
        return true
    }
    return walk(root, 4, 0, true, true) ? pages : nil
}

/// Ascending pages joined to ranges of virtual addresses.
public func ranges(of pages: [MappedPage]) -> [Range<UInt64>] {
    var ranges: [Range<UInt64>] = []
    for page in pages {
        if let last = ranges.last, last.upperBound == page.virtual {
            ranges[ranges.count - 1] = last.lowerBound..<page.virtual + page.size
        } else {
            ranges.append(page.virtual..<page.virtual + page.size)
        }
    }
    return ranges
}
