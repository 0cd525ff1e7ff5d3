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
        let tables = HandoffLayout.tableCount(application, on: platform)
        informationStart = tables &* PageTables.tableSize
        let deviceTreeSize = DeviceTreeWriter.mostBytes(
            regions: platform.memoryMap.count, reservations: platform.reservations.count,
            commandLine: platform.commandLine.size)
        multibootStart = informationStart &+ 2 &* Page.size &+ deviceTreeSize.pageAligned
        let multibootSize = HandoffLayout.multibootSize(platform)
        end = multibootStart &+ multibootSize.pageAligned &+ Page.size &+ HandoffLayout.stackSize
    }

    /// The most page tables that the kernel's mapping takes. Every range of addresses may need a table of each level.
    private static func tableCount(
        _ application: borrowing Application, on platform: borrowing PlatformFacts
    ) -> UInt64 {
        // The image touches the most pages of 2 MiB if it begins with the last 4 KiB of one. Its first and its last may be split.
        let image = AddressRange(at: PageSize.size2MiB.rawValue &- Page.size, size: application.size)
        var tables = PageTables.tableCount(for: image, .size2MiB) &+ 2
        // The PML4; three levels for each range of 4 KiB pages: the loader, the block itself, and the first 2 MiB; a table more for the
        // loader and for the block, which may lie across a border of 2 MiB.
        tables &+= 1 &+ 3 &* 3 &+ 2
        if application.generation.usesRecursivePageTable {
            // The firmware's structures are mapped, too. QEMU puts them into the first 2 MiB, for which four tables are enough; others
            // need not.
            tables &+= 4
            let reserved = platform.reservations
            for index in reserved.indices
            where reserved[index].isFirmware && reserved[index].range.end > PageSize.size2MiB.rawValue {
                tables &+= PageTables.tableCount(for: reserved[index].range, .size4KiB)
            }
        } else {
            let regions = platform.memoryMap
            for index in regions.indices where regions[index].kind.isMapped {
                tables &+= PageTables.tableCount(for: regions[index].range, .size2MiB)
            }
        }
        return application.protectsPages ? tables &+ application.pageTableCount : tables
    }

    /// The most bytes of the command line with its NUL, the Multiboot information after it, and the lists that it refers to.
    private static func multibootSize(_ platform: borrowing PlatformFacts) -> UInt64 {
        // More than the NUL takes, and the alignment of the information to 16 bytes.
        let padding: UInt64 = 128
        var size = platform.commandLine.size &+ padding &+ HandoffLayout.multibootInformationSize
        size &+= UInt64(truncatingIfNeeded: platform.memoryMap.count) &* Multiboot.MemoryMapEntry.size
        for index in 0..<platform.moduleCount {
            // An entry, and the string with its NUL.
            size &+= Multiboot.ModuleEntry.size &+ platform.module(index).commandLine.size &+ 1
        }
        return size
    }

    /// Moves the block from address 0 to `address`.
    mutating func move(to address: UInt64) {
        start &+= address
        informationStart &+= address
        multibootStart &+= address
        end &+= address
    }
}
