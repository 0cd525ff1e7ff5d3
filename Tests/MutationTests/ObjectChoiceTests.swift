// Generated object files get as far as they should: into the relocator, with every type.

import Architecture
import Diagnostics
import HostileInput
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ObjectChoiceTests {
    /// Without this, millions of inputs could all be refused at the same header.
    @Test func `random bytes choose files that are relocated`() {
        var random = SeededGenerator(seed: 17)
        var loaded = 0
        var refused: [Rule: Int] = [:]
        var applied: Set<String> = []
        for number in 0..<6000 {
            // Only long inputs reach some rules; only short ones that are not refused reach most types.
            let count = Int.random(in: 6...(number % 4 == 0 ? 200 : 20), using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let boot = WatchedBoot(ObjectChoices(bytes).bytes)
            #expect(boot.violations == [], "\(bytes)")
            switch boot.ending {
            case .loaded:
                loaded += 1
                let line = boot.report.split(separator: "\n").first { $0.contains(" relocation") } ?? ""
                for part in line.drop(while: { $0 != ":" }).split(separator: ",") {
                    if let name = part.split(separator: " ").last { applied.insert(String(name)) }
                }
            case .refused(let fault): refused[fault.rule, default: 0] += 1
            }
        }
        let types = (0...RelocationType.lastNumber).compactMap { RelocationType($0) }
            .filter { ![.copy, .symbol, .bias, .indirect].contains($0.formula) }.map { "\($0.name)" }
        #expect(loaded > 600, "\(loaded) \(refused)")
        #expect(types.filter { !applied.contains($0) } == [], "\(loaded) \(refused)")
        #expect(refused.count > 15, "\(refused)")
    }
}
