// Addresses of a running application as symbols and lines of its source.

import AnyELF
import Boot
import Bytes
import Linking

/// An address's symbol, section and lines.
struct AddressName {
    let address: UInt64
    /// The demangled symbol, or the section if there is none, and the address's offset in it.
    let symbol: String, offset: UInt64
    /// Functions and lines of the source, the innermost first: a function's body may have been put into its caller.
    var frames: [String] = []

    /// Its text: one line, and one for each frame.
    var lines: [String] {
        ["  \(hex(address))  \(symbol)+\(hex(offset))"]
            + frames.enumerated().filter { $0.element != symbol }
            .map { "    \($0.offset == 0 ? "in" : "inlined into") \($0.element)" }
    }
}

/// Names for the addresses of an image that was loaded.
enum AddressNames {
    /// The names of the `mentions` in the image of `file`, whose first byte is at `start`; `debug` has its symbols and lines.
    static func of(
        _ mentions: [GuestLog.Mention], _ file: ByteView, _ debug: DebugFile, at start: UInt64
    ) async -> [AddressName] {
        guard let contents = try? ApplicationFile(loaded: file) else { return [] }
        let bias = start &- contents.linkStart
        let symbols = ByteView(debug.input.bytes)
        let table = AddressSymbols(symbols)
        let own = AddressSymbols(file)
        var names: [AddressName] = []
        var places: [SourceLines.Place?] = []
        var haveSymbols: [Bool] = []
        for mention in mentions {
            let back: UInt64 = mention.isReturnAddress ? 1 : 0
            let address = mention.address &- bias &- back
            guard contents.part(at: address) != nil else { continue }
            let section: (index: Int, name: String, offset: UInt64)
            if contents.isObject {
                guard let found = contents.object.section(at: address),
                    let sections = try? SectionListing(file, contents.linked.header), Int(found.index) < sections.count
                else { continue }
                let name = sections.name(sections[Int(found.index)]).text
                section = (Int(found.index), name, address &- found.start)
            } else {
                // A file of debugging information may number its sections otherwise.
                guard let found = table.section(at: address) ?? own.section(at: address) else { continue }
                section = found
            }
            let match = table.find(contents.isObject ? section.offset : address, inSection: section.index, of: symbols)
            names.append(
                AddressName(
                    address: mention.address, symbol: match?.name ?? section.name,
                    offset: (match?.offset ?? section.offset) &+ back))
            places.append(contents.isCode(address) ? place(address, contents) : nil)
            haveSymbols.append(match != nil)
        }
        let lines = await SourceLines.of(places.compactMap { $0 }, in: debug.path)
        let frames = places.map { place in place.flatMap { lines[$0] } ?? [] }
        for (index, frames) in frames.enumerated() {
            let name = names[index]
            // Without lines a frame is only a symbol, and may be another one at its address.
            let isSymbol = haveSymbols[index] && frames.count == 1 && frames[0].place.isEmpty
            names[index] = AddressName(
                address: name.address, symbol: printable(Demangler.name(name.symbol) ?? name.symbol),
                offset: name.offset,
                frames: isSymbol
                    ? []
                    : frames.map { printable((Demangler.name($0.function) ?? $0.function) + $0.place) })
        }
        return names
    }

    /// The place of link address `address` in DWARF: in an object file, which has no addresses yet, within a section.
    private static func place(_ address: UInt64, _ contents: borrowing ApplicationFile) -> SourceLines.Place? {
        guard contents.isObject else { return SourceLines.Place(section: nil, address: address) }
        guard let section = contents.object.section(at: address),
            let table = try? SectionListing(contents.file, contents.linked.header), Int(section.index) < table.count
        else { return nil }
        let name = table.name(table[Int(section.index)]).text
        // Sections are asked for by name.
        guard (0..<table.count).filter({ table.name(table[$0]).text == name }).count == 1 else { return nil }
        return SourceLines.Place(section: name, address: address &- section.start)
    }
}
