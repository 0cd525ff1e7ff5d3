// The one error type of the boot: which rule was broken, where, and with which value.

/// A broken rule. Every refusal of the loader and of the host tool is one of these, and renders to the same sentence.
public struct Fault: Error, Equatable, Sendable {
    /// The rule that was broken.
    public var rule: Rule
    /// Where it was broken.
    public var place: Place
    /// The offending value; `%v` (hexadecimal) or `%d` (decimal) in the rule's sentence.
    public var value: UInt64
    /// What the rule allows; `%l` (hexadecimal) or `%m` (decimal) in the rule's sentence.
    public var limit: UInt64
    /// Where the file holds a name that belongs to the fault, NUL terminated; 0 if there is none.
    public var nameOffset: UInt64
    /// The names after the first one.
    public var furtherNames = FurtherNames()
    /// The link address that a relocation changes, in an object file its offset in the section; `%a` in the sentence.
    public var address: UInt64 = 0
    /// The name of a relocation type, without R_X86_64_; `%t` in the rule's sentence.
    public var typeName = Literal("")

    /// A fault of `rule` at `place`.
    public init(_ rule: Rule, _ place: Place = .none, value: UInt64 = 0, limit: UInt64 = 0, nameOffset: UInt64 = 0) {
        self.rule = rule
        self.place = place
        self.value = value
        self.limit = limit
        self.nameOffset = nameOffset
    }

    /// Writes the fault as one sentence, without a line end. `file` is the ELF file that `nameOffset` points into.
    public func write(to sink: inout some TextSink, file: RawSpan) {
        place.write(to: &sink)
        let template = rule.description.sentence
        // A literal's bytes: the index stays below its length.
        let text = unsafe template.utf8Start
        let count = template.utf8CodeUnitCount
        var index = 0
        while index < count {
            let byte = unsafe text[index]
            index += 1
            guard byte == UInt8(ascii: "%"), index < count else {
                sink.write(byte)
                continue
            }
            switch unsafe text[index] {
            case UInt8(ascii: "v"): sink.write(hex: value)
            case UInt8(ascii: "d"): sink.write(decimal: value)
            case UInt8(ascii: "l"): sink.write(hex: limit)
            case UInt8(ascii: "m"): sink.write(decimal: limit)
            case UInt8(ascii: "a"): sink.write(hex: address)
            case UInt8(ascii: "t"):
                sink.write("R_X86_64_")
                sink.write(typeName.text)
            case UInt8(ascii: "n"): writeNames(to: &sink, file: file)
            default: sink.write(UInt8(ascii: "%"))
            }
            index += 1
        }
    }

    /// `'one', 'two' and 5 more`.
    private func writeNames(to sink: inout some TextSink, file: RawSpan) {
        writeName(nameOffset, to: &sink, file: file)
        for index in 0..<furtherNames.listed {
            sink.write(index &+ 1 == furtherNames.count ? " and " : ", ")
            writeName(furtherNames[index], to: &sink, file: file)
        }
        if furtherNames.count > furtherNames.listed {
            sink.write(" and ")
            sink.write(decimal: furtherNames.count &- furtherNames.listed)
            sink.write(" more")
        }
    }

    private func writeName(_ nameOffset: UInt64, to sink: inout some TextSink, file: RawSpan) {
        guard nameOffset > 0, let start = Int(exactly: nameOffset), start < file.byteCount else {
            sink.write("(no name)")
            return
        }
        var end = start
        while end < file.byteCount, end - start < 256 {
            // In bounds by the loop's condition.
            if unsafe file.unsafeLoad(fromUncheckedByteOffset: end, as: UInt8.self) == 0 { break }
            end += 1
        }
        sink.write(UInt8(ascii: "'"))
        sink.write(untrusted: file.extracting(start..<end), limit: 200)
        sink.write(UInt8(ascii: "'"))
    }
}

/// Names that a fault lists besides its first: a few of them, and how many there are.
public struct FurtherNames: Equatable, Sendable {
    private var first: UInt64 = 0, second: UInt64 = 0, third: UInt64 = 0, fourth: UInt64 = 0
    /// How many there are.
    public private(set) var count: UInt64 = 0
    /// How many of them are kept.
    public var listed: UInt64 { min(count, 4) }

