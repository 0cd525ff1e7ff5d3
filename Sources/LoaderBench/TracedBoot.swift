// Runs a guest until its loader is done, for a bounded time, and records each instruction of the loader.

import Foundation
import Subprocess
import Synchronization

/// The end of a boot that is counted.
enum GuestEnding {
    /// QEMU ended, with this status, or by this signal.
    case exited(Int), signalled(Int)
    /// The instruction that ends the count was reached.
    case reached
    /// For some seconds none of the loader's instructions was executed: it has jumped to the application.
    case quiet
    /// It executed more instructions than permitted.
    case endless
    /// The time was over while it still executed instructions.
    case late
}

/// One boot under QEMU.
struct TracedBoot {
    /// The number of seconds without an instruction of the loader after which it counts as done, and in all after which it counts as
    /// hung.
    static let patience = 15.0
    static let limit = 90.0

    /// The instructions that the loader executed.
    private(set) var trace: GuestTrace
    private(set) var ending = GuestEnding.late

    /// Runs `command`, a QEMU that logs to standard error, until it ends, `trace` is over or has more than `most` instructions,
    /// every iteration counted, or time is up.
    init(_ command: [String], _ trace: GuestTrace, most: Int) async throws {
        self.trace = trace
        let clock = ActivityClock()
        let result = try await Subprocess.run(
            .name(command[0]), arguments: Arguments(Array(command.dropFirst())), input: .none, output: .discarded,
            error: .sequence
        ) { [trace] execution in
            var trace = trace
            var ending: GuestEnding?
            let watch = Task {
                while clock.ending == nil {
                    try await Task.sleep(for: .milliseconds(100))
                    clock.look()
                }
                // It must end, whatever it is doing.
                try execution.send(signal: .kill)
            }
            defer { watch.cancel() }
            for try await piece in execution.standardError {
                trace.take(unsafe piece.withUnsafeBytes { unsafe [UInt8]($0) })
                if !trace.addresses.isEmpty { clock.touch() }
                guard trace.isOver || trace.iterations > most else { continue }
                ending = trace.isOver ? .reached : .endless
                try execution.send(signal: .kill)
                break
            }
            return (trace, ending ?? clock.ending)
        }
        self.trace = result.closureResult.0
        if let own = result.closureResult.1 {
            ending = own
        } else {
            switch result.terminationStatus {
            case .exited(let status): ending = .exited(Int(status))
            case .signaled(let number): ending = .signalled(Int(number))
            }
        }
    }
}

/// The time of the last activity.
private final class ActivityClock: Sendable {
    private struct State {
        let start = ContinuousClock.now
        var last: ContinuousClock.Instant?
        var ending: GuestEnding?
    }

    private let state = Mutex(State())

    /// The end, if the time is over.
    var ending: GuestEnding? { state.withLock { $0.ending } }

    /// Records activity now.
    func touch() { state.withLock { $0.last = ContinuousClock.now } }

    /// Checks whether the time is over.
    func look() {
        state.withLock { state in
            let now = ContinuousClock.now
            if let last = state.last, now - last > .seconds(TracedBoot.patience) {
                state.ending = .quiet
            } else if now - state.start > .seconds(TracedBoot.limit) {
                state.ending = .late
            }
        }
    }
}
