// Random machines and applications for the tests of this folder.

import Memory
import Firmware
import Diagnostics
import HermitEntry
import TestSupport

/// One machine with one application.
struct Scenario: Sendable, CustomStringConvertible {
    var regions: [MemoryRegion]
    var isPVH: Bool
    var firmware: [AddressRange]
    var modules: [AddressRange]
    var loader: AddressRange
    var isFixed: Bool
    var base: UInt64
    var zeroFill: UInt64
    var alignment: UInt64
    var generation: Generation
    var commandLine: [UInt8] = []
    /// Whether the first module is an archive that holds the application's file.
    var isImage = false
    /// The end of the loader's reach.
    let limit: UInt64 = 1 << 32

    var description: String {
        func hex(_ range: AddressRange) -> String {
            "0x" + String(range.start, radix: 16) + "..<0x" + String(range.end, radix: 16)
        }
        return "\(generation)\(isImage ? " in an image" : "") \(isPVH ? "PVH" : "Multiboot") "
            + "\(isFixed ? "ET_EXEC" : "ET_DYN") at "
            + "0x\(String(base, radix: 16)), 0x\(String(zeroFill, radix: 16)) of zeros, alignment \(alignment); loader "
            + "\(hex(loader)), modules \(modules.map(hex)), firmware \(firmware.map(hex)), memory "
            + "\(regions.map { "\($0.kind) \(hex($0.range))" })"
    }

    /// The application's file.
    var file: [UInt8] {
        var writer = ELFWriter(type: isFixed ? 2 : 3, base: isFixed ? base : 0)
        writer.append([0xf4])
        writer.zeroFill = zeroFill
        writer.alignment = alignment
        switch generation {
        case .zero: break
        case .one: writer.addNotes(hermitNote(1))
        case .two: writer.addNotes(hermitNote(2))
        case .three: writer.addNotes(hermitNote(3))
        case .fourRecursive: writer.addNotes(hermitNote(4) + abiTag(0, 10, 0))
        case .fourIdentity: writer.addNotes(hermitNote(4) + abiTag(0, 13, 0))
        }
        return writer.bytes
    }

    /// The machine as the loader sees it.
    func platform() throws(Fault) -> Platform {
        var platform = Platform(isPVH ? .pvh : .multiboot, information: firmware.first?.start ?? 0x9500)
        for region in regions { try platform.memoryMap.add(region.range, region.kind) }
        for range in firmware { try platform.reservations.add(range, isPVH ? .transient : .firmware) }
        for module in modules { try platform.add(Module(range: module, commandLine: AddressRange(0, 0))) }
        if isImage {
            let archive = modules[0]
            try platform.open(
                archive, application: AddressRange(archive.start + 0x200, archive.end),
                commandLine: AddressRange(0, 0))
        }
        return platform
    }

    /// The available RAM that no other region claims, as ranges.
    var availableRAM: [Range<UInt64>] {
        var free = joined(regions.filter { $0.kind == .available }.map { $0.range.start..<$0.range.end })
        for region in regions where region.kind != .available {
            free = subtract(region.range.start..<region.range.end, from: free)
        }
        return free
    }

    /// The ranges that must stay free, except for a fixed application's image.
    var taken: [Range<UInt64>] {
        ([loader, AddressRange(0, 0x1000), AddressRange(0x8000, 0x9000)] + firmware + modules)
            .map { $0.start..<$0.end }
    }

