// A line on standard error that says what takes so long, for people in front of a terminal.

import FoundationEssentials
import Dispatch
import Glibc
import Synchronization

/// Shows what is being worked on, once that has taken a second: on standard error, only where it is a terminal, and not where
/// standard output is a pipe, whose reader may share the terminal. The line is gone before anything else is written.
final class Progress: Sendable {
    /// The program's.
    static let shared = Progress()

    private struct State {
        /// What is being worked on; nil for nothing.
        var work: String?
        /// Whether the line stands there.
        var isShown = false
        /// Whether output has come for this work, to the same terminal: that is sign of life enough.
        var isSilent = false
    }

    private let state = Mutex(State())
    private let start = ContinuousClock.now
    private let isOutputTerminal = isatty(1) == 1
    private let isOn: Bool

    private init() {
        var status = stat()
        // The call fills the structure that it is given.
        let isPipe = unsafe fstat(1, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        isOn = isatty(2) == 1 && !isPipe && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        guard isOn else { return }
        // A thread of its own: what takes so long keeps the others busy.
        DispatchQueue(label: "progress").async { [self] in
            while true {
                usleep(100_000)
                tick()
            }
        }
    }

    /// Says what is being worked on from now on, a file's name as a rule; nil for nothing.
    func show(_ work: String?, _ detail: String = "") {
        guard isOn else { return }
        state.withLock { state in
            clear(&state)
            state.work = work.map { ($0 == "-" ? "standard input" : printable($0)) + detail }
            state.isSilent = false
        }
    }

    /// Calls `body`, which writes something, while the line is not there.
    func interrupt(_ body: () -> Void) {
        guard isOn else { return body() }
        state.withLock { state in
            clear(&state)
            state.isSilent = isOutputTerminal
            body()
        }
    }

    /// Writes a line to standard error that stays; what was being worked on is done with.
    func tell(_ line: String) {
        interrupt { write(line + "\n") }
        show(nil)
    }

    private func tick() {
        state.withLock { state in
            let time = start.duration(to: .now)
            guard let work = state.work, !state.isSilent, time >= .seconds(1) else { return }
            // Cut off rather than wrapped, since a line that is wrapped cannot be cleared.
            let text = String("\(work) ... \(time.components.seconds) s".prefix(79))
            write("\r\(text)\u{1b}[K")
            state.isShown = true
        }
    }

    private func clear(_ state: inout State) {
        guard state.isShown else { return }
        write("\r\u{1b}[K")
        state.isShown = false
    }

    /// Writes to standard error, if there is one.
    private func write(_ text: String) {
        var text = text
        // Only read, and not beyond the closure.
        text.withUTF8 { _ = unsafe Inspection.write(UnsafeRawBufferPointer($0), to: 2) }
    }
}
