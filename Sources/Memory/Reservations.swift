// Ranges of memory that are in use, and the search for room between them.

public import Diagnostics

/// Why a range must not be used.
public enum Purpose: UInt8, Sendable {
    /// The loader itself.
    case loader
    /// A module that the firmware loaded: the application and its companions.
    case module
    /// Structures of the firmware that a kernel may read: the Multiboot information and all that it points to.
    case firmware
    /// Structures that only the loader reads, before it loads the image: Multiboot 2's information, PVH's start info, Linux's
    /// boot_params, and all that they point to.
    case transient
    /// The loaded image.
    case image
    /// Page tables, stack, BootInfo and device tree for the kernel.
    case handoff
}

/// A range and why it must not be used.
public typealias Reservation = LabelledRange<Purpose>

extension Reservation {
    /// Why it must not be used.
    public var purpose: Purpose { label }
    /// Whether the firmware handed it over, and a kernel may read it.
    public var isFirmware: Bool { purpose == .firmware }

    /// A reservation.
    public init(range: AddressRange, purpose: Purpose) { self.init(range, purpose) }
}

/// A list of reserved ranges, in no order. Holds up to `capacity`.
public struct Reservations {
    /// The largest number of reservations; more is an error.
    public static var capacity: Int { 64 }

    // Ranges and purposes are in two arrays: each is initialised as a whole.
    private var ranges = InlineArray<64, AddressRange>(repeating: AddressRange(0, 0))
    private var purposes = InlineArray<64, Purpose>(repeating: .loader)
    /// The number of reservations.
    public private(set) var count = 0

    /// A list without reservations.
    public init() {}

    /// Copies the reservations of `other`, at most `capacity` of them; this list must be empty.
    public mutating func copy(_ other: ReservationList) {
        for index in other.indices {
            ranges[index] = other[index].range
            purposes[index] = other[index].purpose
        }
        count = other.count
    }

    /// The reservations, for reading: see `MemoryMap.regions`.
    public var all: ReservationList {
        @_lifetime(borrow self) get {
            ReservationList(ranges.span.extracting(first: count), purposes.span.extracting(first: count))
        }
    }

    /// Adds a range, unless it is empty. Throws `tooManyReservations`.
    @inline(never)
    public mutating func add(_ range: AddressRange, _ purpose: Purpose) throws(Fault) {
        guard !range.isEmpty else { return }
        guard count < Reservations.capacity else {
            throw Fault(.tooManyReservations, limit: UInt64(Reservations.capacity))
        }
        ranges[count] = range
        purposes[count] = purpose
        count &+= 1
    }

    /// The lowest address, congruent to `residue` modulo `alignment`, where `size` bytes inside `window` are available RAM in
    /// `regions` and free of reservations; nil if there is none.
    public func room(
        for size: UInt64, alignment: UInt64, residue: UInt64 = 0, in regions: MemoryRegions, window: AddressRange
    ) -> UInt64? {
        place(0, size, alignment, residue: residue, in: regions, window).address
    }

    /// The address at `index` among all addresses, ascending and congruent to `residue` modulo `alignment`, where `size` bytes inside
    /// `window` are available RAM in one of `regions` and free of reservations. If there are fewer, returns nil and their number: an
    /// `index` of `.max` counts them all. The time depends on the number of regions and reservations, not of addresses.
    @inline(never)
    public func place(
        _ index: UInt64, _ size: UInt64, _ alignment: UInt64, residue: UInt64 = 0, in regions: MemoryRegions,
        _ window: AddressRange
    ) -> (address: UInt64?, count: UInt64) {
        var count: UInt64 = 0
        let reserved = all
        for number in regions.indices where regions[number].isAvailable {
            let region = regions[number].range
            let end = min(region.end, window.end)
            let first = max(region.start, window.start)
            guard var start = first.next(congruentTo: residue, modulo: alignment) else { continue }
            while start <= end, size <= end &- start {
                let candidate = AddressRange(at: start, size: size)
                if let obstacle = Reservations.obstacle(to: candidate, reserved) {
                    // Each step passes the end of an obstacle, so there are at most as many steps as obstacles.
                    guard let next = obstacle.end.next(congruentTo: residue, modulo: alignment) else { break }
                    start = next
                    continue
                }
                if index == count { return (start, count) }
                // All addresses up to the next obstacle: `start` is one, and each obstacle that ends past it begins past it.
                let room = Reservations.startOfObstacle(from: candidate.end, to: end, reserved) &- start
                let free = (room &- size) / alignment &+ 1
                if index &- count < free { return (start &+ (index &- count) &* alignment, count) }
                count &+= free
                let (next, overflow) = start.addingReportingOverflow(free &* alignment)
                guard !overflow else { break }
                start = next
            }
        }
        return (nil, count)
    }

    /// The largest range of whole pages in `window` that is available RAM in `regions` and free of reservations; empty if there is none.
    public func largestRoom(in regions: MemoryRegions, window: AddressRange) -> AddressRange {
        var largest = AddressRange(0, 0)
        let reserved = all
        for number in regions.indices where regions[number].isAvailable {
            let end = min(regions[number].range.end, window.end).pageStart
            var start = max(regions[number].range.start, window.start)
            while let next = start.aligned(to: Page.size), next < end {
                // Each step passes the end of an obstacle.
                let page = AddressRange(at: next, size: Page.size)
                if let obstacle = Reservations.obstacle(to: page, reserved) {
                    start = obstacle.end
                    continue
                }
                let stop = Reservations.startOfObstacle(from: page.end, to: end, reserved).pageStart
                if stop &- next > largest.size { largest = AddressRange(next, stop) }
                start = stop &+ Page.size
            }
        }
        return largest
    }

    /// Changes the purpose of the reservation of `range`.
    public mutating func change(_ range: AddressRange, to purpose: Purpose) {
        for index in 0..<count where ranges.span[index] == range { purposes[index] = purpose }
    }

    /// The start of the first obstacle that ends past `start` and begins below `end`; `end` if there is none.
    private static func startOfObstacle(
        from start: UInt64, to end: UInt64, _ reserved: ReservationList
    ) -> UInt64 {
        var first = end
        for index in reserved.indices where reserved[index].range.end > start {
            first = min(first, reserved[index].range.start)
        }
        return max(first, start)
    }

    private static func obstacle(to range: AddressRange, _ reserved: ReservationList) -> AddressRange? {
        // No range is empty: empty ranges are not added to the list.
        for index in 0..<reserved.count {
            let other = reserved[index].range
            if range.start < other.end, other.start < range.end { return other }
        }
        return nil
    }
}

/// Reserved ranges, as `Reservations` keeps them.
public typealias ReservationList = LabelledRanges<Purpose>