    /// A random scenario for `generation`.
    static func random(_ generation: Generation, _ random: inout SeededGenerator) -> Scenario {
        let page: UInt64 = 0x1000
        let megabyte: UInt64 = 0x10_0000
        var regions: [MemoryRegion] = []
        func add(_ start: UInt64, _ end: UInt64, _ kind: MemoryKind) {
            if start < end { regions.append(MemoryRegion(range: AddressRange(start, end), kind: kind)) }
        }
        let low: UInt64 = [0x9_fc00, 0x8_0000, 0x9_f000, 0x4_0000].randomElement(using: &random)!
        add(0, low, .available)
        add(low, 0xa_0000, .reserved)
        add(0xf_0000, megabyte, .reserved)
        let top =
            UInt64.random(in: 8...3000, using: &random) * megabyte + UInt64.random(in: 0..<256, using: &random) * page
        // RAM with a few holes in it.
        var position = megabyte
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let hole = UInt64.random(in: 1...(top / page), using: &random) * page
            let size = UInt64.random(in: 1...800, using: &random) * page
            guard hole > position, hole + size < top else { continue }
            add(position, hole, .available)
            let kinds: [MemoryKind?] = [.reserved, .acpiReclaimable, .acpiNonVolatile, .defective, nil]
            if let kind = kinds.randomElement(using: &random)! { add(hole, hole + size, kind) }
            position = hole + size
        }
        add(position, top, .available)
        add(top, top + 32 * page, [.reserved, .acpiReclaimable].randomElement(using: &random)!)
        if Bool.random(using: &random) {
            add(1 << 32, 1 << 32 + UInt64.random(in: 1...6000, using: &random) * megabyte, .available)
        }
        regions.shuffle(using: &random)

        func somewhere(_ size: UInt64, below end: UInt64) -> AddressRange {
            AddressRange(at: UInt64.random(in: 0...(max(end, size) - size) / page, using: &random) * page, size: size)
        }
        let loader = AddressRange(at: megabyte, size: UInt64.random(in: 30...80, using: &random) * page)
        var modules: [AddressRange] = []
        for _ in 0..<[1, 1, 1, 2, 3].randomElement(using: &random)! {
            // The first module has room for the application.
            let size = UInt64.random(in: (modules.isEmpty ? 0x1000 : 1)...(4 << 20), using: &random)
            let near = AddressRange(
                at: modules.last.map { ($0.end + 0x1fff) & ~0xfff } ?? loader.end + page, size: size)
            modules.append(Bool.random(using: &random) ? near : somewhere(size, below: top))
        }
        let firmware =
            [
                [AddressRange(at: 0x9500, size: 116), AddressRange(at: 0x9000, size: 0x500)],
                [AddressRange(at: 0x1_2340, size: 116), AddressRange(at: 0x1_3000, size: 240)],
                [somewhere(0x100, below: top)],
            ].randomElement(using: &random)!
        let bases: [UInt64] = [
            0x80_0000, 0x20_0000, megabyte, 0x11_2000, 0x100_0000, 0x40_0000, 0x1000, 0x2_0000,
            UInt64.random(in: 1...(top / page), using: &random) * page,
            UInt64.random(in: 1...(1 << 25), using: &random),
        ]
        return Scenario(
            regions: regions, isPVH: Bool.random(using: &random), firmware: firmware, modules: modules, loader: loader,
            isFixed: Bool.random(using: &random), base: bases.randomElement(using: &random)!,
            zeroFill: [0, UInt64.random(in: 0...(9 << 20), using: &random)].randomElement(using: &random)!,
            alignment: [0x1000, 0x20_0000, 0x40_0000].randomElement(using: &random)!, generation: generation,
            isImage: Bool.random(using: &random))
    }
}

/// Ascending ranges that cover what `ranges` cover.
func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
    var result: [Range<UInt64>] = []
    for range in ranges.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
        if let last = result.last, last.upperBound >= range.lowerBound {
            result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
        } else {
            result.append(range)
        }
    }
    return result
}

/// The parts of `ranges` outside `hole`.
func subtract(_ hole: Range<UInt64>, from ranges: [Range<UInt64>]) -> [Range<UInt64>] {
    ranges.flatMap { range -> [Range<UInt64>] in
        guard !hole.isEmpty, range.overlaps(hole) else { return [range] }
        var parts: [Range<UInt64>] = []
        if range.lowerBound < hole.lowerBound { parts.append(range.lowerBound..<hole.lowerBound) }
        if hole.upperBound < range.upperBound { parts.append(hole.upperBound..<range.upperBound) }
        return parts
    }
}

extension AddressRange {
    /// The same addresses as a standard range.
    var asRange: Range<UInt64> { start..<end }
}
