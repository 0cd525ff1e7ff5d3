// The machine's memory when the kernel is entered: the model of the picture's second half.

import Memory
import Boot
import HermitEntry

/// The owner of a range of the guest's memory.
enum Owner: String, CaseIterable {
    case image, library, handoff, stack, module, loader, firmware, kept, free, nothing

    /// The owner of what a plan sets aside for `part`.
    init(_ part: MemoryPlan.Part) {
        switch part {
        case .staged, .movingTables: self = .loader
        case .archive, .modules: self = .module
        case .pageTables, .information, .trampoline, .deviceTree, .multiboot, .guardPage, .rootPointer: self = .handoff
        case .stack: self = .stack
        }
    }

    /// The owner in words.
    var title: String {
        switch self {
        case .image: "image"
        case .library: "shared object"
        case .handoff: "handoff block"
        case .stack: "boot stack"
        case .module: "module"
        case .loader: "loader"
        case .firmware: "firmware"
        case .kept: "kept free"
        case .free: "free RAM"
        case .nothing: "no RAM"
        }
    }
}

/// A range with one set of owners.
struct GuestRange {
    var range: AddressRange
    var owner: Owner
    var name: String

    /// Whether it is in use, as opposed to being only listed in the memory map.
    var isUsed: Bool { owner != .free && owner != .nothing && owner != .firmware }
}

/// The map of the guest's memory.
struct GuestMap {
    /// Ascending, without gaps, from address 0.
    let ranges: [GuestRange]
    /// The address after the last RAM.
    let top: UInt64

    /// The memory of `rehearsal` on `machine`.
    init(_ rehearsal: Rehearsal, on machine: HostMachine) {
        let things = GuestMap.things(rehearsal, machine).filter { !$0.range.isEmpty }
        let regions = rehearsal.memoryMap
        let top = regions.filter { $0.kind == .available }.map(\.range.end).max() ?? 0
        self.top = top
        var bounds: Set<UInt64> = [0, top]
        for range in things.map(\.range) + regions.map(\.range) { bounds.formUnion([range.start, range.end]) }
        let cuts = bounds.filter { $0 <= top }.sorted()
        var ranges: [GuestRange] = []
        for (start, end) in zip(cuts, cuts.dropFirst()) {
            let range = AddressRange(start, end)
            let here = things.filter { $0.range.contains(range) }
            let region = regions.first { $0.range.contains(range) }
            var found: GuestRange
            if let first = here.first {
                let others = here.dropFirst().map(\.name)
                found = GuestRange(
                    range: range, owner: first.owner,
                    name: first.name + (others.isEmpty ? "" : ", over " + others.joined(separator: ", ")))
            } else if let region {
                found = GuestMap.range(range, region.kind)
            } else {
                found = GuestRange(range: range, owner: .nothing, name: "no RAM")
            }
            if let last = ranges.last, last.owner == found.owner, last.name == found.name {
                found.range = AddressRange(last.range.start, end)
                ranges[ranges.count - 1] = found
            } else {
                ranges.append(found)
            }
        }
        self.ranges = ranges
    }

    private static func range(_ range: AddressRange, _ kind: MemoryKind) -> GuestRange {
        switch kind {
        case .available: GuestRange(range: range, owner: .free, name: "free RAM")
        case .reserved: GuestRange(range: range, owner: .firmware, name: "reserved")
        case .acpiReclaimable: GuestRange(range: range, owner: .firmware, name: "ACPI tables")
        case .acpiNonVolatile: GuestRange(range: range, owner: .firmware, name: "ACPI, to be kept")
        case .defective: GuestRange(range: range, owner: .nothing, name: "broken RAM")
        }
    }

    /// Everything that was placed; where ranges overlap, the one that is there at the jump to the kernel comes first.
    private static func things(_ rehearsal: Rehearsal, _ machine: HostMachine) -> [GuestRange] {
        var list = image(rehearsal)
        func add(_ range: AddressRange, _ owner: Owner, _ name: String) {
            list.append(GuestRange(range: range, owner: owner, name: name))
        }
        rehearsal.plan.forEachPart { part, range in
            let isAbsent = part == .deviceTree && !rehearsal.generation.hasDeviceTree
            add(range, Owner(part), isAbsent ? "(no device tree)" : part.name.string)
        }
        add(machine.loader, .loader, "loader")
        // In the order in which they are given.
        var modules =
            ["module"]
            + machine.modules.map { "module \(printable($0.path.split(separator: "/").last.map(String.init) ?? ""))" }
        for reservation in rehearsal.reservations {
            switch reservation.purpose {
            case .module:
                let name = modules.isEmpty ? "module" : modules.removeFirst()
                let isMoved = rehearsal.movedModules.contains { reservation.range.contains($0) }
                add(reservation.range, isMoved ? .free : .module, isMoved ? name + ", before it was moved" : name)
            case .firmware: add(reservation.range, .firmware, "firmware's information")
            case .transient: add(reservation.range, .firmware, "start info, read already")
            case .loader, .image, .handoff: break
            }
        }
        add(AddressRange(0, Page.size), .kept, "real mode's page")
        add(Handoff.processorStart, .kept, "trampoline's page")
        return list
    }

    /// The image's parts: the application, its shared objects in ascending order, the loader's additions, and the gaps between them.
    private static func image(_ rehearsal: Rehearsal) -> [GuestRange] {
        let image = rehearsal.plan.image
        var list: [GuestRange] = []
        var reached = image.start
        for library in rehearsal.libraries {
            list.append(
                GuestRange(
                    range: AddressRange(reached, library.memory.start), owner: .image,
                    name: list.isEmpty ? "image" : "alignment"))
            list.append(GuestRange(range: library.memory, owner: .library, name: printable(library.name)))
            reached = library.memory.end
        }
        list.append(
            GuestRange(
                range: AddressRange(reached, image.end), owner: .image,
                name: list.isEmpty ? "image" : "added by the loader"))
        return list
    }
}
