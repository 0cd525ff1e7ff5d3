// The order of initialisers and finalisers: by the number at the end of their section's name, as with linkers.

import Bytes
import Diagnostics
import ELF

extension SectionTable {
    /// The rank of `section` in the order; nil if it is not in memory at run time. Only priorities in `group` are read, because that takes
    /// long. The old .ctors and .dtors have no type of their own; they count as arrays of functions like the new ones, as with GNU ld.
    func rank(of section: SectionHeader, in group: SectionGroup) -> SectionRank? {
        guard let home = home(section) else { return nil }
        return SectionRank(group: home, priority: home.hasPriorities && home == group ? priority(section) : 0)
    }

    /// The group that `section` belongs to; nil if it is not in memory at run time.
    @inline(never)
    func home(_ section: SectionHeader) -> SectionGroup? { oldArray(section) ?? SectionGroup(section) }

    /// The array of functions that a section of data belongs to by its name; nil if it belongs to none.
    @inline(never)
    fileprivate func oldArray(_ section: SectionHeader) -> SectionGroup? {
        guard section.type == SectionHeader.Kind.programBits, SectionGroup(section) == .data else { return nil }
        let start = nameOffset(section)
        // `.ctors` and `.dtors` in two pieces.
        guard let first = file.word32(at: start), first == 0x6f74_632e || first == 0x6f74_642e,
            file.byte(at: start &+ 4) == UInt8(ascii: "r"), file.byte(at: start &+ 5) == UInt8(ascii: "s"),
            let next = file.byte(at: start &+ 6), next == 0 || next == UInt8(ascii: ".")
        else { return nil }
        return first == 0x6f74_632e ? .initArray : .finiArray
    }

    /// The priority of `section`, an array of functions: N for `.init_array.N`, 65535 - N for `.ctors.N`. It is 65536, after both, if
    /// its name, of 64 bytes at most, does not end with a number.
    private func priority(_ section: SectionHeader) -> UInt64 {
        let name = nameOffset(section)
        // Names are limited because each can be as long as the file, and all sections can share one.
        guard name != 0, let length = file.stringLength(at: name, limit: 64) else { return 65536 }
        var left = length
        var number: UInt64 = 0
        var unit: UInt64 = 1
        // From the last digit backwards; at most ten digits count.
        while left > 0, let byte = file.byte(at: name &+ left &- 1) {
            let digit = UInt64(byte &- UInt8(ascii: "0"))
            guard digit < 10 else { break }
            guard digit == 0 || unit < 10_000_000_000 else { return 65536 }
            number &+= digit &* unit
            unit = min(unit &* 10, 10_000_000_000)
            left &-= 1
        }
        guard left < length, left > 0, file.byte(at: name &+ left &- 1) == UInt8(ascii: ".") else { return 65536 }
        guard section.type == SectionHeader.Kind.programBits else { return number }
        return number <= 65535 ? 65535 &- number : 65536
    }
}

extension ObjectImage {
    /// Reverses the words of every .ctors and .dtors: their functions are called from last to first, unlike those of the new arrays.
    func turnOldArrays(in memory: inout ByteRegion) {
        var numbers = sections.numbers
        while let index = numbers.next() {
            let section = sections[index]
            guard sections.oldArray(section) != nil,
                case .memory(var first) = layout.scratch.home(of: index, in: memory)
            else { continue }
            var last = first &+ section.size & ~7
            while last &- first >= 16 {
                last &-= 8
                let word = memory.word(at: first)
                memory.put(memory.word(at: last), at: first)
                memory.put(word, at: last)
                first &+= 8
            }
        }
    }
}
