// The system's dynamic linker as a witness: its relocation of an object, compared with ours.

import Architecture
import Bytes
import Diagnostics
import ELF
import Foundation
import Linking

/// An object's memory as the dynamic linker relocated it.
struct WitnessMemory {
    var bias: UInt64
    var segments: [(address: UInt64, bytes: [UInt8])] = []

    init?(_ dump: [UInt8]) {
        var offset = 0
        func word() -> UInt64? {
            guard offset + 8 <= dump.count else { return nil }
            defer { offset += 8 }
            return (0..<8).reduce(0) { $0 | UInt64(dump[offset + $1]) << UInt64($1 * 8) }
        }
        guard let bias = word() else { return nil }
        self.bias = bias
        while let address = word(), let size = word() {
            guard offset + Int(size) <= dump.count else { return nil }
            segments.append((address, Array(dump[offset..<offset + Int(size)])))
            offset += Int(size)
        }
    }

    /// The little-endian number of `size` bytes at a link address.
    func number(_ address: UInt64, _ size: Int) -> UInt64? {
        for segment in segments where address >= segment.address {
            let start = Int(address - segment.address)
            guard start + size <= segment.bytes.count else { continue }
            return (0..<size).reduce(0) { $0 | UInt64(segment.bytes[start + $1]) << UInt64($1 * 8) }
        }
        return nil
    }

    func contains(runTime address: UInt64) -> Bool {
        segments.contains { address &- bias >= $0.address && address &- bias <= $0.address + UInt64($0.bytes.count) }
    }
}

/// The result of comparing an object, or several.
struct Comparison {
    /// By type; DT_RELR counts as 8.
    var equal: [UInt32: Int] = [:]
    /// Addresses of symbols that other objects define or may override, by type.
    var elsewhere: [UInt32: Int] = [:]
    /// Types whose value the dynamic linker chooses: module numbers, TLS descriptors, results of resolvers.
    var chosen: [UInt32: Int] = [:]
    /// Offsets from TP: equal except for the distance that the dynamic linker chose for this object's block.
    var shifted: [UInt32: Int] = [:]
    var packed = 0
    var differences: [String] = []
    /// Bytes that differ outside relocations, by object.
    var strayBytes: [String: Int] = [:]

    var equalCount: Int { equal.values.reduce(0, +) }

    static func += (left: inout Comparison, right: Comparison) {
        left.equal.merge(right.equal, uniquingKeysWith: +)
        left.elsewhere.merge(right.elsewhere, uniquingKeysWith: +)
        left.chosen.merge(right.chosen, uniquingKeysWith: +)
        left.shifted.merge(right.shifted, uniquingKeysWith: +)
        left.packed += right.packed
        left.differences += right.differences
        left.strayBytes.merge(right.strayBytes, uniquingKeysWith: +)
    }

    /// `1234 RELATIVE, 5 64`.
    static func text(_ counts: [UInt32: Int]) -> String {
        counts.sorted { $0.key < $1.key }
            .map { "\($0.value) \(RelocationType($0.key)?.name.description ?? "?")" }.joined(separator: ", ")
    }

    var summary: String {
        """
        equal: \(equalCount) (\(Comparison.text(equal)); \(packed) of them packed)
        equal but for the distance of the TLS block: \(Comparison.text(shifted))
        the dynamic linker's own choice: \(Comparison.text(chosen))
        of other objects: \(Comparison.text(elsewhere))
        differences: \(differences.count); bytes that differ elsewhere: \(strayBytes)
        """
    }
}

