// Runs QEMU until it ends, and hands its output on: as fast as it comes, and all of it.

import CProcess
import Glibc

/// How a run of QEMU ended.
enum GuestEnd: Equatable {
    /// It exited, with this status.
    case exited(Int32)
    /// By a signal that did not come from here.
    case signaled(Int32)
    /// By this program, when the time was over.
    case timedOut
    /// By this program, which was asked to end by this signal.
    case stopped(Int32)
    /// By this program, because its output is not read any more.
    case unread
    /// By this program, when the debugger ended.
    case finished
}

/// A run of QEMU, or of another program in its place. The child dies with the thread that runs it, however that ends.
///
/// No byte may be lost. QEMU writes the guest's bytes to its standard output, one at a time, and makes that non-blocking; when it is a full
/// pipe, the guest goes on, and bytes that it sends meanwhile are lost unless it asks its serial port whether there is room. So the pipe is
/// made blocking again: while its reader pauses, the guest stands still.
@safe struct GuestRun {
    /// Whether carriage returns before line feeds are dropped.
    var dropsCarriageReturns = false
    /// Seconds after which QEMU is ended.
    var timeout: Double?
    /// Whether QEMU gets neither the terminal's input nor its interrupts, which are another program's.
    var isApart = false
    /// Called once, when the first output has arrived: QEMU has opened its files.
    var didStart: () -> Void = {}

    /// A child, a debugger, with which QEMU ends; its signals are its own.
    var companion: pid_t?

    /// The guest's output.
    private(set) var log = GuestLog()
    /// The last few thousand bytes of QEMU's own messages.
    private(set) var complaint: [UInt8] = []

