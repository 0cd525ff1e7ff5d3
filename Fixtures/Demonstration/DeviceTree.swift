// Reads a flattened device tree (Devicetree Specification, chapter 5), without trusting it.

import Demo

/// The parts of a device tree that a Hermit kernel reads.
struct DeviceTree {
    /// Up to eight ranges of memory.
    var memory = InlineArray<8, (start: UInt64, size: UInt64)>(repeating: (0, 0))
    var memoryCount = 0
    /// /chosen/bootargs: address and bytes, without the NUL.
    var arguments: UInt64 = 0, argumentsSize: UInt64 = 0
    /// Whether the walk reached the tree's end.
    var isSound = false
    /// Whether every reservation is whole pages, and `mustCover` lies in one of them.
    var reservationsAreSound = true
    var coversBootInfo = false

    init(at tree: UInt64, bootInfo: UInt64) {
        guard tree != 0, tree & 7 == 0, Self.word(tree) == 0xd00d_feed else { return }
        let total = UInt64(Self.word(tree + 4))
        let structure = tree + UInt64(Self.word(tree + 8))
        let strings = tree + UInt64(Self.word(tree + 12))
        var reservation = tree + UInt64(Self.word(tree + 16))
        let end = tree + total

        while reservation + 16 <= end {
            let start = demo_load(reservation).byteSwapped
            let size = demo_load(reservation + 8).byteSwapped
            if start == 0 && size == 0 { break }
            if (start | size) & 0xfff != 0 || size == 0 { reservationsAreSound = false }
            if start <= bootInfo && bootInfo < start + size { coversBootInfo = true }
            reservation += 16
        }

        var position = structure
        var depth = 0
        var isMemory = false
        while position + 4 <= end {
            let token = Self.word(position)
            position += 4
            switch token {
            case 1:
                isMemory = depth == 1 && Self.text(position, isPrefixed: "memory@")
                depth += 1
                while demo_load8(position) != 0, position < end { position += 1 }
                position = (position + 4) & ~3
            case 2: depth -= 1
            case 3:
                let size = UInt64(Self.word(position))
                let name = strings + UInt64(Self.word(position + 4))
                let value = position + 8
                if isMemory, size == 16, Self.text(name, isPrefixed: "reg\0"), memoryCount < 8 {
                    memory[memoryCount] = (demo_load(value).byteSwapped, demo_load(value + 8).byteSwapped)
                    memoryCount += 1
                } else if Self.text(name, isPrefixed: "bootargs\0") {
                    arguments = value
                    argumentsSize = size - 1
                }
                position = (value + size + 3) & ~3
            case 4: break
            case 9:
                isSound = depth == 0
                return
            default: return
            }
        }
    }

    func describe() {
        for index in 0..<memoryCount {
            field("memory", memory[index].start, memory[index].start + memory[index].size)
        }
        field("bootargs", text: arguments, argumentsSize)
    }

    private static func word(_ address: UInt64) -> UInt32 { demo_load32(address).byteSwapped }

    private static func text(_ address: UInt64, isPrefixed prefix: StaticString) -> Bool {
        for index in 0..<prefix.utf8CodeUnitCount
        where demo_load8(address + UInt64(index)) != prefix.utf8Start[index] {
            return false
        }
        return true
    }
}
