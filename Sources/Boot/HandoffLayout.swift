// What the loader leaves behind for the kernel: one block of pages, and where each part of it lies.

public import AddressSpace
import BootProtocols
import HermitEntry

/// The layout of the handoff block: page tables first, then a page for BootInfo and GDT, one for the last step's code, the
/// device tree, the Multiboot information with the command line, a guard page and the stack.
public struct HandoffLayout: Equatable, Sendable {
    /// The whole block, in pages.
    public let range: AddressRange
    /// The pages for page tables; the PML4 comes first.
    public let pageTables: AddressRange
    /// The page that holds BootInfo and the GDT.
    public let information: AddressRange
    /// The page for the code that moves a staged image into place: the one part that is executed.
    public let trampoline: AddressRange
    /// The device tree's room.
    public let deviceTree: AddressRange
    /// The room for the command line and a synthesised Multiboot information.
    public let multiboot: AddressRange
    /// The boot stack, 32 KiB; the page below it is not mapped where the kernel's generation allows that.
    public let stack: AddressRange

    /// The address of BootInfo.
    public var bootInfo: UInt64 { information.start }
    /// The address of the global descriptor table.
    public var descriptorTable: UInt64 { information.start &+ 0x100 }

    /// The size of the boot stack that every generation expects.
    public static var stackSize: UInt64 { 0x8000 }

    /// The bytes of a block for `application` on `platform`: enough wherever block and image come to lie.
    static func largestSize(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, loader: AddressRange,
        imageSize: UInt64
    ) -> UInt64 {
        // An image of some size touches at most one 2 MiB page more than its size suggests; so do the loader and the
        // block itself, whose pages are of 4 KiB. Every piece may need a table of each level.
        let image = PageTables.tableCount(for: AddressRange(at: 0x1f_f000, size: imageSize), .size2MiB) + 2
        var tables = 1 + image + 3 * 3 + 2
        if application.generation.usesRecursivePageTable {
            tables += 4
            // What the firmware hands on is mapped too; QEMU puts it into the first 2 MiB, others need not.
            let reserved = platform.reservations
            for index in reserved.indices {
                let reservation = reserved[index]
                if reservation.purpose == .firmware, reservation.range.end > 0x20_0000 {
                    tables += PageTables.tableCount(for: reservation.range, .size4KiB)
                }
            }
        } else {
            let regions = platform.memoryMap
            for index in 0..<regions.count where regions[index].kind.isMapped {
                tables += PageTables.tableCount(for: regions[index].range, .size2MiB)
            }
        }
        if application.protectsPages { tables += application.pageTableCount }
        return (tables * 0x1000) + 0x2000 + deviceTreeSize(platform) + multibootSize(platform) + 0x1000 + stackSize
    }

    /// The parts of the block at `range`, front to back.
    init(_ platform: borrowing PlatformFacts, at range: AddressRange) {
        self.range = range
        stack = AddressRange(range.end &- HandoffLayout.stackSize, range.end)
        let guardPage = stack.start &- 0x1000
        multiboot = AddressRange(guardPage &- HandoffLayout.multibootSize(platform), guardPage)
        deviceTree = AddressRange(multiboot.start &- HandoffLayout.deviceTreeSize(platform), multiboot.start)
        trampoline = AddressRange(deviceTree.start &- 0x1000, deviceTree.start)
        information = AddressRange(trampoline.start &- 0x1000, trampoline.start)
        pageTables = AddressRange(range.start, information.start)
    }

    /// A node per region, a reservation per module and a few more, the command line, and what is always there.
    private static func deviceTreeSize(_ platform: borrowing PlatformFacts) -> UInt64 {
        let entries = UInt64(platform.memoryMap.count) * 96 + UInt64(platform.moduleCount) * 16
        return pages(1024 + entries + platform.commandLine.size)
    }

    /// Command line, module's string, the information structure, a module entry and an entry per region.
    private static func multibootSize(_ platform: borrowing PlatformFacts) -> UInt64 {
        let strings = platform.commandLine.size + platform.applicationString.size
        return pages(256 + strings + UInt64(platform.memoryMap.count) * 24)
    }

    private static func pages(_ size: UInt64) -> UInt64 { (size &+ 0xfff) & ~0xfff }
}
