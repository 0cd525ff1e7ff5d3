// Advice leads to a boot if it is followed, or to another, later refusal.

import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct AdviceTests {
    /// One call of the tool: the file, libraries, and options.
    struct Call {
        var file: [UInt8]
        var libraries: [[UInt8]] = []
        var options: [String] = []
    }

    /// A call that breaks a rule, and one for each way to follow the advice.
    struct Case {
        var rule: Rule
        var broken: Call
        var followed: [Call]
    }

    static let cases: [Case] = {
        var cases = AdviceCases()
        addFiles(to: &cases)
        addEntryPoints(to: &cases)
        addNotes(to: &cases)
        addOptions(to: &cases)
        addMemory(to: &cases)
        addLibraries(to: &cases)
        addImages(to: &cases)
        return cases.all
    }()

    /// Rules without a case in the table, and the reasons.
    private static let exempt: [Rule: String] = {
        var reasons: [Rule: String] = [:]
        for rule in RuleTable.all {
            let advice = "\(rule.words.advice)"
            for word in ["the file is damaged", "please report it", "is at fault"]
            where advice.hasPrefix(word) || advice.hasSuffix(word) {
                reasons[rule] = "there is nothing to follow: \(advice)"
            }
        }
        let others: [(String, [Rule])] = [
            ("without a module there is no file to inspect: RefusalTests boots it", [.noModule]),
            ("a library, which the loader never asks to be linked", [.objectFile]),
            ("there is no newer loader", [.unknownEntryVersion]),
            (
                "who starts it is the starter's: GuestTests",
                [.unknownBootProtocol, .commandLineTooLong, .tooManyModules]
            ),
            (
                "tested with linkers' files: LibraryVersionTests, LibraryTests, VectorTests",
                [
                    .versionMissing, .symbolVersionMissing, .copyWithoutSource, .relocationTypeUnknown,
                    .relocationOnlyInObjects,
                    .relocationOnlyInLinkedFiles, .relativeCountWrong, .resolverOutOfPlace, .tlsSequenceUnknown,
                    .compactRelocationsMalformed, .symbolNotLoaded, .relocationFormUnknown, .sectionsApart,
                ]
            ),
            ("tested with many sections: LayoutTests", [.tooManyPriorities, .tooManySectionNames]),
            ("nobody tells a host's rehearsal of processors: ImageTests boots it", [.processorsBelowRequirement]),
            ("QEMU makes no such machine", [.memoryTooSmall, .deviceTreeRoom, .imageOverTables, .imageOverDefective]),
            (
                "cut files are cut in several places: the others stand for them",
                [
                    .sectionHeadersBeyondFile, .sectionBeyondFile, .noSectionHeaderForCount,
                ]
            ),
        ]
        for (reason, rules) in others {
            for rule in rules { reasons[rule] = reason }
        }
        return reasons
    }()

    /// The tool's result for `call`: its exit status, the name of the rule, the sentence with the advice.
    private func run(_ call: Call) async throws -> (status: Int32, rule: String, sentence: String) {
        let folder = try Folder()
        try folder.write("app", call.file)
        var words = ["--json"]
        for (index, library) in call.libraries.enumerated() {
            try folder.write("lib\(index)", library)
            try folder.write("lib\(index) loader.quiet", library)
            if !call.options.contains("--module") { words += ["--module", "lib\(index)"] }
        }
        let run = try await Tool.run(words + call.options + ["app"], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        let error = document?["error"] as? [String: Any]
        return (run.status, error?["rule"] as? String ?? "", error?["sentence"] as? String ?? "")
    }

    @Test(arguments: cases.indices) func adviceWorks(_ index: Int) async throws {
        let one = Self.cases[index]
        let broken = try await run(one.broken)
        #expect(broken.rule == "\(one.rule)" && broken.status != 0, "\(broken)")
        #expect(broken.sentence.hasSuffix("\(one.rule.words.advice)"), "\(broken)")
        for call in one.followed {
            let followed = try await run(call)
            #expect(followed.status == 0 || followed.rule != broken.rule, "\(broken), and followed \(followed)")
            // A well-formed digest is still not the file's: only this advice leads to another refusal.
            #expect(followed.status == 0 || one.rule == .digestMalformed, "\(broken), and followed \(followed)")
        }
    }

    /// No advice is left out by mistake: every rule has a case or a reason.
    @Test func everyAdviceIsAccountedFor() {
        let tested = Set(Self.cases.map(\.rule))
        for rule in RuleTable.all {
            #expect(tested.contains(rule) || Self.exempt[rule] != nil, "nothing is known of \(rule)")
        }
    }

    /// Advice names no starter's options.
    @Test func adviceIsNeutral() {
        for rule in RuleTable.all {
            let advice = "\(rule.words.advice)"
            for word in ["-initrd", "-append", "(-m)", "-cpu"] {
                #expect(!advice.contains(word), "\(rule): \(advice)")
            }
        }
    }
}

/// The cases collected so far.
struct AdviceCases {
    private(set) var all: [AdviceTests.Case] = []

    /// Adds the rule that `broken` breaks, and a call for each way of following its advice.
    mutating func add(_ rule: Rule, _ broken: AdviceTests.Call, _ followed: AdviceTests.Call...) {
        all.append(AdviceTests.Case(rule: rule, broken: broken, followed: followed))
    }
}

/// Every rule.
enum RuleTable {
    static let all: [Rule] = (0...255 as ClosedRange<UInt8>).compactMap { Rule(rawValue: $0) }
}