/// Compares each relocation of `file` with the word in `witness`.
func compare(_ name: String, _ file: [UInt8], _ witness: WitnessMemory) throws(Fault) -> Comparison {
    let image = try LinkedImage(ByteView(file.span.bytes), as: .library)
    let relocator = try Relocator(image, bias: witness.bias, as: .library)
    var memory = [UInt8](repeating: 0, count: Int(image.size))
    try load(image, into: &memory)
    let original = memory
    var span = memory.mutableSpan
    let region = ByteRegion(span.mutableBytes, at: image.linkStart)

    var comparison = Comparison()
    var threadShift: UInt64?
    var module: UInt64?
    var relocated = [Bool](repeating: false, count: Int(image.size))
    let start = image.linkStart
    func mark(_ address: UInt64, _ size: UInt64) {
        for byte in 0..<size where address &- start &+ byte < UInt64(relocated.count) {
            relocated[Int(address &- start &+ byte)] = true
        }
    }
    var listed = relocator.listed
    while let relocation = try listed.next() {
        let entry = relocation.entry
        guard let meaning = RelocationType(entry.type) else {
            comparison.differences.append("\(name): type \(entry.type)")
            continue
        }
        let size = Int(meaning.field.size)
        mark(entry.offset, UInt64(size))
        let isPacked = relocation.location.isPacked
        if isPacked { comparison.packed += 1 }
        let symbol = relocator.symbol(at: entry.symbol)?.symbol
        // A symbol that other objects may define as well: global or weak, of default visibility.
        let isOwn = entry.symbol == 0 || symbol?.binding == 0 || (symbol?.other ?? 0) & 3 != 0
        let outcome: RelocationOutcome
        do throws(Fault) {
            outcome = try relocator.outcome(of: entry, relocation.location, in: region)
        } catch {
            guard error.rule == .symbolUndefined else { throw error }
            comparison.elsewhere[entry.type, default: 0] += 1
            continue
        }
        guard case .value(let value) = outcome else {
            if outcome != .nothing { comparison.chosen[entry.type, default: 0] += 1 }
            continue
        }
        guard let theirs = witness.number(entry.offset, size) else {
            comparison.differences.append("\(name): no memory at \(entry)")
            continue
        }
        let ours = size == 8 ? value : value & (1 << UInt64(size * 8) - 1)
        let isUndefined = symbol?.isUndefined == true && entry.symbol != 0
        switch meaning.formula {
        case .tlsModule where !isUndefined:
            // The same difference for all of the object's offsets.
            if isOwn, module ?? theirs != theirs { comparison.differences.append("\(name): module of \(entry)") }
            if isOwn { module = theirs }
            comparison.chosen[entry.type, default: 0] += 1
        case .threadPointerOffset where !isUndefined:
            let shift = theirs &- ours
            if isOwn || threadShift == nil || threadShift == shift {
                if threadShift ?? shift != shift { comparison.differences.append("\(name): offset of \(entry)") }
                threadShift = shift
                comparison.shifted[entry.type, default: 0] += 1
            } else {
                comparison.elsewhere[entry.type, default: 0] += 1
            }
        case _ where theirs == ours:
            comparison.equal[entry.type, default: 0] += 1
        case .absolute where !isOwn && !witness.contains(runTime: theirs &- (entry.addend ?? 0)),
            .symbol where !isOwn && !witness.contains(runTime: theirs),
            .tlsModule where !isOwn, .tlsOffset where !isOwn, .threadPointerOffset where !isOwn:
            comparison.elsewhere[entry.type, default: 0] += 1
        default:
            comparison.differences.append(
                "\(name): \(meaning.name) at 0x\(String(entry.offset, radix: 16)): ours 0x\(String(ours, radix: 16)), "
                    + "theirs 0x\(String(theirs, radix: 16)), bias 0x\(String(witness.bias, radix: 16))")
        }
    }

    // Any other difference from the file is a relocation that was overlooked.
    for index in 0..<image.programHeaders.count
    where image.programHeaders.type(index) == ProgramHeader.Kind.dynamic {
        mark(image.programHeaders[index].vaddr, image.programHeaders[index].memsz)
    }
    for segment in witness.segments {
        let start = Int(segment.address &- image.linkStart)
        for chunk in stride(from: 0, to: segment.bytes.count, by: 4096) {
            let range = chunk..<min(chunk + 4096, segment.bytes.count)
            if areEqual(segment.bytes, original, range, start) { continue }
            for index in range where segment.bytes[index] != original[start + index] && !relocated[start + index] {
                comparison.strayBytes[name, default: 0] += 1
            }
        }
    }
    return comparison
}

private func load(_ image: borrowing LinkedImage, into memory: inout [UInt8]) throws(Fault) {
    var span = memory.mutableSpan
    var region = ByteRegion(span.mutableBytes, at: image.linkStart)
    try image.load(into: &region)
}

/// Whether `range` of `left` equals the bytes of `right` from `start` on.
private func areEqual(_ left: [UInt8], _ right: [UInt8], _ range: Range<Int>, _ start: Int) -> Bool {
    left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            memcmp(left.baseAddress! + range.lowerBound, right.baseAddress! + start + range.lowerBound, range.count)
                == 0
        }
    }
}

extension FaultLocation {
    fileprivate var isPacked: Bool {
        kind == .relocation && table == 36
    }
}
