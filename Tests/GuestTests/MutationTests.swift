// Damaged copies of the demonstration application, booted in batches: each runs or is refused in one sentence.

import Diagnostics
import Foundation
import HostileInput
import Subprocess
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct GuestMutationTests {
    /// The end of one boot, by category.
    enum Kind: String, CaseIterable {
        case ran = "the application ran"
        case refused = "refused with the host's sentence"
        case placement = "no place for it in the guest"
        case exception = "the application died, and the loader said where"
        case silent = "the application did not come to an end"
    }

    /// A bounded number of boots; thousands in a soak.
    static let count =
        ProcessInfo.processInfo.environment["LOADER_GUEST_MUTATIONS"].flatMap { Int($0) }
        ?? samples(40, soak: 4000)

    /// A file to damage, and its share of all boots.
    struct Subject: CustomStringConvertible {
        var files: [String]
        var share: Double
        var description: String { files[0] }
    }

    static let subjects = [
        Subject(files: ["demo"], share: 0.5), Subject(files: ["object-pic.o"], share: 0.25),
        Subject(files: ["libraries-pie"] + LibraryTests.libraries, share: 0.25),
    ]

    @Test(arguments: subjects) func damagedHeadersAndTables(_ subject: Subject) async throws {
        let sound = try subject.files.map { Array(try Data(contentsOf: Project.fixture($0))) }
        let structures = sound.indices.flatMap { index in
            SmallFile.structures(of: sound[index]).map { (file: index, name: $0.name, range: $0.range) }
        }
        var random = SeededGenerator(seed: 42)
        var kinds: [Kind: Int] = [:]
        var machine = Machine()
        machine.memory = 256 << 20
        let count = Int(Double(Self.count) * subject.share)
        let folder = try Folder()
        for number in 0..<count {
            var files = sound
            // One byte, or sometimes two, of one structure each; all structures get the same share.
            var changes: [String] = []
            for _ in 0..<(number % 8 == 7 ? 2 : 1) {
                let (file, name, range) = structures[number % structures.count]
                let offset = Int.random(in: range, using: &random)
                let old = files[file][offset]
                let value: UInt8 = [0, 1, 0x7f, 0x80, 0xff, old ^ 1, old ^ 0x80].randomElement(using: &random)!
                files[file][offset] = value
                changes.append("\(subject.files[file]), \(name): byte \(offset) is \(value)")
            }
            let paths = subject.files.map { folder.place($0) }
            for (path, file) in zip(paths, files) { try Data(file).write(to: path) }
            var guest = Guest(initrd: paths[0], memory: "256M", staysAfter: ("entry point 0x", 20))
            guest.modules = paths.dropFirst().map(\.path)
            let outcome = try await guest.boot()
            let host = WatchedBoot(
                files[0], with: Array(files.dropFirst()), called: Array(subject.files.dropFirst()), on: machine)
            // An exception at the entry point: a file that dies so must be refused, unless its damage looks sound.
            if outcome.status == Rule.Kind.exception.status, let entry = outcome.word(after: "entry point "),
                outcome.word(after: ") at ") == entry
            {
                let run = try await Subprocess.run(
                    .path(.init(RefusalTests.tool.path)),
                    arguments: ["--quiet", "--memory", "256M", "--loader", Project.loader.path, paths[0].path],
                    output: .string(limit: 1 << 16), error: .discarded)
                #expect(
                    run.standardOutput.contains("the entry point 0x"),
                    "boot \(number), \(changes.joined(separator: ", ")): \(outcome.comment.rawValue)")
            }
            let kind = try #require(
                Self.classify(outcome, host),
                "boot \(number), \(changes.joined(separator: ", ")): \(outcome.comment.rawValue)\nthe host: \(host.report)"
            )
            kinds[kind, default: 0] += 1
            if kind == .silent { print("guest mutations: no end with \(changes.joined(separator: ", "))") }
        }
        for kind in Kind.allCases { print("guest mutations of \(subject): \(kinds[kind] ?? 0) times \(kind.rawValue)") }
        #expect(kinds.values.reduce(0, +) == count)
        #expect(kinds[.ran] ?? 0 > 0 && kinds[.refused] ?? 0 > 0)
    }

    /// The category of `outcome`; nil if it is not acceptable. A reset would end QEMU with status 0, a hang with 124.
    private static func classify(_ outcome: Outcome, _ host: WatchedBoot) -> Kind? {
        let wasEntered = outcome.serial.contains("entry point 0x")
        switch outcome.status {
        // 193 is the status of fixtures that found a wrong word: they name it.
        case 193 where !outcome.serial.contains("FAILED"): return nil
        case 1, 3, 193: return outcome.errors.isEmpty && wasEntered ? .ran : nil
        case 124: return wasEntered && outcome.errors.isEmpty ? .silent : nil
        case Rule.Kind.exception.status: return wasEntered && outcome.errors.count == 1 ? .exception : nil
        case Rule.Kind.placement.status: return !wasEntered && outcome.errors.count == 1 ? .placement : nil
        default:
            guard case .refused(let fault) = host.ending, outcome.status == fault.rule.kind.status, !wasEntered,
                let sentence = outcome.errors.first, outcome.errors.count == 1
            else { return nil }
            return host.report.hasSuffix("[LOADER] error: \(sentence)\n") ? .refused : nil
        }
    }
}
