// The scratch memory for sections and symbols while an object file is loaded. The loader allocates nothing, so this lies after the
// image.

import Architecture
import Bytes
import ELF

/// A word for each section, and a record for each symbol. A file can have 2^32 of them, so the words are packed.
struct LinkScratch {
    private var sections: UInt64 = 0, symbols: UInt64 = 0
    /// The link address after its last byte.
    private(set) var end: UInt64 = 0

    /// The size of a symbol's record: an address, then an offset for each kind of slot.
    private static var recordSize: UInt64 { 24 }
    /// The bit that is set in the word of a section or a symbol in the thread-local block.
    static var threadLocalBit: UInt64 { 1 << 63 }

    /// The location of a section.
    enum Home: Equatable {
        /// At this link address.
        case memory(UInt64)
        /// At this offset in the block of thread-local storage.
        case block(UInt64)
    }

    /// No scratch.
    init() {}

    /// The scratch for these sections and symbols, at `start`. Both numbers have 32 bits.
    init(at start: UInt64, _ table: borrowing SectionTable, _ symbolTable: borrowing ObjectSymbols) {
        sections = start
        symbols = start &+ UInt64(table.count) &* 8
        end = symbols &+ UInt64(symbolTable.count) &* LinkScratch.recordSize
    }

    /// Records the place of the current section of `placed`. The word is one more than the address, because 0 means no place.
    func remember(_ placed: borrowing PlacedSections, in memory: inout ByteRegion) {
        let word = placed.group.isThreadLocal ? placed.offset | LinkScratch.threadLocalBit : placed.offset
        // Addresses are below 2^47.
        memory.put(word &+ 1, at: sections &+ UInt64(placed.index) &* 8)
    }

    /// The location of the section at `index`; nil if it is not in memory.
    func home(of index: UInt32, in memory: borrowing ByteRegion) -> Home? {
        let place = memory.word(at: sections &+ UInt64(index) &* 8) &- 1
        guard place != .max else { return nil }
        return place & LinkScratch.threadLocalBit != 0 ? .block(place & ~LinkScratch.threadLocalBit) : .memory(place)
    }

    /// Records an address for the symbol at `index`: a common symbol's own, or that of an STT_GNU_IFUNC symbol's stub. For an
    /// undefined symbol it is not a plain address: see `readUndefined`.
    func remember(_ address: UInt64, ofSymbol index: UInt32, in memory: inout ByteRegion) {
        memory.put(address, at: record(index))
    }

    /// The recorded address of the symbol at `index`; 0 if there is none.
    func address(ofSymbol index: UInt32, in memory: borrowing ByteRegion) -> UInt64 { memory.word(at: record(index)) }

    /// Records the offset in the GOT of the slot of `kind` for the symbol at `index`.
    func remember(_ offset: UInt64, _ kind: SlotKind, ofSymbol index: UInt32, in memory: inout ByteRegion) {
        memory.store(UInt32(truncatingIfNeeded: offset), at: slot(kind, index))
    }

    /// The offset in the GOT of the slot of `kind` for the symbol at `index`; 0 if it has none.
    func slot(_ kind: SlotKind, ofSymbol index: UInt32, in memory: borrowing ByteRegion) -> UInt64 {
        UInt64(memory.load(UInt32.self, at: slot(kind, index)) ?? 0)
    }

    private func record(_ index: UInt32) -> UInt64 { symbols &+ UInt64(index) &* LinkScratch.recordSize }

    private func slot(_ kind: SlotKind, _ index: UInt32) -> UInt64 { record(index) &+ 8 &+ UInt64(kind.rawValue) &* 4 }
}
