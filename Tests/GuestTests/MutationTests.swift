// Damaged copies of the demonstration application, booted by the batch: each runs or is refused in one sentence.

import Diagnostics
import Foundation
import HostileInput
import TestSupport
import Testing

@Suite(.serialized) struct GuestMutationTests {
    /// How one boot ended, as far as that is accounted for.
    enum Kind: String, CaseIterable {
        case ran = "the application ran"
        case refused = "refused with the host's sentence"
        case placement = "no place for it in the guest"
        case exception = "the application died, and the loader said where"
        case silent = "the application did not come to an end"
    }

    /// A bounded number of boots, thousands where they are asked for.
    static let count =
        ProcessInfo.processInfo.environment["LOADER_GUEST_MUTATIONS"].flatMap { Int($0) }
        ?? (ProcessInfo.processInfo.environment["LOADER_SOAK"] == nil ? 40 : 4000)

    @Test func damagedHeadersAndTables() async throws {
        let sound = Array(try Data(contentsOf: Project.fixture("demo")))
        let structures = SmallFile.structures(of: sound)
        var random = SeededGenerator(seed: 42)
        var kinds: [Kind: Int] = [:]
        var machine = Machine()
        machine.memory = 256 << 20
        for number in 0..<Self.count {
            var file = sound
            // One byte, or now and then two, of one structure each; all structures get the same share.
            var changes: [String] = []
            for _ in 0..<(number % 8 == 7 ? 2 : 1) {
                let (name, range) = structures[number % structures.count]
                let offset = Int.random(in: range, using: &random)
                let value = [0, 1, 0x7f, 0x80, 0xff, file[offset] ^ 1, file[offset] ^ 0x80].randomElement(
                    using: &random)
                file[offset] = value ?? 0
                changes.append("\(name): byte \(offset) is \(file[offset])")
            }
            let image = try TemporaryFile(Data(file))
            let outcome = try await Guest(initrd: image.url, memory: "256M", patience: 20).boot()
            let kind = try #require(
                Self.classify(outcome, Rehearsal(file, on: machine)),
                "boot \(number), \(changes.joined(separator: ", ")): \(outcome.comment.rawValue)")
            kinds[kind, default: 0] += 1
            if kind == .silent { print("guest mutations: no end with \(changes.joined(separator: ", "))") }
        }
        for kind in Kind.allCases { print("guest mutations: \(kinds[kind] ?? 0) times \(kind.rawValue)") }
        #expect(kinds.values.reduce(0, +) == Self.count)
        #expect(kinds[.ran] ?? 0 > 0 && kinds[.refused] ?? 0 > 0)
    }

    /// What `outcome` is, nil where it is nothing that may happen. A reset would end QEMU with status 0, a hang with 124.
    private static func classify(_ outcome: Outcome, _ host: Rehearsal) -> Kind? {
        let wasEntered = outcome.serial.contains("entry point 0x")
        switch outcome.status {
        case 1, 3: return outcome.errors.isEmpty && wasEntered ? .ran : nil
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
