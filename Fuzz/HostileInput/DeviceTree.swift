// Reads a flattened device tree (Devicetree Specification 0.4, chapter 5), strictly, and drives the writer.

import Boot
import Memory
import Firmware
import Bytes
import Diagnostics
import TestSupport

/// A device tree that was read back.
struct FlatTree {
    /// A begin, a property or an end.
    enum Token: Equatable {
        case begin(name: [UInt8])
        case property(name: [UInt8], value: [UInt8])
        case end
    }

    private(set) var reservations: [AddressRange] = []
    private(set) var tokens: [Token] = []
    /// The first two words of `reg` in every node named `memory@…`.
    private(set) var memory: [AddressRange] = []
    /// `bootargs` without its NUL.
    private(set) var bootArguments: [UInt8]?

    /// Reads `bytes`; nil if they break the specification.
    init?(_ bytes: [UInt8]) {
        func word(_ offset: Int) -> Int? {
            guard offset >= 0, offset + 4 <= bytes.count else { return nil }
            return Int(bytes.number(UInt32.self, at: offset).byteSwapped)
        }
        guard word(0) == 0xd00d_feed, let total = word(4), let structure = word(8), let strings = word(12),
            let reserved = word(16), word(20) == 17, let stringsSize = word(32), let structureSize = word(36),
            total <= bytes.count, structure + structureSize <= strings, strings + stringsSize == total, reserved == 40,
            structure % 4 == 0
        else { return nil }
        var position = reserved
        while position + 16 <= structure {
            let start = bytes.number(UInt64.self, at: position).byteSwapped
            let size = bytes.number(UInt64.self, at: position + 8).byteSwapped
            position += 16
            if start == 0 && size == 0 { break }
            reservations.append(AddressRange(at: start, size: size))
        }
        guard position == structure else { return nil }

        func string(_ start: Int, _ end: Int) -> [UInt8]? {
            guard start < end, let length = bytes[start..<end].firstIndex(of: 0) else { return nil }
            return Array(bytes[start..<length])
        }
        var names: [[UInt8]] = []
        let end = structure + structureSize
        while position < end {
            guard let token = word(position) else { return nil }
            position += 4
            switch token {
            case 1:
                guard let name = string(position, end) else { return nil }
                position = (position + name.count + 4) & ~3
                names.append(name)
                tokens.append(.begin(name: name))
            case 2:
                guard !names.isEmpty else { return nil }
                names.removeLast()
                tokens.append(.end)
            case 3:
                guard let size = word(position), let offset = word(position + 4), position + 8 + size <= end,
                    let name = string(strings + offset, total)
                else { return nil }
                let value = Array(bytes[position + 8..<position + 8 + size])
                position = (position + 8 + size + 3) & ~3
                tokens.append(.property(name: name, value: value))
                if name == Array("reg".utf8), names.last?.starts(with: Array("memory".utf8)) == true, size == 16 {
                    memory.append(
                        AddressRange(
                            at: value.number(UInt64.self, at: 0).byteSwapped,
                            size: value.number(UInt64.self, at: 8).byteSwapped))
                }
                if name == Array("bootargs".utf8) { bootArguments = value.dropLast() }
            case 9:
                guard position == end, names.isEmpty else { return nil }
                return
            default: return nil
            }
        }
        return nil
    }
}

/// Writes the fuzzer's tree, reads it back, and compares.
enum DeviceTreeModel {
    /// The promises that are broken when the bytes choose the room and the tree.
    static func violations(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let room = Int(source.number(upTo: 4095))
        var guarded = GuardedBytes(count: room)
        var reservations: [AddressRange] = []
        var tokens: [FlatTree.Token] = []
        var size: UInt64?
        do throws(Fault) {
            try guarded.write(at: 0x1000) { region throws(Fault) in
                guard let whole = region.part(0x1000, size: UInt64(room)) else { return }
                var tree = DeviceTreeWriter(whole)
                for _ in 0..<source.byte() % 8 {
                    let range = AddressRange(at: source.address() | 1, size: source.address())
                    tree.reserve(range)
                    reservations.append(range)
                }
                let roots: [(BootProtocol, String)] = [
                    (.multiboot, "hermit,multiboot\0"), (.pvh, "hermit,pvh\0"), (.linux, "hermit,linux\0"),
                    (.multiboot2, "hermit,multiboot2\0"),
                    (.uefi, "hermit,pvh\0"),
                ]
                let (bootProtocol, compatible) = roots[Int(source.byte()) % roots.count]
                tree.beginRoot(bootProtocol)
                let two = littleEndian((2 as UInt32).bigEndian)
                tokens += [
                    .begin(name: []), .property(name: Array("compatible".utf8), value: Array(compatible.utf8)),
                    .property(name: Array("#address-cells".utf8), value: two),
                    .property(name: Array("#size-cells".utf8), value: two),
                ]
                for _ in 0..<source.byte() % 32 {
                    let isMemory = source.byte() & 3 != 0
                    var range = AddressRange(at: source.address(), size: source.address())
                    if isMemory {
                        tree.memory(range)
                    } else {
                        range = AddressRange(at: range.start, size: 1)
                        tree.rootPointer(range.start)
                    }
                    let name = "\(isMemory ? "memory" : "hermit,rsdp")@\(String(range.start, radix: 16))"
                    tokens.append(.begin(name: Array(name.utf8)))
                    if isMemory {
                        tokens.append(
                            .property(name: Array("device_type".utf8), value: Array("memory\0".utf8)))
                    }
                    let value = littleEndian(range.start.bigEndian) + littleEndian(range.size.bigEndian)
                    tokens += [.property(name: Array("reg".utf8), value: value), .end]
                }
                let text = (0..<source.byte() % 64).map { _ in source.byte() | 1 }
                size = try tree.finish(ByteView(text.span.bytes))
                tokens += [
                    .begin(name: Array("chosen".utf8)), .property(name: Array("bootargs".utf8), value: text + [0]),
                    .end,
                    .end,
                ]
            }
        } catch {
            if error.rule != .deviceTreeRoom { return ["another fault than room: \(error.rule)"] }
        }
        var violations = guarded.isIntact ? [] : ["the device tree was written outside its room"]
        guard let size else { return violations }
        if size > UInt64(room) { violations.append("the device tree is larger than its room") }
        guard let read = FlatTree(Array(guarded.inside)) else { return violations + ["the device tree is malformed"] }
        if read.tokens != tokens { violations.append("the device tree says something else") }
        // An empty range at 0 would end the list; the others are all there.
        if read.reservations != reservations { violations.append("the reservations are not those that were made") }
        return violations
    }
}