    /// Starts the program at `path` with `arguments`, and waits for its end. Throws `Failure` if it cannot be started, or the output cannot
    /// be written.
    mutating func run(_ path: String, _ arguments: [String]) throws(Failure) -> GuestEnd {
        let terminal = TerminalState()
        defer { terminal.restore() }
        let signals = process_watch_signals()
        defer { process_forget_signals() }
        var ends: [Int32] = [-1, -1]
        // The largest pipe that a user may have, so that a short pause of this program does not stop the guest. Two numbers are written.
        guard signals >= 0, unsafe process_pipe(&ends, 1 << 20) == 0 else {
            throw Failure("cannot start QEMU: no pipe", status: Failure.runner)
        }
        let output = ends[0]
        defer { close(output) }
        let nothing = isApart ? unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) : 0
        defer { if isApart { close(nothing) } }
        var errors: [Int32] = [-1, -1]
        guard unsafe process_pipe(&errors, 1 << 16) == 0 else {
            close(ends[1])
            throw Failure("cannot start QEMU: no pipe", status: Failure.runner)
        }
        defer { close(errors[0]) }
        _ = fcntl(errors[0], F_SETFL, O_NONBLOCK)
        let child = ChildProcess.start(
            path, arguments, input: nothing, output: ends[1], error: errors[1], isApart: isApart)
        close(errors[1])
        guard child > 0 else {
            close(ends[1])
            throw Failure("cannot start \(printable(path)): \(errorText(-child))", status: Failure.runner)
        }
        return try pass(from: output, errors[0], writer: ends[1], of: child, signals)
    }

    /// Passes on the bytes of `output` until `child` has ended. `writer` is the pipe's other end, whose flags are QEMU's as well.
    ///
    /// Nothing is read before everything is written, so a slow reader stops the guest rather than fill memory. Only `poll` waits,
    /// so that time and signals count all the while.
    private mutating func pass(
        from output: Int32, _ errors: Int32, writer: Int32, of child: pid_t, _ signals: Int32
    ) throws(Failure) -> GuestEnd {
        var errors = errors
        var deadline = timeout.map { ContinuousClock.now + .seconds($0) }
        // Why this program ends QEMU.
        var reason: GuestEnd?
        var status: Int32?
        var failure: Failure?
        var pending = PendingOutput()
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        defer { if status == nil { close(writer) } }
        _ = fcntl(output, F_SETFL, fcntl(output, F_GETFL) | O_NONBLOCK)

        func end(_ why: GuestEnd) {
            // SIGTERM asks the child to end; a second call kills it.
            kill(child, reason == nil ? SIGTERM : SIGKILL)
            if reason == nil { reason = why }
            deadline = .now + .seconds(1)
        }

        var isEnded = false
        while !isEnded {
            let isWriting = !pending.isEmpty
            var descriptors = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isWriting ? 1 : output, events: Int16(isWriting ? POLLOUT : POLLIN), revents: 0),
                pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
            ]
            // Once QEMU has ended, the pipe holds the rest of its output.
            let wait =
                status != nil && !isWriting
                ? 0 : deadline.map { Int32(max(0, min(1_000_000, $0.milliseconds))) + 1 } ?? -1
            // Three structures are there.
            _ = unsafe poll(&descriptors, 3, wait)
            if descriptors[2].revents != 0, !passComplaint(errors) { errors = -1 }
            if descriptors[1].revents != 0, isWriting {
                let number = pending.write()
                if number != 0 {
                    if number != EPIPE { failure = .writing("standard output", number) }
                    pending.isOpen = false
                    if status == nil { end(.unread) }
                }
            } else if !isWriting {
                let count = read(output, &buffer)
                if count > 0 {
                    if log.count == 0 {
                        didStart()
                        // QEMU set the flag before its guest ran, and does not set it again.
                        _ = fcntl(writer, F_SETFL, fcntl(writer, F_GETFL) & ~O_NONBLOCK)
                    }
                    log.take(buffer.span.extracting(first: count))
                    pending.take(buffer.span.extracting(first: count), dropsCarriageReturns)
                } else if status != nil {
                    // A carriage return that nothing follows is still to be written.
                    pending.end()
                    isEnded = pending.isEmpty
                }
            }
            var number: UInt8 = 0
            // There is room for one byte.
            while unsafe Glibc.read(signals, &number, 1) == 1 {
                // The terminal's interrupts are the debugger's.
                if Int32(number) == SIGCHLD || companion != nil && Int32(number) == SIGINT { continue }
                end(.stopped(Int32(number)))
            }
            if let time = deadline, time <= .now {
                // The rest of an ended guest's output is dropped.
                if status != nil, reason != nil { break }
                if status == nil { end(.timedOut) }
            }
            var word: Int32 = 0
            if let other = companion, reason == nil, unsafe waitpid(other, &word, WNOHANG) == other { end(.finished) }
            if status == nil, unsafe waitpid(child, &word, WNOHANG) == child {
                status = word
                close(writer)
                if reason == nil { deadline = nil }
            }
        }
        while errors >= 0, passComplaint(errors), !complaint.isEmpty {
            var more = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
            // One structure is there.
            guard unsafe poll(&more, 1, 0) == 1 else { break }
        }
        if let companion, reason != .finished {
            kill(companion, SIGTERM)
            var word: Int32 = 0
            _ = unsafe waitpid(companion, &word, 0)
        }
        log.end()
        if let failure { throw failure }
        if let reason { return reason }
        let word = status ?? 0
        return word & 0x7f == 0 ? .exited(word >> 8 & 0xff) : .signaled(word & 0x7f)
    }

    /// Passes QEMU's own messages on to standard error; false at their end.
    private mutating func passComplaint(_ errors: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(errors, &buffer)
        guard count > 0 else { return count < 0 && errno == EAGAIN }
        complaint = (complaint + buffer.prefix(count)).suffix(4096)
        // Only read, and not beyond the closure.
        _ = unsafe buffer.prefix(count).withUnsafeBytes { unsafe Inspection.write($0, to: 2) }
        return true
    }

    /// Whether QEMU printed more than warnings.
    var hasError: Bool {
        String(decoding: complaint, as: UTF8.self).split(whereSeparator: \.isNewline).contains {
            !$0.contains("warning:")
        }
    }

    /// Reads into `buffer`; as `read` does.
    private func read(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int {
        // There is room for as many bytes.
        unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
    }
}

extension ContinuousClock.Instant {
    /// Milliseconds from now to then.
    fileprivate var milliseconds: Int64 {
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: self).components
        return min(seconds, 1 << 30) * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
