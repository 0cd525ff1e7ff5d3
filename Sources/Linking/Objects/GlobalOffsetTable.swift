// The global offset table that an object file's code uses, made while its relocations are applied.

import Architecture
import Bytes
import Diagnostics

/// The table: one slot per symbol and kind, in the order of their first use, and stubs for STT_GNU_IFUNC symbols.
struct GlobalOffsetTable {
    /// The link address of its first byte: the psABI's GOT.
    let start: UInt64
    private let end: UInt64
    private var next: UInt64

    /// The number of bytes before the first slot, so that no slot's offset is 0. The psABI reserves three words for dynamic linkers.
    static var reservedSize: UInt64 { 24 }
    /// The size of a stub: a word and `jmp *word(%rip)`.
    static var stubSize: UInt64 { 16 }

    init(_ layout: ObjectLayout) {
        start = layout.tableStart
        end = layout.tableEnd
        next = layout.tableStart &+ GlobalOffsetTable.reservedSize
    }

    /// Makes a slot, and returns its offset. Throws `imageTooLarge` if the plan has no room for it, or it needs more than 32 bits.
    mutating func slot(_ size: UInt64) throws(Fault) -> UInt64 {
        let offset = next &- start
        guard size <= end &- next, offset <= 0xffff_ffff else {
            throw Fault(.imageTooLarge, .none, value: offset &+ size, limit: end &- start)
        }
        next &+= size
        return offset
    }

    /// Makes a stub, and returns its link address. It jumps to the address in the word before it.
    mutating func stub(in memory: inout ByteRegion) throws(Fault) -> UInt64 {
        let address = start &+ (try slot(GlobalOffsetTable.stubSize)) &+ 8
        memory.put(Thunks.indirectJump, at: address)
        return address
    }
}
