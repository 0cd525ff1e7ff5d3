// The machine's memory as its firmware describes it, sorted and merged.

public import Diagnostics

/// The kinds of memory that firmware reports (ACPI 6.5, table 15.6; Multiboot 1 and PVH use the same numbers).
public enum MemoryKind: UInt32, Sendable {
    /// RAM that anyone may use.
    case available = 1
    /// Not to be used.
    case reserved = 2
    /// ACPI tables: usable as RAM once they have been read.
    case acpiReclaimable = 3
    /// Kept across sleep states.
    case acpiNonVolatile = 4
    /// Broken RAM.
    case defective = 5

    /// The kind with the firmware's `number`. Numbers that are not in the table count as reserved.
    public init(firmware number: UInt32) { self = MemoryKind(rawValue: number) ?? .reserved }

    /// Whether it is RAM that a kernel may read: an identity mapping of all RAM covers it.
    public var isMapped: Bool { self == .available || self == .acpiReclaimable || self == .acpiNonVolatile }
}

/// A range of addresses and its kind.
public typealias MemoryRegion = LabelledRange<MemoryKind>

extension MemoryRegion {
    /// The kind of memory.
    public var kind: MemoryKind { label }
    /// Whether it is RAM that anyone may use.
    public var isAvailable: Bool { kind == .available }

    /// A region.
    public init(range: AddressRange, kind: MemoryKind) { self.init(range, kind) }

    /// Whether `other`, which begins at or after this region's end, cannot be joined to it.
    func isApart(from other: MemoryRegion) -> Bool {
        kind != other.kind || range.end < other.range.start
    }

    /// Extends this region by `other`; false, without a change, if `other` is of another kind or neither touches nor overlaps it.
    mutating func join(_ other: MemoryRegion) -> Bool {
        guard other.kind == kind, other.range.start <= range.end, range.start <= other.range.end else {
            return false
        }
        range = AddressRange(min(range.start, other.range.start), max(range.end, other.range.end))
        return true
    }
}

/// The regions in ascending order of their start. Neighbours of one kind that touch or overlap are merged. Addresses that the firmware
/// lists both as available RAM and as something else are not available. Holds up to `capacity` regions.
public struct MemoryMap: ~Copyable {
    /// The largest number of regions; more is an error. Firmware lists rarely exceed 30.
    public static var capacity: Int { 128 }

    // Ranges and kinds are in two arrays: each is initialised as a whole.
    private var ranges = InlineArray<128, AddressRange>(repeating: AddressRange(0, 0))
    private var kinds = InlineArray<128, MemoryKind>(repeating: .available)
    /// The number of regions.
    public private(set) var count = 0
    /// The end of the last region.
    private var end: UInt64 = 0

    /// A map without regions.
    public init() {}

    /// The regions, for reading: to read an element of the map itself would copy the whole array.
    public var regions: MemoryRegions {
        @_lifetime(borrow self) get {
            MemoryRegions(ranges.span.extracting(first: count), kinds.span.extracting(first: count))
        }
    }

    /// Adds a region. Throws `tooManyRegions`.
    public mutating func add(_ range: AddressRange, _ kind: MemoryKind) throws(Fault) {
        guard !range.isEmpty else { return }
        let region = MemoryRegion(range: range, kind: kind)
        // Firmware lists most regions in order, and few of them can be joined.
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
            // This is the first of possibly several holes, so the range below it is in none of them.
            try insert(AddressRange(whole.start, hole.start), .available)
            let rest = AddressRange(hole.end, whole.end)
            if kind == .available { range = rest } else { try insert(rest, .available) }
        }
        try insert(range, kind)
    }

    /// The index of the first region that overlaps `range` and whose availability is `isAvailable`.
    private func first(overlapping range: AddressRange, isAvailable: Bool) -> Int? {
        let regions = regions
        for index in 0..<regions.count {
            let other = regions[index]
            if other.isAvailable == isAvailable, other.range.overlaps(range) { return index }
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
        count &-= 1
        for place in index..<count { put(entry(at: place &+ 1), at: place) }
    }

    /// Inserts a region in order, unless it is empty, and joins it to others of its kind.
    private mutating func insert(_ range: AddressRange, _ kind: MemoryKind) throws(Fault) {
        guard !range.isEmpty else { return }
        end = max(end, range.end)
        var joined = MemoryRegion(range: range, kind: kind)
        // The regions that it is joined to are removed.
        var kept = 0
        for index in 0..<count {
            let other = entry(at: index)
            if joined.join(other) { continue }
            put(other, at: kept)
            kept &+= 1
        }
        guard kept < MemoryMap.capacity else { throw Fault(.tooManyRegions, limit: UInt64(MemoryMap.capacity)) }
        // Its position in the order.
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

    /// The address below which lies a quarter of the available RAM from `start` on, not counting `reserve` bytes of it.
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
