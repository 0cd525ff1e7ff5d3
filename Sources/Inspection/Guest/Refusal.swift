// A refusal in words: the loader's faults, and this program's own rules.

import Boot
import Bytes
import Diagnostics
import Linking

/// This program's own rules: the limits of QEMU and of kernels.
enum HostRule: String, CaseIterable {
    /// QEMU opens no such file.
    case initrdTooLarge
    /// The kernel finds no room for its heap.
    case kernelMemory

    /// Its meaning.
    var meaning: String {
        switch self {
        case .initrdTooLarge: "QEMU boots no file of 2 GiB or more with -initrd"
        case .kernelMemory: "the loader boots the file, but its kernel ends with a panic for lack of memory"
        }
    }
}

/// A fault in words, because the bytes that it names may be gone when it is printed.
struct Refusal: Error {
    /// The loader's fault; nil if it is this program that refuses.
    let fault: Fault?
    /// The rule's name.
    let rule: String
    /// The class of trouble.
    let kind: Rule.Kind
    /// The sentence and the advice, as the loader's serial line shows them after `error: `.
    let sentence: String
    /// The status that QEMU would end with.
    var qemuStatus: Int32 { fault == nil ? 1 : kind.status }
    /// The exit status of this program.
    var status: Int32 { kind == .malformed ? 2 : 1 }

    /// A refusal of this program's own.
    init(_ rule: HostRule, _ sentence: String, _ advice: String) {
        fault = nil
        self.rule = rule.rawValue
        kind = .placement
        self.sentence = sentence + "; " + advice
    }

    /// The loader's sentence and advice on `fault`, from the end of its `report`.
    init(_ fault: Fault, report: String) {
        self.fault = fault
        rule = "\(fault.rule)"
        kind = fault.rule.kind
        sentence = report.split(separator: "[LOADER] error: ").last.map { String($0.dropLast()) } ?? ""
    }

    /// The words for `fault`; names are taken from `bytes`.
    init(_ fault: Fault, _ bytes: ByteView) { self.init(fault, NamedFiles(bytes)) }

    /// The words for `fault` of one of `files`.
    init(_ fault: Fault, _ files: borrowing NamedFiles) {
        var sink = StringSink()
        var plans = [LinkPlan()]
        Report.error(fault, files, linkPlan: plans.mutableSpan, to: &sink)
        self.init(fault, report: sink.text)
    }
}

extension Refusal {
    /// Writes it to standard error; returns the exit status.
    func tell(_ name: String) -> Int32 {
        Progress.shared.tell("\(printable(name)): error: \(sentence)")
        return status
    }
}
