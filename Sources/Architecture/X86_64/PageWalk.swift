// Reads four-level page tables (Intel SDM volume 3, 4.5.4), to translate an address as the CPU does.

public import Bytes

/// Page tables in untrusted memory.
public struct PageWalk: ~Escapable {
    private let memory: ByteView
    private let origin: UInt64
    private let root: UInt64

    /// The tables whose PML4 is at `root`, in physical memory that begins at address `origin`.
    @_lifetime(copy memory)
    public init(_ memory: ByteView, origin: UInt64, root: UInt64) {
        self.memory = memory
        self.origin = origin
        self.root = root & PageTables.addressMask
    }

    /// The physical address that `address` translates to; nil if it is not mapped, or a table cannot be read.
    public func physicalAddress(of address: UInt64) -> UInt64? {
        var table = root
        var level = PageTables.rootBits
        while true {
            let slot = table &+ (address >> level & (PageTables.entryCount &- 1)) &* PageTables.entrySize
            guard slot >= origin, let entry = memory.word64(at: slot &- origin), entry & PageTables.present != 0 else {
                return nil
            }
            let offset = address & (1 << level &- 1)
            if level == PageTables.pageBits || (level < PageTables.rootBits && entry & PageTables.huge != 0) {
                return entry & PageTables.addressMask & ~(1 << level &- 1) | offset
            }
            table = entry & PageTables.addressMask
            level -= PageTables.levelBits
        }
    }
}
