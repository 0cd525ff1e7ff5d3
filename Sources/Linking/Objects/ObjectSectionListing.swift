// A listing of an object file's sections in memory, and of the loader's additions.

public import Diagnostics
import ELF

extension ObjectImage {
    /// The ranges that the loader adds after the sections, as half-open ranges of link addresses.
    public var additions: (table: (start: UInt64, end: UInt64), scratch: (start: UInt64, end: UInt64)) {
        ((layout.tableStart, layout.programEnd), (min(layout.programEnd, layout.end), layout.end))
    }

    /// Calls `body` with the index and the link address of every section that has bytes in memory, in the order of their
    /// addresses. Throws `sectionAlignment` or `sectionTooLarge`.
    public func forEachPlace(_ body: (_ section: UInt32, _ address: UInt64) -> Void) throws(Fault) {
        var placed = walk()
        while try placed.next(in: sections) {
            if placed.group != .threadLocalZero { body(placed.index, placed.address) }
        }
    }

    /// Calls `body` with the link address and the size in bytes of every common symbol that is not thread-local, in the order of
    /// their addresses. Throws `sectionAlignment`, `commonAlignment` or `sectionTooLarge`.
    public func forEachCommonSymbol(_ body: (_ address: UInt64, _ size: UInt64) -> Void) throws(Fault) {
        var placed = walk()
        while try placed.next(in: sections) {}
        var symbol = ObjectSymbol()
        while next(&symbol) {
            guard symbol.definition == .common else { continue }
            let address = try placed.place(common: symbol.entry, at: symbol.index, symbols.section)
            if !symbol.entry.isThreadLocal { body(address, symbol.entry.size) }
        }
    }
}
