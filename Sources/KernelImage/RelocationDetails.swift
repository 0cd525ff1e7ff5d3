// What the sentence of a relocation's fault tells: looked up in the file by the relocation's place, since faults are small.

public import Bytes
public import Diagnostics
import ELF

extension FaultDetails {
    /// The details of `fault`, which is `file`'s. Nothing but the fault's own where its place is no relocation's, or `file` is
    /// not the one that it was found in.
    public init(of fault: Fault, in file: ByteView) {
        self.init(fault)
        guard fault.place.isRelocation || fault.place.isEntry else { return }
        nameOffset = 0
        do throws(Fault) {
            if fault.place.isRelocation {
                try lookUpLinked(fault, file)
            } else {
                try lookUpObject(fault, file)
            }
        } catch {}
    }

    private mutating func describe(_ entry: RelocationEntry) {
        symbol = entry.symbol
        address = entry.offset
        typeName = RelocationMeaning(entry.type)?.name ?? ""
    }

    private mutating func lookUpLinked(_ fault: Fault, _ file: ByteView) throws(Fault) {
        let image = try KernelImage(file, as: .library)
        let tables = try DynamicTables(image)
        guard let entry = tables.entry(at: fault.place) else {
            // A word of DT_RELR may stand for many places; a fault that knows which has it for its value.
            describe(RelocationEntry(offset: fault.value, info: 8, addend: nil))
            return
        }
        describe(entry)
        let symbols = tables.symbols
        guard entry.symbol != 0, let symbol = symbols[entry.symbol] else { return }
        nameOffset = symbols.nameOffset(of: symbol)
        guard fault.rule == .symbolUndefined else { return }
        for index in 1..<UInt32(truncatingIfNeeded: symbols.count) where index != entry.symbol {
            guard let other = symbols[index], other.isUndefined, !other.isWeak else { continue }
            furtherNames.append(symbols.nameOffset(of: other))
        }
    }

    private mutating func lookUpObject(_ fault: Fault, _ file: ByteView) throws(Fault) {
        let sections = try SectionTable(file, try FileHeader(file))
        var relocations = ObjectRelocations(sections)
        guard let section = UInt32(exactly: fault.place.table), section < sections.count,
            try relocations.begin(section)
        else { return }
        for _ in 0..<fault.place.index { _ = try relocations.next() }
        guard let entry = try relocations.next() else { return }
        describe(entry)
        let symbols = try ObjectSymbols(sections)
        guard entry.symbol != 0, let symbol = symbols[entry.symbol] else { return }
        nameOffset = symbols.nameOffset(of: symbol)
        // Symbols of sections have the section's name.
        if nameOffset == 0, case .section(let index) = symbols.definition(of: symbol, at: entry.symbol) {
            nameOffset = sections.nameOffset(index)
        }
        guard fault.rule == .symbolUndefined else { return }
        var searches = 0
        var numbers = symbols.numbers
        while let index = numbers.next() {
            guard index != entry.symbol else { continue }
            guard let other = symbols[index], other.isUndefined, !other.isWeak, LinkerSymbol(other, symbols) == nil
            else { continue }
            if let wanted = symbols.sectionNameOffset(of: other), searches < ObjectRelocator.searchLimit {
                searches &+= 1
                if sections.hasSection(named: wanted.offset) { continue }
            }
            furtherNames.append(symbols.nameOffset(of: other))
        }
    }
}

extension SectionTable {
    /// Whether a section has the name at an offset of the file.
    fileprivate func hasSection(named offset: UInt64) -> Bool {
        var numbers = numbers
        while let index = numbers.next() {
            if isSameString(nameOffset(index), offset) { return true }
        }
        return false
    }
}

extension DynamicTables {
    /// The entry at `place`, nil where that is in DT_RELR, or not there.
    func entry(at place: Place) -> RelocationEntry? {
        let index = Int(truncatingIfNeeded: place.index)
        guard index >= 0 else { return nil }
        return switch place.table {
        case DynamicTag.rela where index < rela.count: rela[index]
        case DynamicTag.rel where index < rel.count: rel[index]
        case DynamicTag.pltRelocations where index < plt.count: plt[index]
        default: nil
        }
    }
}
