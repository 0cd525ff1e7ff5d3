// The order in which an object file's sections lie in memory, and the address that each gets by it.

import Bytes
import Diagnostics
import ELF

/// Sections that lie together. Their order is that of the cases; between kinds of access a page begins.
enum SectionGroup: UInt8 {
    case code, readOnly, threadLocalData, threadLocalZero, preinitArray, initArray, finiArray, data, zero

    static var count: UInt8 { 9 }

    /// The group of a section, nil for one that is not in memory at run time.
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
    /// Whether a page begins with it.
    var beginsPage: Bool { self == .code || self == .readOnly || self == .threadLocalData || self == .zero }
    /// Whether it is one of the arrays whose functions have priorities.
    var hasPriorities: Bool { self == .initArray || self == .finiArray }
}

/// A section and where it lies.
struct PlacedSection {
    var index: UInt32
    var group: SectionGroup
    /// Whether it is both written and executed.
    var isWrittenCode: Bool
    /// The link address; of a thread-local section the offset in its block.
    var address: UInt64
    /// How many bytes of memory it needs.
    var size: UInt64
}

/// A position that moves up through memory.
struct PlacementCursor {
    /// What is placed must end here or below; the sums of a few such numbers fit in 64 bits.
    static var limit: UInt64 { 1 << 47 }

    /// The address behind what was placed last.
    var address: UInt64 = 0
    /// The largest alignment that was asked for.
    var alignment: UInt64 = 1

