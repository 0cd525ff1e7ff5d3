// The page tables that the kernel starts with.

import AddressSpace
import BootProtocols
import Bytes
import Diagnostics
import HermitEntry

extension Generation {
    /// Whether kernels are known to run with pages that have the permissions of their segments. Kernel 0.6.9 does, and sets
    /// CR0.WP and EFER.NXE itself, as do today's sources. Of those before nothing genuine is at hand: they get it on demand.
    var toleratesProtection: Bool { self == .fourRecursive || self == .fourIdentity }
}

extension Handoff {
    /// Writes the tables into their part of `block`.
    func writePageTables(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ placement: Placement,
        to block: inout ByteRegion
    ) throws(Fault) {
        let layout = placement.handoff
        guard let region = block.part(layout.pageTables.start, size: layout.pageTables.size) else {
            throw Fault(.pageTableRoom, value: layout.pageTables.size / 0x1000)
        }
        var tables = PageTables(region, hasNoExecute: hasNoExecute)
        try tables.makeFirstTables()
        let data = application.protectsPages ? PageAccess.data : .all
        if application.generation.usesRecursivePageTable {
            // Kernels of these generations map memory themselves, page by page, and panic where a page that is already
            // mapped is larger: below 2 MiB they get sparse 4 KiB pages, above the image nothing.
            try tables.identityMap(loader, .size4KiB, data)
            if isMultibootInformationUsable(application, on: platform, placement) {
                let reserved = platform.reservations
                // Most of them share pages.
                var mapped = AddressRange(0, 0)
                for index in reserved.indices where reserved[index].purpose == .firmware {
                    let pages = reserved[index].range.roundedOutward(to: 0x1000)
                    guard !mapped.contains(pages) else { continue }
                    try tables.identityMap(pages, .size4KiB, data)
                    mapped = pages
                }
            }
            try tables.identityMap(layout.range, .size4KiB, data)
            // The kernel counts the last 2 MiB page that the image touches as the image's.
            let end = (placement.image.end &+ 0x1f_ffff) & ~0x1f_ffff
            try tables.identityMap(AddressRange(placement.image.start, end), data)
            try tables.unmap4KiB(layout.stack.start &- 0x1000)
            tables.makeRecursive()
        } else {
            // The first 2 MiB in 4 KiB pages without a hole: kernels up to 0.13.2 remap the trampoline's page there, and
            // newer ones take a table with holes for a complete mapping.
            try tables.identityMap(AddressRange(0, 0x20_0000), .size4KiB, data)
            let gigabytes = hasGigabytePages && application.acceptsGigabytePages
            let regions = platform.memoryMap
            for index in 0..<regions.count where regions[index].kind.isMapped {
                // The kernel's half of the address space begins at 2^47.
                let range = regions[index].range
                try identityMap(
                    AddressRange(max(range.start, 0x20_0000), min(range.end, 1 << 47)), gigabytes, data, &tables)
            }
        }
        guard application.protectsPages else { return }
        // Other processors start in this page.
        if !application.generation.usesRecursivePageTable { try tables.remap(AddressRange(0x8000, 0x9000), .all) }
        if placement.staging != nil { try tables.remap(layout.trampoline, .code) }
        try tables.remap(AddressRange(loader.start, loaderDataStart), .code)
        var pages = ImagePages(application)
        while let (range, access) = pages.next(in: application) {
            // Data is mapped as such already, unless the loader's code lies there until the image does.
            guard access != .data || placement.staging != nil else { continue }
            try tables.remap(AddressRange(at: range.start &+ placement.bias, size: range.size), access)
        }
    }

    private func identityMap(
        _ range: AddressRange, _ gigabytes: Bool, _ access: PageAccess, _ tables: inout PageTables
    ) throws(Fault) {
        let gigabyte = PageSize.size1GiB.rawValue
        let start = max(range.start, gigabyte).aligned(to: gigabyte) ?? range.end
        let middle = AddressRange(start, range.end & ~(gigabyte &- 1))
        guard gigabytes, !middle.isEmpty else {
            try tables.identityMap(range, .size2MiB, access)
            return
        }
        try tables.identityMap(middle, .size1GiB, access)
        if range.start < middle.start {
            try tables.identityMap(AddressRange(range.start, middle.start), .size2MiB, access)
        }
        try tables.identityMap(AddressRange(middle.end, range.end), .size2MiB, access)
    }
}
