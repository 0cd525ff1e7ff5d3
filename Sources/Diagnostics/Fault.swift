// The one error type of the boot: which rule was broken, where, and with which value.

/// A broken rule. Every refusal of the loader and of the host tool is one of these, and renders to the same sentence.
///
/// It is four words, so that calls that can fail cost little; what else the sentence tells, such as the name of a
/// relocation's symbol, is looked up in the file when it is written: see `FaultDetails`.
public struct Fault: Error, Equatable, Sendable {
    /// Where it was broken, and, in bits that a place leaves free, the rule.
    private var ruleAndPlace: FaultLocation
    /// The offending value; `%v` (hexadecimal) or `%d` (decimal) in the rule's sentence.
    public var value: UInt64
    /// What the rule allows; `%l` (hexadecimal) or `%m` (decimal) in the rule's sentence.
    public var limit: UInt64

    /// The rule that was broken.
    public var rule: Rule { Rule(rawValue: ruleAndPlace.rule) ?? .noModule }
    /// Where it was broken.
    public var place: FaultLocation {
        var place = ruleAndPlace
        place.rule = 0
        place.file = 0
        return place
    }
    /// Which of several files it is in; 0 is the application.
    public var file: Int { Int(ruleAndPlace.file) }

    /// The same fault, of file `file` unless it has been attributed to one already.
    public func of(file: Int) -> Fault {
        var fault = self
        if fault.ruleAndPlace.file == 0 { fault.ruleAndPlace.file = UInt8(truncatingIfNeeded: file) }
        return fault
    }

    /// The same fault, at `place` where it is a relocation's that does not say yet which one's.
    @inline(never)
    public func at(_ place: FaultLocation) -> Fault {
        guard ruleAndPlace.kind == .none, rule.kind == .relocation else { return self }
        var fault = self
        fault.ruleAndPlace = place.with(ruleAndPlace.rule)
        return fault
    }

    /// A fault of `rule` at `place`.
    @inlinable
    public init(_ rule: Rule, _ place: FaultLocation = .none, value: UInt64 = 0, limit: UInt64 = 0) {
        self.init(place, rule, value, limit)
    }

    /// A fault of `rule` at `place`, whose sentence names what the file holds, NUL terminated, at `nameOffset`.
    @inlinable
    public init(_ rule: Rule, _ place: FaultLocation = .none, nameOffset: UInt64) {
        self.init(place, rule, nameOffset, 0)
    }

    @usableFromInline
    init(_ place: FaultLocation, _ rule: Rule, _ value: UInt64, _ limit: UInt64) {
        ruleAndPlace = place.with(rule.rawValue)
        self.value = value
        self.limit = limit
    }

    /// Writes the fault as one sentence, without a line end. `file` is the ELF file that names are offsets in.
    public func write(to sink: inout some TextSink, _ details: FaultDetails, file: RawSpan) {
        let place = place
        let table = place.isRelocation || place.isEntry ? place.table : place.index
        if place != .none {
            details.write(place.sentence, table, place.index, to: &sink, file: file)
            sink.write(": ")
        }
        details.write(rule.words.sentence, value, limit, to: &sink, file: file)
    }
}
