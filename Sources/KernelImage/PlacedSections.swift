// The order in which an object file's sections lie in memory, and the address that each gets by it.

import Bytes
import Diagnostics
import ELF

/// Sections that lie together. Their order is that of the cases; between kinds of access a page begins.
enum SectionGroup: UInt8 {
    case code, readOnly, threadLocalData, threadLocalZero, preinitArray, initArray, finiArray, data, zero

    static var count: UInt8 { 9 }

    /// The group of a section, nil for one that is not in memory at run time.
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
    /// Whether a page begins with it.
    var beginsPage: Bool { self == .code || self == .readOnly || self == .threadLocalData || self == .zero }
}

/// A section and where it lies.
struct PlacedSection {
    var index: UInt32
    var header: SectionHeader
    var group: SectionGroup
    /// The link address; of a thread-local section the offset in its block.
    var address: UInt64
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
    mutating func place(
        _ size: UInt64, _ alignment: UInt64, else rule: Rule, _ place: Place
    ) throws(Fault) -> UInt64 {
        let mask = max(alignment, 1) &- 1
        guard alignment & mask == 0 || alignment == 0 else { throw Fault(rule, place, value: alignment) }
        guard mask < PlacementCursor.limit, size <= PlacementCursor.limit else {
            throw Fault(.sectionTooLarge, place, value: address, limit: max(size, alignment))
        }
        let start = (address &+ mask) & ~mask
        guard start &+ size <= PlacementCursor.limit else {
            throw Fault(.sectionTooLarge, place, value: address, limit: size)
        }
        address = start &+ size
        self.alignment = max(self.alignment, alignment)
        return start
    }

    /// Moves up to a multiple of `alignment`, a power of two.
    mutating func align(_ alignment: UInt64) { address = (address &+ (alignment &- 1)) & ~(alignment &- 1) }
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
    /// The link address of the block's template, and how many of its bytes are initialised.
    private(set) var templateStart: UInt64 = 0, templateSize: UInt64 = 0
    /// Where the code ends, the zeros begin, and the arrays of functions begin and end.
    private(set) var codeEnd: UInt64 = 0, zeroStart: UInt64 = 0
    private(set) var preinitArray = (start: 0 as UInt64, end: 0 as UInt64)
    private(set) var initArray = (start: 0 as UInt64, end: 0 as UInt64)
    private(set) var finiArray = (start: 0 as UInt64, end: 0 as UInt64)
    /// Whether there is a .ctors or .dtors.
    private(set) var hasOldArrays = false
    /// A bit for each group that has sections.
    private var present: UInt16 = 0
    private var rooms = PriorityRooms()

    /// The sections of `sections`; thread-local variables that are not in any section need `blockAlignment`.
    @_lifetime(copy sections)
    init(_ sections: SectionTable, blockAlignment: UInt64) throws(Fault) {
        self.sections = sections
        block.alignment = max(blockAlignment, 1)
        for index in 1..<max(sections.count, 1) {
            let section = sections[index]
            guard let group = SectionGroup(section) else { continue }
            let place = Place.sectionHeader(UInt64(index))
            let array = group == .data ? sections.oldArray(section) : nil
            if array != nil { hasOldArrays = true }
            let home = array ?? group
            present |= 1 << home.rawValue
            if home == .initArray || home == .finiArray {
                try rooms.add(section, home, sections.priority(section), place)
            }
            guard section.addralign & (section.addralign &- 1) == 0 || section.addralign == 0 else {
                throw Fault(.sectionAlignment, place, value: section.addralign)
            }
            guard section.flags & SectionHeader.Flags.compressed == 0 else {
                throw Fault(.sectionCompressed, place)
            }
            if group.isThreadLocal { block.alignment = max(block.alignment, section.addralign) }
        }
    }

    /// The next section, nil behind the last. Throws `sectionAlignment` or `sectionTooLarge`.
    @inline(never)  // Walked in several places, none of them the longest loop.
    mutating func next() throws(Fault) -> PlacedSection? {
        while let group = SectionGroup(rawValue: group) {
            if index == 0 { try begin(group) }
            while isPresent(group), index &+ 1 < sections.count {
                index &+= 1
                let section = sections[index]
                guard sections.isIn(group, section) else { continue }
                return PlacedSection(
                    index: index, header: section, group: group, address: try place(section, group))
            }
            end(group)
            index = 0
            self.group &+= 1
        }
        return nil
    }

    private func isPresent(_ group: SectionGroup) -> Bool { present >> group.rawValue & 1 != 0 }

    private mutating func place(_ section: SectionHeader, _ group: SectionGroup) throws(Fault) -> UInt64 {
        let place = Place.sectionHeader(UInt64(index))
        if group == .initArray || group == .finiArray {
            return try rooms.place(section, group, sections.priority(section), place)
        }
        guard group.isThreadLocal else {
            return try memory.place(section.size, section.addralign, else: .sectionAlignment, place)
        }
        let offset = try block.place(section.size, section.addralign, else: .sectionAlignment, place)
        guard group == .threadLocalData else { return offset }
        templateSize = block.address
        memory.address = templateStart &+ templateSize
        guard memory.address <= PlacementCursor.limit else {
            throw Fault(.sectionTooLarge, place, value: templateStart, limit: templateSize)
        }
        return offset
    }

    private mutating func begin(_ group: SectionGroup) throws(Fault) {
        if group.beginsPage { memory.align(0x1000) }
        switch group {
        case .threadLocalData:
            templateStart = try memory.place(0, block.alignment, else: .sectionAlignment, .none)
        case .preinitArray, .initArray, .finiArray: memory.align(8)
        case .zero: zeroStart = memory.address
        default: break
        }
        switch group {
        case .preinitArray: preinitArray.start = memory.address
        case .initArray:
            initArray.start = memory.address
            try rooms.settle(group, &memory)
        case .finiArray:
            finiArray.start = memory.address
            try rooms.settle(group, &memory)
        default: break
        }
    }

    private mutating func end(_ group: SectionGroup) {
        switch group {
        case .code: codeEnd = memory.address
        case .preinitArray: preinitArray.end = memory.address
        case .initArray: initArray.end = memory.address
        case .finiArray: finiArray.end = memory.address
        default: break
        }
    }

    /// Gives the common symbol at `index` its place, behind all sections: a link address, or the offset in the block.
    mutating func place(common symbol: Symbol, at index: UInt32, _ table: UInt32) throws(Fault) -> UInt64 {
        let place = Place.entry(section: UInt64(table), index: UInt64(index))
        // st_value is the alignment (gABI, "Symbol Values").
        return symbol.isThreadLocal
            ? try block.place(symbol.size, symbol.value, else: .commonAlignment, place)
            : try memory.place(symbol.size, symbol.value, else: .commonAlignment, place)
    }
}
