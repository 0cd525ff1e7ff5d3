// What the loader remembers of sections and symbols while it loads an object file. It allocates nothing, so this lies in
// memory behind the image.

import Architecture
import Bytes
import ELF

/// A word per section, and a record per symbol.
struct LinkScratch {
    private var sections: UInt64 = 0, symbols: UInt64 = 0
    /// Behind its last byte.
    private(set) var end: UInt64 = 0

    /// The size of a symbol's record: an address, then an offset for each kind of slot.
    private static var recordSize: UInt64 { 24 }
    /// Set in the word of what is in the thread-local block.
    static var threadLocalBit: UInt64 { 1 << 63 }

    /// Where a section lies.
    enum Home: Equatable {
        /// At this link address.
        case memory(UInt64)
        /// At this offset in the block of thread-local storage.
        case block(UInt64)
    }

    init() {}

    /// The scratch for these sections and symbols, at `start`. Both counts have 32 bits.
    init(behind start: UInt64, _ table: borrowing SectionTable, _ symbolTable: borrowing ObjectSymbols) {
        sections = start
        symbols = start &+ UInt64(table.count) &* 8
        end = symbols &+ UInt64(symbolTable.count) &* LinkScratch.recordSize
    }

    /// Remembers where the section that `placed` has at hand lies; sections that are not remembered are at 0, which stands for
    /// nowhere.
    func remember(_ placed: borrowing PlacedSections, in memory: inout ByteRegion) {
        let word = placed.group.isThreadLocal ? placed.offset | LinkScratch.threadLocalBit : placed.offset
        // Addresses are below 2^47.
        memory.put(word &+ 1, at: sections &+ UInt64(placed.index) &* 8)
    }

    /// Where the section at `index` lies, nil for one that is not in memory.
    @inline(never)
    func home(of index: UInt32, in memory: inout ByteRegion) -> Home? {
        let place = memory.word(at: sections &+ UInt64(index) &* 8) &- 1
        guard place != .max else { return nil }
        return place & LinkScratch.threadLocalBit != 0 ? .block(place & ~LinkScratch.threadLocalBit) : .memory(place)
    }

    /// Remembers an address for the symbol at `index`: of a common symbol its own, of one that chooses an implementation its
    /// stub's; of one that no file defines more: see `readUndefined`.
    func remember(_ address: UInt64, ofSymbol index: UInt32, in memory: inout ByteRegion) {
        memory.put(address, at: record(index))
    }

    /// The address remembered for the symbol at `index`, 0 if there is none.
    func address(ofSymbol index: UInt32, in memory: inout ByteRegion) -> UInt64 { memory.word(at: record(index)) }

    /// Remembers the offset in the GOT of the slot of `kind` that the symbol at `index` has.
    func remember(_ offset: UInt64, _ kind: SlotKind, ofSymbol index: UInt32, in memory: inout ByteRegion) {
        memory.store(UInt32(truncatingIfNeeded: offset), at: slot(kind, index))
    }

    /// The offset in the GOT of the slot of `kind` that the symbol at `index` has, 0 if it has none.
    func slot(_ kind: SlotKind, ofSymbol index: UInt32, in memory: borrowing ByteRegion) -> UInt64 {
        UInt64(memory.load(UInt32.self, at: slot(kind, index)) ?? 0)
    }

    private func record(_ index: UInt32) -> UInt64 { symbols &+ UInt64(index) &* LinkScratch.recordSize }

    private func slot(_ kind: SlotKind, _ index: UInt32) -> UInt64 { record(index) &+ 8 &+ UInt64(kind.rawValue) &* 4 }
}
