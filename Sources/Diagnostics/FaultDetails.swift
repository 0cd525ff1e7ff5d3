// The details that a fault's sentence needs beyond the fault: an address, a type, names.

/// The details that a sentence needs beyond the fault itself. A relocation's details are looked up in the file.
public struct FaultDetails: Sendable {
    /// The link address that a relocation changes, or its offset in the section of an object file; `%a` in the sentence.
    public var address: UInt64 = 0
    /// The prefix that all relocation types of the machine share, and the rest of this type's name; `%t` in the sentence.
    public var typePrefix: Text = "", typeName: Text = ""
    /// The file offset of the fault's name, NUL terminated; 0 if it has none. `%n` in the sentence.
    public var nameOffset: UInt64
    /// The names after the first one.
    public var furtherNames = FurtherNames()

    /// The index of the relocation's symbol.
    public var symbol: UInt32 = 0

    /// The details that `fault` itself holds.
    public init(_ fault: Fault) { nameOffset = fault.value }

    /// Writes `sentence` and fills its blanks in; RuleWords.swift explains them.
    public func write(
        _ sentence: Text, _ value: UInt64, _ limit: UInt64, to sink: inout some TextSink, file: RawSpan
    ) {
        var start = 0
        while start < sentence.count {
            let end = sentence.index(of: UInt8(ascii: "%"), from: start)
            sink.write(sentence[start, end])
            start = end &+ 2
            switch sentence[end &+ 1] {
            case UInt8(ascii: "v"): sink.write(hex: value)
            case UInt8(ascii: "d"): sink.write(decimal: value)
            case UInt8(ascii: "l"): sink.write(hex: limit)
            case UInt8(ascii: "m"): sink.write(decimal: limit)
            case UInt8(ascii: "a"): sink.write(hex: address)
            case UInt8(ascii: "t"):
                sink.write(typePrefix)
                sink.write(typeName)
            case UInt8(ascii: "n"): writeNames(to: &sink, file: file)
            case UInt8(ascii: "g"): FaultLocation.write(tag: value, to: &sink)
            default: break
            }
        }
    }

    /// Writes the names as `'one', 'two' and 5 more`.
    func writeNames(to sink: inout some TextSink, file: RawSpan) {
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

    @inline(never)
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

/// The names that a fault lists after its first: their number, and the first four.
public struct FurtherNames: Sendable {
    private var first: UInt64 = 0, second: UInt64 = 0, third: UInt64 = 0, fourth: UInt64 = 0
    /// The number of names.
    public private(set) var count: UInt64 = 0
    /// The number of names that are kept.
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

    /// Adds the name at file offset `offset`.
    @inline(never)
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
