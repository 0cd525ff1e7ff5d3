// Inputs to begin fuzzing with: sound ones, whose mutations get past the first check.

import TestSupport

extension FuzzTarget {
    /// Sound inputs. `fixtures` are files that boot.
    public func seeds(_ fixtures: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .elf:
            return fixtures + [SmallFile().bytes, SmallFile(type: 2, base: 0x40_0000).bytes, SmallFile().withSections]
                + [SmallFile(type: 2, base: 0x10_0000).bytes]
        case .notes:
            return [
                [0] + hermitNote(4) + abiTag(0, 13, 0),
                [1] + note(Array("UHYVEIF\0".utf8), type: 0x5b00, desc: [0, 0, 0, 1], align: 8),
            ]
        case .dynamic:
            // One byte for the kind of file, then one choice of each kind.
            return (0..<8).map { choice in [0, UInt8(choice), 8, 1, 1, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 4] }
        case .object:
            return FuzzTarget.objectSeeds
        case .libraries: return FuzzTarget.librarySeeds
        case .multiboot: return [FuzzTarget.multiboot(hasMap: true), FuzzTarget.multiboot(hasMap: false)]
        case .pvh:
            return [
                "env=A=b --", "loader.generation=2 loader.align16 -- x", "loader.generation=4-recursive",
                "loader.kaslr --",
                "loader.base=0x2000000 loader.kaslr a",
            ].map {
                FuzzTarget.pvh($0)
            }
        case .multiboot2: return [FuzzTarget.multiboot2(hasMap: true), FuzzTarget.multiboot2(hasMap: false)]
        case .linux:
            return ["env=A=b --", "BOOT_IMAGE=/loader loader.kaslr --"].map { FuzzTarget.linux($0) }
        case .uefi: return [0, 8, 255].map { FuzzTarget.uefiSeed($0) }
        case .deviceTree:
            return [[0, 8] + (0..<48).map { UInt8($0 * 7 % 251) }, [255, 15] + (0..<200).map { UInt8($0) }]
        case .placement:
            return (0..<128).map { FuzzTarget.placement(choice: $0) }
        case .gzip: return FuzzTarget.imageSeeds.map { [0, 128] + $0 }
        case .tar, .configuration, .image: return FuzzTarget.imageSeeds
        case .exception:
            return (0..<64).map { choice in
                (0..<120).map { UInt8($0) } + [0, UInt8(choice)] + [14, 2, 0, 1] + [UInt8](repeating: 0, count: 40)
            }
        case .anyFile: return fixtures + FuzzTarget.anyFileSeeds
        }
    }

    /// A machine with 64 MiB of RAM, ACPI's tables in it, two modules, and a structure of the firmware's.
    private static func placement(choice: UInt8) -> [UInt8] {
        func address(_ value: UInt64) -> [UInt8] { [0] + littleEndian(value) }
        func range(_ kind: UInt8, _ start: UInt64, _ size: UInt64) -> [UInt8] {
            [kind] + address(start) + address(size)
        }
        var bytes = [choice]
        if choice & 2 != 0 { bytes += address(0x180_0000) }
        if choice & 16 != 0 { bytes += littleEndian(3 << 40 as UInt64) }
        if choice & 48 == 32 { bytes += address(0xe0_0000) }
        bytes += range(4, 0, 0x9_f000) + range(4, 0x10_0000, 0x3f0_0000) + range(0, 0x300_0000, 0x2_0000) + [3]
        bytes += range(1, 0x13_0000, 0x8000) + range(1, 0xe0_0000, 0x1234) + range(2, 0x9500, 116) + [choice >> 6]
        return bytes
    }

    /// A relocation of each type against each of the first symbols, then one choice of each other kind.
    private static var objectSeeds: [[UInt8]] {
        var seeds: [[UInt8]] = []
        for type in 0..<53 as Range<UInt8> {
            var seed: [UInt8] = [type % 2 * 9]
            for symbol in 0..<13 as Range<UInt8> { seed += [7, 0x10, symbol * 4, type, symbol] }
            seeds.append(seed)
        }
        for kind in 0..<24 as Range<UInt8> {
            let section: [UInt8] = [0, kind, 3, 40]
            let relocations: [UInt8] = [7, 0x11, 3, 4, 1, 4, 7, 0x11, 3, 8, 2, 2]
            let symbol: [UInt8] = [1, 0x40 | kind & 15, 3, 8, 0x12, 2]
            seeds.append([8] + section + relocations + symbol + [2, kind, 1])
        }
        return seeds
    }

    /// Memory from 0 on with a Multiboot information at 0x500.
    private static func multiboot(hasMap: Bool) -> [UInt8] {
        var memory = [UInt8](repeating: 0, count: 0xc00)
        func put(_ value: UInt32, at address: Int) { memory.put(value, at: address) }
        put(hasMap ? 0x4c : 0x0d, at: 0x500)
        put(639, at: 0x504)
        put(64 << 10, at: 0x508)
        put(0x700, at: 0x510)
        put(2, at: 0x514)
        put(0x600, at: 0x518)
        put(72, at: 0x52c)
        put(0x640, at: 0x530)
        let module = (start: moduleAddress, end: moduleAddress + moduleSize)
        for (index, word) in [module.start, module.end, 0x720, 0, 0x900, 0xa00, 0, 0].enumerated() {
            put(UInt32(word), at: 0x600 + 4 * index)
        }
        let map: [UInt32] = [
            20, 0, 0, 0x9_fc00, 0, 1, 20, 0x9_fc00, 0, 0x400, 0, 2, 20, 0x10_0000, 0, 0x3ff_0000, 0, 1,
        ]
        for (index, word) in map.enumerated() { put(word, at: 0x640 + 4 * index) }
        memory.replaceSubrange(0x700..<0x70a, with: Array("loader a=b".utf8))
        memory.replaceSubrange(0x720..<0x737, with: Array("app loader.generation=2".utf8))
        return memory
    }

    /// Memory from 0 on with a PVH start info at 0x500.
    private static func pvh(_ commandLine: String) -> [UInt8] {
        var memory = [UInt8](repeating: 0, count: 0xc00)
        func put(_ value: UInt64, at address: Int) { memory.put(value, at: address) }
        put(1 << 32 | 0x336e_c578, at: 0x500)
        put(1 << 32, at: 0x508)
        put(0x600, at: 0x510)
        put(0x700, at: 0x518)
        put(0xf_5a00, at: 0x520)
        put(0x640, at: 0x528)
        put(3, at: 0x530)
        for (index, word) in [moduleAddress, moduleSize, 0x720, 0].enumerated() { put(word, at: 0x600 + 8 * index) }
        let map: [UInt64] = [0, 0x9_fc00, 1, 0xf_0000, 0x1_0000, 2, 0x10_0000, 0x3ff_0000, 1]
        for (index, word) in map.enumerated() { put(word, at: 0x640 + 8 * index) }
        memory.replaceSubrange(0x700..<0x700 + commandLine.utf8.count, with: Array(commandLine.utf8))
        put(0x780, at: 0x610)
        memory.replaceSubrange(0x780..<0x783, with: Array("app".utf8))
        return memory
    }

    /// Memory from 0 on with boot_params at 0x500, and three elements of setup_data.
    private static func linux(_ commandLine: String) -> [UInt8] {
        var memory = [UInt8](repeating: 0, count: Int(moduleAddress))
        func put(_ words: [UInt32], at address: Int) {
            for (index, word) in words.enumerated() { memory.put(word, at: address + 4 * index) }
        }
        memory[0x500 + 0x1e8] = 2
        put([0x5372_6448], at: 0x500 + 0x202)
        put([UInt32(moduleAddress), UInt32(moduleSize)], at: 0x500 + 0x218)
        put([0xf00], at: 0x500 + 0x228)
        put([0xe00], at: 0x500 + 0x250)
        put([0, 0, 0x9_fc00, 0, 1, 0xf_0000, 0, 0x1_0000, 0, 2], at: 0x500 + 0x2d0)
        // UEFI's system table, and the first of its configuration tables, ACPI's.
        put([0x3436_4c45, 0xc00], at: 0x500 + 0x1c0)
        put([0x2049_4249, 0x5453_5953], at: 0xc00)
        put([1, 0, 0xd00, 0], at: 0xc68)
        put([0x8868_e871, 0x11d3_e4f1, 0x8000_22bc, 0x8188_3cc7, 0xc80, 0], at: 0xd00)
        put([0xe20, 0, 9, 8], at: 0xe00)
        put([0xe40, 0, 7, 4, 0x80_d000], at: 0xe20)
        put([0, 0, 1, 20, 0x10_0000, 0, 0x3ff_0000, 0, 1], at: 0xe40)
        memory.replaceSubrange(0xf00..<0xf00 + commandLine.utf8.count, with: Array(commandLine.utf8))
        return memory
    }

    /// Memory from 0 on with a Multiboot 2 information at 0x500, and two modules.
    private static func multiboot2(hasMap: Bool) -> [UInt8] {
        var memory = [UInt8](repeating: 0, count: 0xc00)
        var end = 0x508
        func tag(_ type: UInt32, _ words: [UInt32], _ text: String = "") {
            let bytes = ([type, UInt32(8 + 4 * words.count + text.utf8.count)] + words).flatMap { littleEndian($0) }
            memory.replaceSubrange(end..<end + bytes.count + text.utf8.count, with: bytes + Array(text.utf8))
            end = (end + bytes.count + text.utf8.count + 7) & ~7
        }
        tag(1, [], "loader a=b\0")
        tag(3, [UInt32(moduleAddress), UInt32(moduleAddress + moduleSize)], "app loader.generation=2\0")
        tag(3, [0xb00, 0xc00], "")
        if hasMap {
            let map: [UInt32] = [
                0, 0, 0x9_fc00, 0, 1, 0, 0xf_0000, 0, 0x1_0000, 0, 2, 0, 0x10_0000, 0, 0x3ff_0000, 0, 1, 0,
            ]
            tag(6, [24, 0] + map)
        } else {
            tag(4, [639, 64 << 10])
        }
        tag(14, [0x2044_5352, 0x2052_5450, 0, 0, 0])
        tag(0, [])
        memory.put(UInt32(end - 0x500), at: 0x500)
        return memory
    }
}
