// The page tables that the kernel starts with.

import Architecture
public import Memory
import Firmware
import Bytes
import Diagnostics
import HermitEntry

extension Generation {
    /// Whether kernels are known to run with pages that have the permissions of their segments. Kernel 0.6.9 does, and sets CR0.WP and
    /// EFER.NXE itself, as do today's sources. Older kernels get it only on request: no genuine one was available.
    var toleratesProtection: Bool { self == .fourRecursive || self == .fourIdentity }
}

extension Handoff {
    /// The page in which kernels start the other processors.
    public static var processorStart: AddressRange { AddressRange(at: 0x8000, size: Page.size) }

    /// Whether the last step must not run in the loader, which lies above the image: kernels with a recursive page table map their heap
    /// there, page by page, and panic if something is mapped already.
    func isLoaderLeft(_ application: borrowing Application, _ plan: MemoryPlan) -> Bool {
        application.generation.usesRecursivePageTable && loader.start >= plan.image.end
    }

    /// Writes the tables into their part of `block`.
    func writePageTables(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ plan: MemoryPlan,
        mapsFirmwareInformation: Bool, to block: inout ByteRegion
    ) throws(Fault) {
        let layout = plan.handoff
        guard let region = block.part(layout.pageTables.start, size: layout.pageTables.size) else {
            throw Fault(.pageTableRoom, value: layout.pageTables.size / PageTables.tableSize)
        }
        var tables = PageTables(region, hasNoExecute: hasNoExecute)
        let firstLargePage = AddressRange(0, PageSize.size2MiB.rawValue)
        let (data, code): (PageAccess, PageAccess) = application.protectsPages ? (.data, .code) : (.all, .all)
        let loaderCode = AddressRange(loader.start, loaderDataStart)
        let leavesLoader = isLoaderLeft(application, plan)
        if application.generation.usesRecursivePageTable {
            // Kernels of these generations map memory themselves, page by page, and panic if a page that is already mapped is larger: below
            // 2 MiB they get sparse 4 KiB pages, above the image nothing. The first range that is mapped gets the first PDPT and page
            // directory, right after the PML4, where they expect those of the first GiB. That is the loader's range or, if the last step
            // leaves the loader, the one below the image.
            if !leavesLoader {
                tables.map(AddressRange(loaderDataStart, loader.end), .size4KiB, data)
                tables.map(loaderCode, .size4KiB, code)
            }
            if mapsFirmwareInformation {
                let reserved = platform.reservations
                // Most of them share pages.
                var mapped = AddressRange(0, 0)
                for index in reserved.indices where reserved[index].isFirmware {
                    let pages = reserved[index].range.roundedOutward(to: Page.size)
                    guard !mapped.contains(pages) else { continue }
                    tables.map(pages, .size4KiB, data)
                    mapped = pages
                }
            }
            // All but the guard page.
            tables.map(AddressRange(layout.range.start, layout.multiboot.end), .size4KiB, data)
            tables.map(layout.stack, .size4KiB, data)
            // The kernel takes the last 2 MiB page that the image touches as wholly the image's. Its own pages follow below.
            let start = application.protectsPages ? plan.image.end.pageStart : plan.image.start
            let end = plan.image.roundedOutward(to: PageSize.size2MiB.rawValue).end
            tables.map(AddressRange(start, end), .size2MiB, data)
            if !leavesLoader, AddressRange(start, end).overlaps(loader) { tables.map(loaderCode, .size4KiB, code) }
            tables.makeRecursive()
        } else {
            // The first 2 MiB in 4 KiB pages without a hole: kernels up to 0.13.2 remap the trampoline's page there, and
            // newer ones take a table with holes for a complete mapping.
            tables.map(firstLargePage, .size4KiB, data)
            let largest = hasGigabytePages && application.acceptsGigabytePages ? PageSize.size1GiB : .size2MiB
            let regions = platform.memoryMap
            for index in regions.indices where regions[index].kind.isMapped {
                let range = regions[index].range.roundedOutward(to: PageSize.size2MiB.rawValue)
                tables.map(AddressRange(max(range.start, firstLargePage.end), range.end), largest, data)
            }
            tables.map(loaderCode, .size4KiB, code)
            tables.map(Handoff.processorStart, .size4KiB)
        }
        guard application.protectsPages else { return try tables.checkRoom() }
        // The guard page is read-only rather than unmapped: there is no hole, and a stack that overflows is still a page fault. Above 2 MiB
        // that would take a further table.
        if !application.generation.usesRecursivePageTable, layout.range.end <= firstLargePage.end {
            tables.map(layout.guardPage, .size4KiB, .none)
        }
        if plan.isStaged || leavesLoader { tables.map(layout.trampoline, .size4KiB, .code) }
        ImagePages.map(application, bias: plan.bias, in: &tables)
        try tables.checkRoom()
    }
}
