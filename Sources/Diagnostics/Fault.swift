// The one error type of the boot: which rule was broken, where, and with which value.

/// A broken rule. Every refusal of the loader and of the host tool is one of these, and renders to the same sentence.
///
/// It has four words, so that a call returns it in registers: Swift 6.3.1 makes faulty debugging information of larger ones. Whatever
/// else the sentence needs, such as the name of a relocation's symbol, is looked up in the file when it is written: see `FaultDetails`.
public struct Fault: Error, Equatable, Sendable {
    /// Where the rule was broken.
    public private(set) var location: FaultLocation
    /// The rule that was broken.
    public let rule: Rule
    private var fileNumber: UInt16 = 0
    /// The offending value; `%v` (hexadecimal) or `%d` (decimal) in the rule's sentence. If the sentence has a name (`%n`), and the rule
    /// is about no relocation, the name's file offset.
    public let value: UInt64
    /// What the rule allows; `%l` (hexadecimal) or `%m` (decimal) in the rule's sentence.
    public let limit: UInt64

    /// The number of the file that it is in; 0 is the application.
    public var file: Int { Int(fileNumber) }

    /// A fault of `rule` at `location`.
    @inline(never)  // Some 200 callers.
    public init(_ rule: Rule, _ location: FaultLocation = .none, value: UInt64 = 0, limit: UInt64 = 0) {
        self.location = location
        self.rule = rule
        self.value = value
        self.limit = limit
    }

    /// A fault of `rule` at `location`. The name in its sentence is at file offset `nameOffset`, NUL terminated.
    public init(_ rule: Rule, _ location: FaultLocation = .none, nameOffset: UInt64) {
        self.init(rule, location, value: nameOffset)
    }

    /// The same fault in file `file`, unless it is already attributed to a library.
    public func of(file: Int) -> Fault {
        var fault = self
        if fileNumber == 0 { fault.fileNumber = UInt16(truncatingIfNeeded: file) }
        return fault
    }

    /// The same fault at `location`, if it is a relocation's fault that does not yet say which relocation.
    public func at(_ location: FaultLocation) -> Fault {
        guard self.location.kind == .none, rule.kind == .relocation else { return self }
        var fault = self
        fault.location = location
        return fault
    }

    /// Writes the fault as one sentence, without a line end. Names are offsets in `file`.
    public func write(to sink: inout some TextSink, _ details: FaultDetails, file: RawSpan) {
        if location.kind != .none {
            let first = location.isInTable ? UInt64(location.table) : location.index
            details.write(location.sentence, first, location.index, to: &sink, file: file)
            sink.write(": ")
        }
        details.write(rule.words.sentence, value, limit, to: &sink, file: file)
    }
}
