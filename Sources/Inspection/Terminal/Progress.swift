// A progress line on standard error, for people at a terminal.

import FoundationEssentials
import Dispatch
import Glibc
import Synchronization

/// Shows the current work after that has taken a second: on standard error, only if it is a terminal, and not if standard output is a
/// pipe, whose reader may share the terminal. The line is removed before anything else is written.
final class Progress: Sendable {
    /// The program's only one.
    static let shared = Progress()

    private struct State {
        /// The current work; nil for none.
        var work: String?
        /// Whether the line is on the terminal.
        var isShown = false
        /// Whether this work has written output to the same terminal, which is a sufficient sign of life.
        var isSilent = false
    }

    private let state = Mutex(State())
    private let start = ContinuousClock.now
    private let isOutputTerminal: Bool
    private let isOn: Bool
    private let writeError: @Sendable (String) -> Void

    /// A progress line that is on or off, with standard output on the same terminal or not; `writeError` writes to standard error.
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
            // The bytes are only read, and do not leave the closure. There may be no standard error.
            text.withUTF8 { _ = unsafe Inspection.write(UnsafeRawBufferPointer($0), to: 2) }
        }
        guard isOn else { return }
        // It has its own thread, because the work keeps the others busy.
        DispatchQueue(label: "progress").async { [self] in
            while true {
                usleep(100_000)
                tick(start.duration(to: .now))
            }
        }
    }

    /// Sets the current work, usually a file's name; nil for none.
    func show(_ work: String?, _ detail: String = "") {
        guard isOn else { return }
        state.withLock { state in
            clear(&state)
            state.work = work.map { ($0 == "-" ? "standard input" : printable($0)) + detail }
            state.isSilent = false
        }
    }

    /// Calls `body`, which writes something, while the line is removed.
    func interrupt(_ body: () -> Void) {
        guard isOn else { return body() }
        state.withLock { state in
            clear(&state)
            state.isSilent = isOutputTerminal
            body()
        }
    }

    /// Writes a permanent line to standard error, and ends the current work.
    func tell(_ line: String) {
        interrupt { writeError(line + "\n") }
        show(nil)
    }

    /// Shows the line if it is due, at `time` after the start.
    func tick(_ time: Duration) {
        state.withLock { state in
            guard let work = state.work, !state.isSilent, time >= .seconds(1) else { return }
            // Cut off, because a wrapped line cannot be cleared.
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
