// The order of an object file's sections in memory, and the address that each gets.

import Architecture
import Bytes
import Diagnostics
import ELF

/// The groups of sections that lie together, in the order of the cases. A change of access begins a new page.
enum SectionGroup: UInt8 {
    case code, readOnly, threadLocalData, threadLocalZero, preinitArray, initArray, finiArray, data, zero

    /// The group of a section by its header alone; nil if it is not in memory at run time.
    @inline(never)
    init?(_ section: SectionHeader) {
        guard section.flags & SectionHeader.Flags.alloc != 0, section.flags & SectionHeader.Flags.exclude == 0 else {
            return nil
        }
        let isZero = section.type == SectionHeader.Kind.nobits
        switch section.type {
        case SectionHeader.Kind.null, SectionHeader.Kind.symbolTable, SectionHeader.Kind.rela, SectionHeader.Kind.rel,
            SectionHeader.Kind.crel, SectionHeader.Kind.group, SectionHeader.Kind.extendedIndices:
            return nil
        case _ where section.flags & SectionHeader.Flags.threadLocal != 0:
            self = isZero ? .threadLocalZero : .threadLocalData
        case SectionHeader.Kind.nobits: self = .zero
        case SectionHeader.Kind.preinitArray: self = .preinitArray
        case SectionHeader.Kind.initArray: self = .initArray
        case SectionHeader.Kind.finiArray: self = .finiArray
        case _ where section.flags & SectionHeader.Flags.write != 0: self = .data
        case _ where section.flags & SectionHeader.Flags.execute != 0: self = .code
        default: self = .readOnly
        }
    }

    /// Whether the section is part of the block of thread-local storage.
    var isThreadLocal: Bool { self == .threadLocalData || self == .threadLocalZero }
    /// Whether it has no bytes in the file.
    var isZero: Bool { self == .threadLocalZero || self == .zero }
    /// Whether it is one of the arrays of functions.
    var isArray: Bool { self == .preinitArray || hasPriorities }
    /// Whether it is one of the arrays whose functions have priorities.
    var hasPriorities: Bool { self == .initArray || self == .finiArray }
    /// Whether it begins a page.
    var beginsPage: Bool { self == .code || self == .readOnly || self == .threadLocalData || self == .zero }
}

/// The rank of a section in the order: by its group, and then by its priority.
struct SectionRank: Equatable {
    var group = SectionGroup.code
    /// The priority of an array of functions; 0 in other groups.
    var priority: UInt64 = 0

    static func < (left: SectionRank, right: SectionRank) -> Bool {
        left.group == right.group ? left.priority < right.priority : left.group.rawValue < right.group.rawValue
    }
}

/// A position that moves up through memory.
struct PlacementCursor {
    /// The highest address at which anything may end; sums of a few such numbers fit in 64 bits.
    static var limit: UInt64 { 1 << 47 }

    /// The address after the last bytes placed.
    var address: UInt64 = 0
    /// The largest alignment that was asked for.
    var alignment: UInt64 = 1

    /// The address of the next `size` bytes at a multiple of `alignment`; throws `rule` for an alignment that is not a
    /// power of two, or `sectionTooLarge`.
    @inline(never)
    mutating func place(
        _ size: UInt64, _ alignment: UInt64, else rule: Rule, _ place: FaultLocation
    ) throws(Fault) -> UInt64 {
        let mask = max(alignment, 1) &- 1
        guard alignment & mask == 0 else { throw Fault(rule, place, value: alignment) }
        let start = (address &+ mask) & ~mask
        guard mask < PlacementCursor.limit, size <= PlacementCursor.limit, start &+ size <= PlacementCursor.limit else {
            let isEach = mask < PlacementCursor.limit && size <= PlacementCursor.limit
            throw Fault(.sectionTooLarge, place, value: address, limit: isEach ? size : max(size, alignment))
        }
        address = start &+ size
        self.alignment = max(self.alignment, alignment)
        return start
    }

    /// Moves up to a multiple of `alignment`, a power of two.
    mutating func align(_ alignment: UInt64) { address = (address &+ (alignment &- 1)) & ~(alignment &- 1) }
}

/// A walk through the sections that are in memory at run time. They come group by group: the arrays of initialisers and finalisers by
/// priority, all others in the file's order. Each group and each priority takes one pass over all headers, so the walk needs no memory, and
/// the headers need no order. It first finds the room that sections need, and then fills it; after that the scratch holds the place of each
/// section.
struct PlacedSections {
    /// The largest number of different priorities in both arrays; programs have a handful.
    static var priorityLimit: UInt64 { 64 }

