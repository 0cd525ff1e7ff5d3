// The machine's memory as its firmware describes it, sorted and merged.

public import Diagnostics

/// What the firmware says a range of addresses is (ACPI 6.5, table 15.6; Multiboot 1 and PVH use its numbers).
public enum MemoryKind: UInt32, Sendable {
    /// RAM that anyone may use.
    case available = 1
    /// Not to be used.
    case reserved = 2
    /// ACPI tables, RAM once they have been read.
    case acpiReclaimable = 3
    /// Kept across sleep states.
    case acpiNonVolatile = 4
    /// Broken RAM.
    case defective = 5

    /// Numbers that are not in the table count as reserved.
    public init(firmware number: UInt32) { self = MemoryKind(rawValue: number) ?? .reserved }

    /// Whether it is RAM that holds something a kernel may read: what an identity mapping of all RAM covers.
    public var isMapped: Bool { self == .available || self == .acpiReclaimable || self == .acpiNonVolatile }
}

/// A range of addresses and what it is.
public typealias MemoryRegion = LabelledRange<MemoryKind>

extension MemoryRegion {
    /// What the addresses are.
    public var kind: MemoryKind { label }
    /// Whether it is RAM that anyone may use.
    public var isAvailable: Bool { kind == .available }

    /// A region.
    public init(range: AddressRange, kind: MemoryKind) { self.init(range, kind) }

    /// Whether `other`, which begins no earlier than it ends, cannot be joined to it.
    func isApart(from other: MemoryRegion) -> Bool {
        kind != other.kind || range.end < other.range.start
    }

    /// Makes `other`, which is of the same kind and touches or overlaps this region, a part of it; false where it is not.
    mutating func join(_ other: MemoryRegion) -> Bool {
        guard other.kind == kind, other.range.start <= range.end, range.start <= other.range.end else {
            return false
        }
        range = AddressRange(min(range.start, other.range.start), max(range.end, other.range.end))
        return true
    }
}

/// The regions in ascending order of their start; neighbours of one kind that touch or overlap are merged, and what the firmware
/// lists as RAM that anyone may use and as something else, too, is only that. Holds up to `capacity` regions.
public struct MemoryMap: ~Copyable {
    /// The largest number of regions; more is an error. Firmware lists rarely exceed 30.
    public static var capacity: Int { 128 }

    // Ranges and kinds apart: both are cleared as a whole.
    private var ranges = InlineArray<128, AddressRange>(repeating: AddressRange(0, 0))
    private var kinds = InlineArray<128, MemoryKind>(repeating: .available)
    /// The number of regions.
    public private(set) var count = 0
    /// The end of the last region.
    private var end: UInt64 = 0

    /// A map without regions.
    public init() {}

    /// The regions, to be read: reading an element of the map itself copies all of it.
    public var regions: MemoryRegions {
        @_lifetime(borrow self) get {
            MemoryRegions(ranges.span.extracting(first: count), kinds.span.extracting(first: count))
        }
    }

    /// Adds a region; throws `tooManyRegions`.
    public mutating func add(_ range: AddressRange, _ kind: MemoryKind) throws(Fault) {
        guard !range.isEmpty else { return }
        let region = MemoryRegion(range: range, kind: kind)
        // Firmware tells most regions in order, and few that can be joined.
        if count < MemoryMap.capacity, range.start >= end, count == 0 || entry(at: count &- 1).isApart(from: region) {
            put(region, at: count)
            count &+= 1
            end = range.end
            return
        }
        var range = range
        while range.start < end, let index = first(overlapping: range, isAvailable: kind != .available) {
            var (whole, hole) = (range, ranges.span[index])
            if kind != .available {
                (whole, hole) = (hole, whole)
                remove(index)
            }
            // Of several holes this is the first: what lies below it is in none.
            try insert(AddressRange(whole.start, hole.start), .available)
            let rest = AddressRange(hole.end, whole.end)
            if kind == .available { range = rest } else { try insert(rest, .available) }
        }
        try insert(range, kind)
    }

    /// The index of the first region that shares an address with `range` and is RAM that anyone may use, or is not.
    private func first(overlapping range: AddressRange, isAvailable: Bool) -> Int? {
        let regions = regions
        var index = 0
        while index < regions.count {
            let other = regions[index]
            if other.isAvailable == isAvailable, other.range.overlaps(range) { return index }
            index &+= 1
        }
        return nil
    }

    private func entry(at index: Int) -> MemoryRegion {
        MemoryRegion(range: ranges.span[index], kind: kinds.span[index])
    }

    private mutating func put(_ region: MemoryRegion, at index: Int) {
        ranges[index] = region.range
        kinds[index] = region.kind
    }

    private mutating func remove(_ index: Int) {
        var index = index
        count &-= 1
        while index < count {
            let next = entry(at: index &+ 1)
            put(next, at: index)
            index &+= 1
        }
    }

    /// Puts a region in its place, if it is not empty, and joins it to others of its kind.
    private mutating func insert(_ range: AddressRange, _ kind: MemoryKind) throws(Fault) {
        guard !range.isEmpty else { return }
        end = max(end, range.end)
        var joined = MemoryRegion(range: range, kind: kind)
        // Those that it joins go.
        var kept = 0
        var index = 0
        while index < count {
            let other = entry(at: index)
            index &+= 1
            if joined.join(other) { continue }
            put(other, at: kept)
            kept &+= 1
        }
        guard kept < MemoryMap.capacity else { throw Fault(.tooManyRegions, limit: UInt64(MemoryMap.capacity)) }
        // Where it belongs.
        count = kept &+ 1
        var place = kept
        while place > 0, entry(at: place &- 1).range.start > joined.range.start {
            let before = entry(at: place &- 1)
            put(before, at: place)
            place &-= 1
        }
        put(joined, at: place)
    }
}

/// The regions of a memory map, as `MemoryMap` keeps them.
public typealias MemoryRegions = LabelledRanges<MemoryKind>

extension MemoryRegions {
    /// Whether all of `range` is RAM that anyone may use.
    public func isAvailable(_ range: AddressRange) -> Bool {
        for index in indices where self[index].isAvailable && self[index].range.contains(range) { return true }
        return false
    }

    /// The address below which lies a quarter of the available RAM from `start` on, `reserve` bytes of which do not count.
    public func endOfFirstQuarter(from start: UInt64, reserve: UInt64) -> UInt64 {
        var left: UInt64 = 0
        for index in indices where self[index].isAvailable {
            left &+= AddressRange(max(self[index].range.start, start), self[index].range.end).size
        }
        left = left > reserve ? (left &- reserve) / 4 : 0
        for index in indices where self[index].isAvailable {
            let range = AddressRange(max(self[index].range.start, start), self[index].range.end)
            if left <= range.size { return range.start &+ left }
            left &-= range.size
        }
        return start
    }

    /// The end of the highest region of available RAM; 0 if there is none.
    public var topOfRAM: UInt64 {
        var top: UInt64 = 0
        for index in indices where self[index].isAvailable { top = max(top, self[index].range.end) }
        return top
    }
}
