// Every byte of every structure of small files is changed: the file loads or is refused, and nothing else is written.

import Diagnostics
import Foundation
import HostileInput
import TestSupport
import Testing

/// The results of mutations, counted.
struct Tally {
    /// Loaded with the same bytes everywhere (except for the changed byte itself, if the image has a copy of it), with
    /// other bytes, and mutations in all.
    private(set) var same = 0, other = 0, cases = 0
    private(set) var refused: [String: Int] = [:]
    private(set) var violations: [String] = []

    mutating func count(_ file: [UInt8], _ original: WatchedBoot, _ what: @autoclosure () -> String) {
        let boot = WatchedBoot(file)
        cases += 1
        switch boot.ending {
        case .loaded:
            if boot.image.isNearlySame(as: original.image), boot.handoff.isSame(as: original.handoff) {
                same += 1
            } else {
                other += 1
            }
        case .refused(let fault): refused["\(fault.rule)", default: 0] += 1
        }
        if !boot.violations.isEmpty {
            violations.append("\(what()): \(boot.violations.joined(separator: ", "))")
        }
    }

    /// One line per kind of outcome.
    var summary: String {
        let rules = refused.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.map { "\($0.key) \($0.value)" }
        return "\(cases) mutations: \(same) the same, \(other) another image, "
            + "\(refused.values.reduce(0, +)) refused (\(rules.joined(separator: ", ")))"
    }
}

@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct MutationTests {
    /// The values that a byte is changed to.
    static func values(_ byte: UInt8) -> Set<UInt8> {
        Set([0, 1, 0x7f, 0x80, 0xff, byte ^ 1, byte ^ 0x80]).subtracting([byte])
    }

    @Test func `a small file cut at any length loads or is refused`() {
        let file = SmallFile().bytes
        var tally = Tally()
        let original = WatchedBoot(file)
        for length in 0..<file.count { tally.count(Array(file.prefix(length)), original, "length \(length)") }
        print("truncation:", tally.summary)
        #expect(tally.violations == [])
        #expect(tally.same == 0 && tally.other == 0, "a file that lacks bytes of its segment was loaded")
    }

    @Test(arguments: [(3, 0), (2, 0x40_0000)] as [(UInt16, UInt64)])
    func `a small file with any byte of a structure changed loads or is refused`(_ type: UInt16, _ base: UInt64) {
        let small = SmallFile(type: type, base: base)
        let original = WatchedBoot(small.bytes)
        #expect(original.violations == [])
        guard case .loaded = original.ending else {
            Issue.record("the file itself is refused: \(original.report)")
            return
        }
        mutate(small.bytes, small.structures, original, stride: isSoak ? 1 : 3)
    }

    /// The demonstration application has a thousand relocations; all of its mutations take minutes.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: demonstration.path), "make fixtures builds it"))
    func `the demonstration with any byte of a structure changed loads or is refused`() throws {
        let file = Array(try Data(contentsOf: Self.demonstration))
        let original = WatchedBoot(file)
        guard case .loaded = original.ending else {
            Issue.record("the file itself is refused: \(original.report)")
            return
        }
        mutate(file, SmallFile.structures(of: file), original, stride: isSoak ? 1 : 17)

        var tally = Tally()
        for length in stride(from: 0, to: file.count, by: isSoak ? 1 : 211) {
            tally.count(Array(file.prefix(length)), original, "length \(length)")
        }
        print("truncation:", tally.summary)
        #expect(tally.violations == [])
    }

    static let demonstration = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("build/fixtures/demo")

    private func mutate(
        _ file: [UInt8], _ structures: [(name: String, range: Range<Int>)], _ original: WatchedBoot, stride step: Int
    ) {
        for (name, range) in structures {
            var tally = Tally()
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: step) {
                for value in Self.values(file[offset]).sorted() {
                    var changed = file
                    changed[offset] = value
                    tally.count(changed, original, "\(name), byte \(offset) is \(value)")
                }
            }
            print("\(name):", tally.summary)
            #expect(tally.violations == [])
            #expect(tally.cases > 0)
        }
    }
}
