// The times at which the progress line is shown, tested without a terminal and without waiting.

@testable import Inspection
import Synchronization
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ProgressLineTests {
    /// The text written to standard error.
    final class Written: Sendable {
        private let parts = Mutex<[String]>([])
        func add(_ text: String) { parts.withLock { $0.append(text) } }
        /// The text since the last call.
        func take() -> [String] {
            parts.withLock { parts in
                defer { parts = [] }
                return parts
            }
        }
    }

    private static let gone = "\r\u{1b}[K"
    private static func line(_ text: String) -> String { "\r\(text)\u{1b}[K" }

    private func progress(isOn: Bool = true, isOutputTerminal: Bool) -> (Inspection.Progress, Written) {
        let written = Written()
        return (Inspection.Progress(isOn: isOn, isOutputTerminal: isOutputTerminal) { written.add($0) }, written)
    }

    @Test func theLineComesAfterASecondAndGoes() {
        let (progress, written) = progress(isOutputTerminal: true)
        progress.tick(.seconds(2))
        #expect(written.take() == [])
        progress.show("app", ", 1 of 2")
        progress.tick(.milliseconds(999))
        #expect(written.take() == [])
        progress.tick(.seconds(1))
        progress.tick(.seconds(2))
        #expect(written.take() == [Self.line("app, 1 of 2 ... 1 s"), Self.line("app, 1 of 2 ... 2 s")])
        progress.show(nil)
        progress.tick(.seconds(3))
        #expect(written.take() == [Self.gone])
    }

    /// Output to the same terminal replaces the progress line for its own work; output elsewhere does not.
    @Test(arguments: [true, false]) func outputInItsPlace(_ isOutputTerminal: Bool) {
        let (progress, written) = progress(isOutputTerminal: isOutputTerminal)
        progress.show("-")
        progress.tick(.seconds(1))
        var isThere = true
        progress.interrupt { isThere = written.take().last != Self.gone }
        #expect(!isThere, "the line stands in the output")
        progress.tick(.seconds(9))
        #expect(written.take() == (isOutputTerminal ? [] : [Self.line("standard input ... 9 s")]))
        progress.show("next")
        _ = written.take()
        progress.tick(.seconds(10))
        #expect(written.take() == [Self.line("next ... 10 s")])
    }

    @Test func nothingWhereItIsOff() {
        let (progress, written) = progress(isOn: false, isOutputTerminal: true)
        progress.show("app")
        progress.tick(.seconds(9))
        var isCalled = false
        progress.interrupt { isCalled = true }
        #expect(isCalled && written.take() == [])
    }

    /// A line that the terminal wraps could not be cleared.
    @Test func longNamesAreCutOff() {
        let (progress, written) = progress(isOutputTerminal: true)
        progress.show(String(repeating: "a", count: 200))
        progress.tick(.seconds(1))
        #expect(written.take() == [Self.line(String(repeating: "a", count: 79))])
    }
}
