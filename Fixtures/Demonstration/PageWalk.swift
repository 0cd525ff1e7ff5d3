// Walks the page tables that the loader left (Intel SDM volume 3, 4.5).

import Demo

/// The translation of an address.
struct Translation {
    /// Whether it is mapped, and to itself.
    var isPresent = false, isIdentity = false
    /// Whether it is writable, and cacheable.
    var isWritable = true, isCacheable = true
    /// The page's size in bytes.
    var pageSize: UInt64 = 0

    init(of address: UInt64) {
        var table = demo_cr3() & ~0xfff
        var level: UInt64 = 39
        while true {
            let entry = demo_load(table + (address >> level & 511) * 8)
            guard entry & 1 != 0 else { return }
            if entry & 2 == 0 { isWritable = false }
            if entry & 0x10 != 0 { isCacheable = false }
            let size: UInt64 = 1 << level
            if level == 12 || entry & 0x80 != 0 {
                isPresent = true
                pageSize = size
                isIdentity = entry & 0x000f_ffff_ffff_f000 & ~(size - 1) == address & ~(size - 1)
                return
            }
            table = entry & 0x000f_ffff_ffff_f000
            level -= 9
        }
    }
}

/// Whether all of `start` to `end` is mapped to itself and, unless only to be read, writable.
func isIdentityMapped(_ start: UInt64, _ end: UInt64, written: Bool = true) -> Bool {
    var address = start
    while address < end {
        let page = Translation(of: address)
        guard page.isPresent, page.isIdentity, page.isWritable || !written else { return false }
        address = (address & ~(page.pageSize - 1)) + page.pageSize
    }
    return true
}

/// Whether nothing in the lower half from `start` on is mapped.
func isUnmapped(from start: UInt64) -> Bool {
    var address = start
    while address < 1 << 47 {
        var table = demo_cr3() & ~0xfff
        var level: UInt64 = 39
        while true {
            let entry = demo_load(table + (address >> level & 511) * 8)
            if entry & 1 == 0 { break }
            if level == 12 || entry & 0x80 != 0 { return false }
            table = entry & 0x000f_ffff_ffff_f000
            level -= 9
        }
        address = (address >> level + 1) << level
    }
    return true
}
