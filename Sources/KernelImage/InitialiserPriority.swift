// The order of functions that initialise and finish: by the number at the end of their section's name, as linkers have it.

import Bytes
import Diagnostics
import ELF

extension SectionTable {
    /// The group that `section` belongs to, nil for one that is not in memory at run time: the old .ctors and .dtors, which
    /// have no type of their own, are arrays of functions like the new ones, as with GNU ld.
    @inline(never)
    func home(of section: SectionHeader) -> SectionGroup? {
        guard let group = SectionGroup(section) else { return nil }
        return group == .data ? oldArray(section) ?? group : group
    }

    /// The array of functions that a section of data is a part of by its name; nil for one that is none.
    private func oldArray(_ section: SectionHeader) -> SectionGroup? {
        guard section.type == SectionHeader.Kind.programBits else { return nil }
        let start = nameOffset(section)
        // `.ctors` and `.dtors` in two pieces.
        guard let first = file.word32(at: start), first == 0x6f74_632e || first == 0x6f74_642e,
            file.byte(at: start &+ 4) == UInt8(ascii: "r"), file.byte(at: start &+ 5) == UInt8(ascii: "s"),
            let next = file.byte(at: start &+ 6), next == 0 || next == UInt8(ascii: ".")
        else { return nil }
        return first == 0x6f74_632e ? .initArray : .finiArray
    }

    /// The priority of `section`, of an array of functions: N of `.init_array.N`, 65535 - N of `.ctors.N`; 65536,
    /// behind both, where its name, of 64 bytes at the most, does not end with a number.
    func priority(_ section: SectionHeader) -> UInt64 {
        let name = nameOffset(section)
        guard name != 0 else { return 65536 }
        var number: UInt64?
        var hasDigits = false
        var length: UInt64 = 0
        while let byte = file.byte(at: name &+ length), byte != 0 {
            length &+= 1
            // Names can be as long as the file, and each section's the same.
            guard length <= 64 else { return 65536 }
            let digit = byte &- UInt8(ascii: "0")
            if byte == UInt8(ascii: ".") {
                (number, hasDigits) = (0, false)
            } else if let known = number, digit < 10, known < 1 << 31 {
                (number, hasDigits) = (known &* 10 &+ UInt64(digit), true)
            } else {
                number = nil
            }
        }
        guard let number, hasDigits else { return 65536 }
        guard section.type == SectionHeader.Kind.programBits else { return number }
        return number <= 65535 ? 65535 &- number : 65536
    }
}

/// The room of each priority in the arrays of functions. Two walks through the sections fill it and use it, so that neither
/// memory nor a walk for each priority is needed.
struct PriorityRooms {
    private struct Room {
        /// The group and the priority.
        var key: UInt64 = 0
        /// Where it begins, and how far it is filled.
        var start: UInt64 = 0, used: UInt64 = 0
        /// The largest alignment, 0 for none: all zero, an array of such structures can be cleared as one block.
        var alignment: UInt64 = 0
    }

    /// The largest number of different priorities in both arrays; programs have a handful.
    static var capacity: Int { 64 }

    private var rooms = InlineArray<64, Room>(repeating: Room())
    private var count = 0

    private static func key(_ group: SectionGroup, _ priority: UInt64) -> UInt64 {
        UInt64(group.rawValue) << 40 | priority
    }

    /// The index of the first room whose key is not below `key`.
    @inline(never)
    private func index(of key: UInt64) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low &+ high) / 2
            if rooms.span[middle].key < key { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    /// Makes room for a section of `group` with `priority`. Throws `tooManyPriorities`, or what `PlacementCursor.place` does.
    mutating func add(
        _ section: SectionHeader, _ group: SectionGroup, _ priority: UInt64, _ place: Place
    ) throws(Fault) {
        let key = PriorityRooms.key(group, priority)
        let index = index(of: key)
        if index == count || rooms.span[index].key != key {
            guard count < PriorityRooms.capacity else {
                throw Fault(.tooManyPriorities, place, limit: UInt64(PriorityRooms.capacity))
            }
            var moved = count
            while moved > index {
                let room = rooms.span[moved &- 1]
                rooms[moved] = room
                moved &-= 1
            }
            rooms[index] = Room(key: key)
            count &+= 1
        }
        _ = try take(section, index, place)
    }

    /// Gives the rooms of `group` their places, in ascending order of priority.
    mutating func settle(_ group: SectionGroup, _ memory: inout PlacementCursor) throws(Fault) {
        for index in 0..<count where rooms.span[index].key >> 40 == UInt64(group.rawValue) {
            let room = rooms.span[index]
            rooms[index].start = try memory.place(room.used, room.alignment, else: .sectionAlignment, .none)
            rooms[index].used = 0
        }
    }

    /// The link address of a section of `group` with `priority`, which has been added.
    mutating func place(
        _ section: SectionHeader, _ group: SectionGroup, _ priority: UInt64, _ place: Place
    ) throws(Fault) -> UInt64 {
        let index = index(of: PriorityRooms.key(group, priority))
        guard index < count else { return 0 }
        let offset = try take(section, index, place)
        return rooms.span[index].start &+ offset
    }

    private mutating func take(_ section: SectionHeader, _ index: Int, _ place: Place) throws(Fault) -> UInt64 {
        var cursor = PlacementCursor(address: rooms.span[index].used, alignment: rooms.span[index].alignment)
        let offset = try cursor.place(section.size, section.addralign, else: .sectionAlignment, place)
        rooms[index].used = cursor.address
        rooms[index].alignment = cursor.alignment
        return offset
    }
}

extension ObjectRelocator {
    /// Turns the words of every .ctors and .dtors round: their functions run from the last to the first, those of the arrays
    /// that they have become part of the other way about.
    func turnOldArrays(in memory: inout ByteRegion) {
        var numbers = sections.numbers
        while let index = numbers.next() {
            let section = sections[index]
            guard section.type == SectionHeader.Kind.programBits, sections.home(of: section)?.hasPriorities == true,
                case .memory(let start) = layout.notebook.home(of: index, in: memory)
            else { continue }
            var first = start
            var last = start &+ section.size & ~7
            while last &- first >= 16 {
                last &-= 8
                guard let left = memory.load(UInt64.self, at: first), let right = memory.load(UInt64.self, at: last)
                else { break }
                memory.store(right, at: first)
                memory.store(left, at: last)
                first &+= 8
            }
        }
    }
}