    /// No names.
    public init() {}

    /// The file offset of the name at `index`, below `listed`.
    public subscript(index: UInt64) -> UInt64 {
        switch index {
        case 0: first
        case 1: second
        case 2: third
        default: fourth
        }
    }

    /// Adds the name at `offset` of the file.
    public mutating func append(_ offset: UInt64) {
        switch count {
        case 0: first = offset
        case 1: second = offset
        case 2: third = offset
        case 3: fourth = offset
        default: break
        }
        count &+= 1
    }
}

/// A literal that can be compared.
public struct Literal: Equatable, Sendable {
    /// The text.
    public let text: StaticString

    /// Wraps `text`.
    public init(_ text: StaticString) { self.text = text }

    /// Whether both have the same bytes.
    public static func == (left: Literal, right: Literal) -> Bool {
        guard left.text.utf8CodeUnitCount == right.text.utf8CodeUnitCount else { return false }
        // Literals are valid for ever, and both have this many bytes.
        let leftBytes = unsafe left.text.utf8Start
        let rightBytes = unsafe right.text.utf8Start
        for index in 0..<left.text.utf8CodeUnitCount where unsafe leftBytes[index] != rightBytes[index] { return false }
        return true
    }
}

/// Where a rule was broken.
public enum Place: Equatable, Sendable {
    /// Nowhere in particular.
    case none
    /// The ELF file header.
    case header
    /// A byte offset in the file.
    case offset(UInt64)
    /// A program header, by its index.
    case programHeader(UInt64)
    /// A section header, by its index.
    case sectionHeader(UInt64)
    /// A dynamic entry, by its tag.
    case dynamic(UInt64)
    /// An entry of a relocation table, by its index; the tag is that of the dynamic entry that names the table.
    case relocation(table: UInt64, index: UInt64)
    /// A symbol of the dynamic symbol table, by its index.
    case symbol(UInt64)
    /// An entry of a section that is a table, by its index and the section's.
    case entry(section: UInt64, index: UInt64)
    /// An address in memory.
    case address(UInt64)

    func write(to sink: inout some TextSink) {
        switch self {
        case .none: return
        case .header: sink.write("ELF header")
        case .offset(let offset):
            sink.write("file offset ")
            sink.write(hex: offset)
        case .programHeader(let index):
            sink.write("program header ")
            sink.write(decimal: index)
        case .sectionHeader(let index):
            sink.write("section header ")
            sink.write(decimal: index)
        case .dynamic(let tag):
            sink.write("dynamic entry ")
            Place.write(tag: tag, to: &sink)
        case .relocation(let table, let index):
            Place.write(tag: table, to: &sink)
            sink.write(" entry ")
            sink.write(decimal: index)
        case .symbol(let index):
            sink.write("dynamic symbol ")
            sink.write(decimal: index)
        case .entry(let section, let index):
            sink.write("section ")
            sink.write(decimal: section)
            sink.write(" entry ")
            sink.write(decimal: index)
        case .address(let address):
            sink.write("address ")
            sink.write(hex: address)
        }
        sink.write(": ")
    }

    private static func write(tag: UInt64, to sink: inout some TextSink) {
        switch tag {
        case 2: sink.write("DT_PLTRELSZ")
        case 4: sink.write("DT_HASH")
        case 5: sink.write("DT_STRTAB")
        case 6: sink.write("DT_SYMTAB")
        case 7: sink.write("DT_RELA")
        case 8: sink.write("DT_RELASZ")
        case 9: sink.write("DT_RELAENT")
        case 10: sink.write("DT_STRSZ")
        case 11: sink.write("DT_SYMENT")
        case 17: sink.write("DT_REL")
        case 18: sink.write("DT_RELSZ")
        case 19: sink.write("DT_RELENT")
        case 20: sink.write("DT_PLTREL")
        case 23: sink.write("DT_JMPREL")
        case 35: sink.write("DT_RELRSZ")
        case 36: sink.write("DT_RELR")
        case 37: sink.write("DT_RELRENT")
        case 0x6fff_fef5: sink.write("DT_GNU_HASH")
        default: sink.write(hex: tag)
        }
    }
}
