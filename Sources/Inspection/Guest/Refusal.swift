// A fault in words.

import Boot
import Bytes
import Diagnostics
import Linking

/// A fault in words, since the bytes that it names may be gone when it is told.
struct Refusal: Error {
    let fault: Fault
    /// The sentence and the advice, as the loader's serial line shows them behind `error: `.
    let sentence: String
    /// The exit status of this program.
    var status: Int32 { fault.rule.kind == .malformed ? 2 : 1 }

    /// What the loader said of `fault` at the end of its `report`.
    init(_ fault: Fault, report: String) {
        self.fault = fault
        sentence = report.split(separator: "[LOADER] error: ").last.map { String($0.dropLast()) } ?? ""
    }

    /// The words for `fault`; names are taken from `bytes`.
    init(_ fault: Fault, _ bytes: ByteView) { self.init(fault, NamedFiles(bytes)) }

    /// The words for `fault` of one of `files`.
    init(_ fault: Fault, _ files: borrowing NamedFiles) {
        self.fault = fault
        var sink = StringSink()
        var plans = [LinkPlan()]
        Report.error(fault, files, plan: plans.mutableSpan, to: &sink)
        let line = sink.text
        sentence = String(line.dropFirst("[LOADER] error: ".count).dropLast())
    }
}