    /// The current section: its index, its sh_flags, its size in memory, its group.
    private(set) var index: UInt32 = 0, flags: UInt64 = 0, size: UInt64 = 0
    private(set) var group = SectionGroup.code
    /// Its link address; for a thread-local section, the offset in its block.
    private(set) var offset: UInt64 = 0
    /// The rank of the sections that are being placed, the next rank seen so far, and the number of ranks with priorities.
    private var rank = SectionRank(), nextRank: SectionRank?, priorities: UInt64 = 0
    private var isFirst = true
    /// The alignment of each array's start: as with linkers, nothing lies between the start and the first function.
    private let arrayAlignment: UInt64
    /// The positions in memory, and in the block of thread-local storage.
    private(set) var memory = PlacementCursor(), block = PlacementCursor()
    /// The start and the end of each group, as link addresses; the block's template begins and ends with its data.
    private(set) var bounds = GroupBounds()

    /// A walk before its first section. Thread-local variables outside of sections need `blockAlignment`.
    @inline(never)
    init(blockAlignment: UInt64, arrayAlignment: UInt64) {
        block.alignment = blockAlignment
        self.arrayAlignment = arrayAlignment
    }

    /// Goes to the next section; false after the last. Throws `sectionAlignment`, `sectionTooLarge` or `tooManyPriorities`.
    @inline(never)
    mutating func next(in sections: borrowing SectionTable) throws(Fault) -> Bool {
        while true {
            while index &+ 1 < sections.count {
                index &+= 1
                let section = sections[index]
                guard let rank = sections.rank(of: section, in: group) else { continue }
                if rank == self.rank {
                    try place(section)
                    return true
                }
                if self.rank < rank, nextRank.map({ rank < $0 }) ?? true { nextRank = rank }
            }
            // The groups without sections come after the last rank.
            let next = nextRank?.group
            if let nextRank { rank = nextRank }
            (nextRank, index, isFirst) = (nil, 0, true)
            while group != next {
                bounds.end(group, at: memory.address)
                guard let following = SectionGroup(rawValue: group.rawValue &+ 1) else { return false }
                group = following
                memory.align(group.beginsPage ? PageSize.size4KiB.rawValue : group.isArray ? arrayAlignment : 1)
                if group == .threadLocalData {
                    _ = try memory.place(0, block.alignment, else: .sectionAlignment, .none)
                }
                bounds.begin(group, at: memory.address)
            }
        }
    }

    private mutating func place(_ section: SectionHeader) throws(Fault) {
        let place = FaultLocation.sectionHeader(UInt64(index))
        if group.hasPriorities, isFirst {
            priorities &+= 1
            guard priorities <= PlacedSections.priorityLimit else {
                throw Fault(.tooManyPriorities, place, limit: PlacedSections.priorityLimit)
            }
        }
        isFirst = false
        (flags, size) = (section.flags, section.size)
        offset = try self.place(
            size, section.addralign, inBlock: group.isThreadLocal, else: .sectionAlignment, place)
        guard group == .threadLocalData else { return }
        memory.address = bounds.start(group)
        _ = try memory.place(block.address, 1, else: .sectionAlignment, place)
    }

    /// Places the common symbol at `index` of section `table` after all sections, and returns its link address, or its offset in the
    /// block. Throws `commonAlignment` or `sectionTooLarge`.
    mutating func place(common symbol: Symbol, at index: UInt32, _ table: UInt32) throws(Fault) -> UInt64 {
        // st_value is the alignment (gABI, "Symbol Values").
        try place(
            symbol.size, symbol.value, inBlock: symbol.isThreadLocal, else: .commonAlignment,
            .entry(section: UInt64(table), index: UInt64(index)))
    }

    @inline(never)
    private mutating func place(
        _ size: UInt64, _ alignment: UInt64, inBlock: Bool, else rule: Rule, _ place: FaultLocation
    ) throws(Fault) -> UInt64 {
        var cursor = inBlock ? block : memory
        let start = try cursor.place(size, alignment, else: rule, place)
        if inBlock { block = cursor } else { memory = cursor }
        return start
    }

    /// Whether the current section is both written and executed.
    var isWrittenCode: Bool {
        let writtenCode = SectionHeader.Flags.write | SectionHeader.Flags.execute
        return flags & writtenCode == writtenCode
    }
    /// The link address of the current section; for a thread-local one, that of its bytes in the template.
    var address: UInt64 { group.isThreadLocal ? bounds.start(.threadLocalData) &+ offset : offset }
    /// The number of initialised bytes in the block's template.
    var templateSize: UInt64 { bounds.end(.threadLocalData) &- bounds.start(.threadLocalData) }
}

/// The start and the end of each group.
struct GroupBounds {
    private var starts = InlineArray<9, UInt64>(repeating: 0), ends = InlineArray<9, UInt64>(repeating: 0)

    /// The link address at which `group` begins.
    func start(_ group: SectionGroup) -> UInt64 { starts.span[Int(group.rawValue)] }
    /// The link address at which `group` ends.
    func end(_ group: SectionGroup) -> UInt64 { ends.span[Int(group.rawValue)] }

    fileprivate mutating func begin(_ group: SectionGroup, at address: UInt64) {
        starts[Int(group.rawValue)] = address
    }

    fileprivate mutating func end(_ group: SectionGroup, at address: UInt64) {
        ends[Int(group.rawValue)] = address
    }
}
