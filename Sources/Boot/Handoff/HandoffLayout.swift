// The layout of the loader's handoff to the kernel: one block of pages.

import Architecture
public import Memory
import Firmware
import HermitEntry

/// The layout of the handoff block: page tables first, then a page for BootInfo and GDT, one for the last step's code, the
/// device tree, the Multiboot information with the command line, a guard page and the stack.
public struct HandoffLayout: Equatable, Sendable {
    private var start: UInt64 = 0, informationStart: UInt64, multibootStart: UInt64, end: UInt64

    /// The whole block, in pages.
    public var range: AddressRange { AddressRange(start, end) }
    /// The pages for page tables; the PML4 comes first.
    public var pageTables: AddressRange { AddressRange(start, informationStart) }
    /// The page that holds BootInfo, the GDT, and a copy of ACPI's root pointer.
    public var information: AddressRange { AddressRange(informationStart, informationStart &+ Page.size) }
    /// The page for a copy of the last step's code, if that cannot run in the loader: a staged image is moved over it, or it is not
    /// mapped for the kernel. The one part that is executed.
    public var trampoline: AddressRange { AddressRange(information.end, information.end &+ Page.size) }
    /// The device tree's room.
    public var deviceTree: AddressRange { AddressRange(trampoline.end, multibootStart) }
    /// The room for the command line and a synthesised Multiboot information.
    public var multiboot: AddressRange { AddressRange(multibootStart, stack.start &- Page.size) }
    /// The page below the stack, which is not mapped if the kernel's generation allows that.
    public var guardPage: AddressRange { AddressRange(multiboot.end, stack.start) }
    /// The boot stack, 32 KiB.
    public var stack: AddressRange { AddressRange(end &- HandoffLayout.stackSize, end) }

    /// The address of BootInfo.
    public var bootInfo: UInt64 { informationStart }
    /// The address of the global descriptor table.
    public var descriptorTable: UInt64 { informationStart &+ 0x100 }

    /// The address of a copy of ACPI's root pointer, if one is needed.
    var rootPointer: UInt64 { informationStart &+ 0x140 }

    /// The room for a Multiboot information, whose size is rounded up to a multiple of 16.
    static var multibootInformationSize: UInt64 { (Multiboot.Information.size &+ 15) & ~15 }

    /// The size of the boot stack that every generation expects.
    public static var stackSize: UInt64 { 0x8000 }

    /// A block for `application` on `platform` at address 0, large enough for every place of block and image.
    init(_ application: borrowing Application, on platform: borrowing PlatformFacts) {
        // An image of some size touches at most one 2 MiB page more than its size suggests; so do the loader and the
        // block itself, whose pages are of 4 KiB. Every piece may need a table of each level.
        let image =
            PageTables.tableCount(
                for: AddressRange(at: PageSize.size2MiB.rawValue &- Page.size, size: application.size), .size2MiB) &+ 2
        var tables = 1 &+ image &+ 3 &* 3 &+ 2
        if application.generation.usesRecursivePageTable {
            tables &+= 4
            // The firmware's structures are mapped too; QEMU puts them into the first 2 MiB, others need not.
            let reserved = platform.reservations
            for index in reserved.indices {
                let reservation = reserved[index]
                if reservation.isFirmware, reservation.range.end > PageSize.size2MiB.rawValue {
                    tables &+= PageTables.tableCount(for: reservation.range, .size4KiB)
                }
            }
        } else {
            let regions = platform.memoryMap
            for index in regions.indices where regions[index].kind.isMapped {
                tables &+= PageTables.tableCount(for: regions[index].range, .size2MiB)
            }
        }
        if application.protectsPages { tables &+= application.pageTableCount }

        let regions = UInt64(truncatingIfNeeded: platform.memoryMap.count)
        let strings = platform.commandLine.size
        informationStart = tables &* PageTables.tableSize
        // The device tree: a node per region, the reservations and a few more, the command line, and the fixed nodes.
        let entries = regions &* 96 &+ UInt64(truncatingIfNeeded: platform.reservations.count) &* 16
        multibootStart = informationStart &+ 2 &* Page.size &+ (1024 &+ entries &+ strings).pageAligned
        // Command line, NUL and alignment, the information, and for each module an entry, a string and a NUL; an entry per region.
        var multibootSize =
            HandoffLayout.multibootInformationSize &+ 128 &+ strings &+ regions &* Multiboot.MemoryMapEntry.size
        for module in 0..<platform.moduleCount {
            multibootSize &+= Multiboot.ModuleEntry.size &+ 1 &+ platform.module(module).commandLine.size
        }
        end = multibootStart &+ multibootSize.pageAligned &+ Page.size &+ HandoffLayout.stackSize
    }

    /// Moves the block from address 0 to `address`.
    mutating func move(to address: UInt64) {
        start &+= address
        informationStart &+= address
        multibootStart &+= address
        end &+= address
    }
}