    /// The address of the next `size` bytes at a multiple of `alignment`; throws `rule` for an alignment that is not a
    /// power of two, or `sectionTooLarge`.
    @inline(never)
    mutating func place(
        _ size: UInt64, _ alignment: UInt64, else rule: Rule, _ place: Place
    ) throws(Fault) -> UInt64 {
        let mask = max(alignment, 1) &- 1
        guard alignment & mask == 0 || alignment == 0 else { throw Fault(rule, place, value: alignment) }
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

/// Where the groups begin and end, as link addresses.
struct GroupBounds {
    private var starts = InlineArray<9, UInt64>(repeating: 0), ends = InlineArray<9, UInt64>(repeating: 0)

    /// The link address at which `group` begins.
    func start(_ group: SectionGroup) -> UInt64 { starts.span[Int(group.rawValue)] }
    /// The link address at which `group` ends.
    func end(_ group: SectionGroup) -> UInt64 { ends.span[Int(group.rawValue)] }

    mutating func begin(_ group: SectionGroup, at address: UInt64) {
        var starts = starts.mutableSpan
        starts[Int(group.rawValue)] = address
    }

    mutating func end(_ group: SectionGroup, at address: UInt64) {
        var ends = ends.mutableSpan
        ends[Int(group.rawValue)] = address
    }
}

/// The sections that are in memory at run time, group by group, and within a group in the file's order; only in the arrays of
/// functions that initialise and finish their addresses are in the order of priorities. Walked twice: to learn how much room
/// they need, and to fill it.
struct PlacedSections: ~Escapable {
    private let sections: SectionTable
    private var group: UInt8 = 0
    private var index: UInt32 = 0
    /// Memory, and the block of thread-local storage.
    private(set) var memory = PlacementCursor(), block = PlacementCursor()
    /// How many bytes of the block's template are initialised.
    private(set) var templateSize: UInt64 = 0
    /// Where the groups begin and end; the block's template begins with its data.
    private(set) var bounds = GroupBounds()
    /// Whether there is a .ctors or .dtors.
    private(set) var hasOldArrays = false
    /// A bit for each group that has sections.
    private var present: UInt16 = 0
    private var rooms = PriorityRooms()

    /// The sections of `sections`, which `survey` is to look at.
    @_lifetime(copy sections)
    @inline(never)
    init(_ sections: SectionTable) { self.sections = sections }

    /// Finds out what sections there are; thread-local variables that are not in any section need `blockAlignment`. Throws
    /// `sectionAlignment`, `sectionCompressed`, `sectionTooLarge` or `tooManyPriorities`.
    @inline(never)
    mutating func survey(blockAlignment: UInt64) throws(Fault) {
        block.alignment = max(blockAlignment, 1)
        var numbers = sections.numbers
        while let index = numbers.next() {
            let section = sections[index]
            guard let home = sections.home(of: section) else { continue }
            let place = Place.sectionHeader(UInt64(index))
            if home.hasPriorities {
                if section.type == SectionHeader.Kind.programBits { hasOldArrays = true }
                try rooms.add(section, home, sections.priority(section), place)
            }
            present |= 1 << home.rawValue
            guard section.addralign & (section.addralign &- 1) == 0 || section.addralign == 0 else {
                throw Fault(.sectionAlignment, place, value: section.addralign)
            }
            guard section.flags & SectionHeader.Flags.compressed == 0 else {
                throw Fault(.sectionCompressed, place)
            }
            if home.isThreadLocal { block.alignment = max(block.alignment, section.addralign) }
        }
    }

    /// The next section, nil behind the last. Throws `sectionAlignment` or `sectionTooLarge`.
    @inline(never)
    mutating func next() throws(Fault) -> PlacedSection? {
        while let group = SectionGroup(rawValue: group) {
            if index == 0 { try begin(group) }
            while present >> group.rawValue & 1 != 0, index &+ 1 < sections.count {
                index &+= 1
                let section = sections[index]
                guard sections.home(of: section) == group else { continue }
                let writtenCode = SectionHeader.Flags.write | SectionHeader.Flags.execute
                return PlacedSection(
                    index: index, group: group, isWrittenCode: section.flags & writtenCode == writtenCode,
                    address: try place(section, group), size: section.size)
            }
            bounds.end(group, at: memory.address)
            index = 0
            self.group &+= 1
        }
        return nil
    }

    private mutating func begin(_ group: SectionGroup) throws(Fault) {
        if group.beginsPage { memory.align(0x1000) }
        if group == .threadLocalData {
            _ = try place(0, block.alignment, inBlock: false, else: .sectionAlignment, .none)
        }
        if group == .preinitArray || group.hasPriorities { memory.align(8) }
        bounds.begin(group, at: memory.address)
        if group.hasPriorities { try rooms.settle(group, &memory) }
    }

    private mutating func place(_ section: SectionHeader, _ group: SectionGroup) throws(Fault) -> UInt64 {
        let place = Place.sectionHeader(UInt64(index))
        if group.hasPriorities { return try rooms.place(section, group, sections.priority(section), place) }
        let start = try self.place(
            section.size, section.addralign, inBlock: group.isThreadLocal, else: .sectionAlignment, place)
        guard group == .threadLocalData else { return start }
        templateSize = block.address
        memory.address = bounds.start(group) &+ templateSize
        guard memory.address <= PlacementCursor.limit else {
            throw Fault(.sectionTooLarge, place, value: bounds.start(group), limit: templateSize)
        }
        return start
    }

    /// Gives the common symbol at `index` its place, behind all sections: a link address, or the offset in the block.
    @inline(never)
    mutating func place(common symbol: Symbol, at index: UInt32, _ table: UInt32) throws(Fault) -> UInt64 {
        // st_value is the alignment (gABI, "Symbol Values").
        try place(
            symbol.size, symbol.value, inBlock: symbol.isThreadLocal, else: .commonAlignment,
            .entry(section: UInt64(table), index: UInt64(index)))
    }

    @inline(never)
    private mutating func place(
        _ size: UInt64, _ alignment: UInt64, inBlock: Bool, else rule: Rule, _ place: Place
    ) throws(Fault) -> UInt64 {
        var cursor = inBlock ? block : memory
        let start = try cursor.place(size, alignment, else: rule, place)
        if inBlock { block = cursor } else { memory = cursor }
        return start
    }
}
