// The details of a relocation's fault: faults are small, so they are looked up in the file.

import Architecture
public import Bytes
public import Diagnostics
import ELF

extension FaultDetails {
    /// The details of `fault`, which is in `file`. For a fault that is not a relocation's, or is in another file, only the details in the
    /// fault itself.
    public init(of fault: Fault, in file: ByteView) {
        self.init(fault)
        let isLinked = fault.location.kind == .relocation
        guard isLinked || fault.location.kind == .entry else { return }
        nameOffset = 0
        do throws(Fault) {
            if isLinked {
                try lookUpLinked(fault, file)
            } else {
                try lookUpObject(fault, file)
            }
        } catch {}
    }

    private mutating func describe(_ entry: RelocationEntry) {
        symbol = entry.symbol
        address = entry.offset
        typePrefix = RelocationType.namePrefix
        typeName = RelocationType(entry.type)?.name ?? ""
    }

    private mutating func lookUpLinked(_ fault: Fault, _ file: ByteView) throws(Fault) {
        var linked = LinkedFile()
        try linked.read(try FileHeader(file), as: .library, FileRange(start: 0, size: file.count), file)
        guard let entry = linked.entry(at: fault.location, file) else {
            // A word of DT_RELR can encode many places; the fault's value is the place, if that is known.
            describe(
                RelocationEntry(offset: fault.value, info: UInt64(RelocationNumber.relative), addend: nil))
            return
        }
        describe(entry)
        let symbols = linked.symbolTable(file)
        guard entry.symbol != 0, let symbol = symbols[entry.symbol] else { return }
        nameOffset = symbols.nameOffset(of: symbol)
        guard fault.rule == .symbolUndefined else { return }
        for index in 1..<UInt32(truncatingIfNeeded: symbols.count) where index != entry.symbol {
            guard let other = symbols[index], other.isUndefined, !other.isWeak else { continue }
            furtherNames.append(symbols.nameOffset(of: other))
        }
    }

    private mutating func lookUpObject(_ fault: Fault, _ file: ByteView) throws(Fault) {
        var image = ObjectImage(unread: file)
        try image.find(try FileHeader(file))
        var relocations = ObjectRelocationCursor(image.sections)
        let section = fault.location.table
        guard section < image.sections.count,
            try relocations.begin(section, of: image.sections)
        else { return }
        while relocations.count <= fault.location.index { guard try relocations.next() else { return } }
        describe(relocations.entry)
        var symbol = ObjectSymbol()
        guard symbol.read(relocations.entry.symbol, of: image.symbols) else { return }
        nameOffset = image.nameOffset(of: symbol)
        guard fault.rule == .symbolUndefined else { return }
        var searches: UInt64 = 0
        symbol = ObjectSymbol()
        while image.next(&symbol) {
            let entry = symbol.entry
            guard symbol.index != relocations.entry.symbol, entry.isUndefined, !entry.isWeak,
                LinkerSymbol(named: entry.name, in: image) == nil
            else { continue }
            if let wanted = image.sectionName(of: entry.name), searches < ObjectImage.searchLimit {
                searches &+= 1
                if image.sections.hasSection(wanted) { continue }
            }
            furtherNames.append(image.symbols.nameOffset(of: entry))
        }
    }
}

extension SectionTable {
    /// Whether a section has the name `name`.
    fileprivate func hasSection(_ name: SectionName) -> Bool {
        var numbers = numbers
        while let index = numbers.next() {
            if isCalled(name, self[index]) { return true }
        }
        return false
    }
}
