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
        var object = LinkedObject()
        try object.read(try FileHeader(file), as: .library, FileRange(start: 0, size: file.count), file)
        guard let entry = object.entry(at: fault.place, file) else {
            // A word of DT_RELR may stand for many places; a fault that knows which has it for its value.
            describe(RelocationEntry(offset: fault.value, info: 8, addend: nil))
            return
        }
        describe(entry)
        let symbols = object.symbolTable(file)
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
        let (sections, symbols) = (image.sections, image.symbols)
        var relocations = ObjectRelocations(sections)
        guard let section = UInt32(exactly: fault.place.table), section < sections.count,
            try relocations.begin(section, of: sections)
        else { return }
        while relocations.count <= fault.place.index { guard try relocations.next() else { return } }
        let index = relocations.entry.symbol
        describe(relocations.entry)
        guard index != 0, let symbol = symbols[index] else { return }
        nameOffset = image.nameOffset(of: symbol, at: index)
        guard fault.rule == .symbolUndefined else { return }
        var searches: UInt64 = 0
        var numbers = symbols.numbers
        while let other = numbers.next() {
            guard other != index, let symbol = symbols[other], symbol.isUndefined, !symbol.isWeak,
                LinkerSymbol(symbol, symbols) == nil
            else { continue }
            if let wanted = symbols.sectionNameOffset(of: symbol), searches < ObjectImage.searchLimit {
                searches &+= 1
                if sections.hasSection(named: wanted.offset) { continue }
            }
            furtherNames.append(symbols.nameOffset(of: symbol))
        }
    }
}

extension ObjectImage {
    /// The file offset of the name of `symbol`, the one at `index`, or else of that of its section, which is what symbols of
    /// sections are called by; 0 where neither has one.
    func nameOffset(of symbol: Symbol, at index: UInt32) -> UInt64 {
        let name = symbols.nameOffset(of: symbol)
        guard name == 0, case .section(let section) = symbols.definition(of: symbol, at: index) else { return name }
        return sections.nameOffset(section)
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
