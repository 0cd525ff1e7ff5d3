// File and memory side by side: the parts in both orders at once, few enough to be drawn, with the gaps between them.

import Memory

/// One band of the picture.
struct MapRow {
    /// The part that is drawn; nil for a gap.
    var part: MapPart?
    /// Whether it is in the column of the file, and in that of memory: in both, except for parts whose order differs.
    var isInFile = false, isInMemory = false
    /// The addresses or offsets of a gap.
    var gap: AddressRange?

    /// The size that is drawn to scale.
    var size: UInt64 { part?.size ?? 0 }
}

/// Rows from parts.
enum MapRows {
    /// The rows for `map`, not many more than `limit`.
    static func rows(_ map: ImageMap, limit: Int) -> [MapRow] {
        let parts = merged(map.parts, limit: limit)
        let inMemory = parts.indices.filter { parts[$0].memory != nil }.sorted {
            (parts[$0].memory?.start ?? 0, $0) < (parts[$1].memory?.start ?? 0, $1)
        }
        let inFile = parts.indices.filter { parts[$0].file != nil }
        let common = commonOrder(inFile, inMemory)

        var rows: [MapRow] = []
        var reached: UInt64?
        var next = 0
        func place(_ index: Int, file: Bool, memory: Bool) {
            if memory, let range = parts[index].memory {
                if let reached, range.start > reached, range.start - reached >= ImageMap.gapLimit {
                    rows.append(MapRow(gap: AddressRange(reached, range.start)))
                }
                reached = max(reached ?? 0, range.end)
            }
            rows.append(MapRow(part: parts[index], isInFile: file, isInMemory: memory))
        }
        // Parts that are only in memory follow their neighbour there, before parts that are only in the file.
        func placeMemoryOnly() {
            while next < inMemory.count, !common.contains(inMemory[next]) {
                place(inMemory[next], file: false, memory: true)
                next += 1
            }
        }
        placeMemoryOnly()
        for index in inFile {
            let isCommon = common.contains(index)
            place(index, file: true, memory: isCommon)
            guard isCommon else { continue }
            next += 1
            placeMemoryOnly()
        }
        return rows
    }

    /// The largest set of parts whose order is the same in the file and in memory.
    private static func commonOrder(_ inFile: [Int], _ inMemory: [Int]) -> Set<Int> {
        let places = Dictionary(uniqueKeysWithValues: inMemory.enumerated().map { ($0.element, $0.offset) })
        let chain = inFile.filter { places[$0] != nil }
        var length = [Int](repeating: 1, count: chain.count)
        var before = [Int?](repeating: nil, count: chain.count)
        for index in chain.indices {
            for other in 0..<index
            where (places[chain[other]] ?? 0) < (places[chain[index]] ?? 0) && length[other] + 1 > length[index] {
                length[index] = length[other] + 1
                before[index] = other
            }
        }
        var result: Set<Int> = []
        var last = length.indices.max { (length[$0], -$0) < (length[$1], -$1) }
        while let index = last {
            result.insert(chain[index])
            last = before[index]
        }
        return result
    }

    /// The `parts` with runs of small ones merged, so that at most `limit` are left.
    private static func merged(_ parts: [MapPart], limit: Int) -> [MapPart] {
        guard parts.count > limit else { return parts }
        // The largest keep their names.
        let threshold = parts.map(\.size).sorted(by: >)[limit / 3]
        var result: [MapPart] = []
        var count = 0
        func isAlike(_ part: MapPart, _ last: MapPart) -> Bool {
            part.kind == last.kind && part.segment == last.segment && (part.file == nil) == (last.file == nil)
                && (part.memory == nil) == (last.memory == nil)
        }
        for part in parts {
            if let last = result.last, part.size <= threshold, count > 0, isAlike(part, last) {
                count += 1
                result[result.count - 1] = joined(last, part, count)
            } else {
                count = part.size <= threshold ? 1 : 0
                result.append(part)
            }
        }
        guard result.count > limit else { return result }
        // If kinds alternate there are still too many: the rest is merged.
        let rest = result.dropFirst(limit - 1)
        var last = rest[rest.startIndex]
        for part in rest.dropFirst() { last = joined(last, part, rest.count) }
        last.kind = last.memory == nil ? .fileOnly : last.kind
        return Array(result.prefix(limit - 1)) + [last]
    }

    private static func joined(_ last: MapPart, _ part: MapPart, _ count: Int) -> MapPart {
        func hull(_ left: AddressRange?, _ right: AddressRange?) -> AddressRange? {
            guard let left, let right else { return left ?? right }
            return AddressRange(min(left.start, right.start), max(left.end, right.end))
        }
        return MapPart(
            name: "(\(count) parts)", kind: last.kind, file: hull(last.file, part.file),
            memory: hull(last.memory, part.memory), segment: last.segment)
    }
}
