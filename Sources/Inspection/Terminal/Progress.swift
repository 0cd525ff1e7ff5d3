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
    private let isOutputTerminal: Bool
    private let isOn: Bool
    private let writeError: @Sendable (String) -> Void

    /// One that shows something or not, beside output to the same terminal or not; `writeError` writes to standard error.
    init(isOn: Bool, isOutputTerminal: Bool, _ writeError: @escaping @Sendable (String) -> Void) {
        self.isOn = isOn
        self.isOutputTerminal = isOutputTerminal
        self.writeError = writeError
    }

    private convenience init() {
        var status = stat()
        // The call fills the structure that it is given.
        let isPipe = unsafe fstat(1, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        self.init(
            isOn: isatty(2) == 1 && !isPipe && ProcessInfo.processInfo.environment["TERM"] != "dumb",
            isOutputTerminal: isatty(1) == 1
        ) { text in
            var text = text
            // Only read, and not beyond the closure. There may be no standard error.
            text.withUTF8 { _ = unsafe Inspection.write(UnsafeRawBufferPointer($0), to: 2) }
        }
        guard isOn else { return }
        // A thread of its own: what takes so long keeps the others busy.
        DispatchQueue(label: "progress").async { [self] in
            while true {
                usleep(100_000)
                tick(start.duration(to: .now))
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
        interrupt { writeError(line + "\n") }
        show(nil)
    }

    /// Shows the line where it is due, so long after the start.
    func tick(_ time: Duration) {
        state.withLock { state in
            guard let work = state.work, !state.isSilent, time >= .seconds(1) else { return }
            // Cut off rather than wrapped, since a line that is wrapped cannot be cleared.
            let text = String("\(work) ... \(time.components.seconds) s".prefix(79))
            writeError("\r\(text)\u{1b}[K")
            state.isShown = true
        }
    }

    private func clear(_ state: inout State) {
        guard state.isShown else { return }
        writeError("\r\u{1b}[K")
        state.isShown = false
    }
}
