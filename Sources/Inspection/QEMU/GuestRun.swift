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
        var passage = Passage(
            output: output, errors: errors[0], writer: ends[1], child: child, signals: signals,
            deadline: timeout.map { ContinuousClock.now + .seconds($0) })
        return try pass(&passage)
    }

    /// Passes on the bytes of QEMU's output until it has ended.
    ///
    /// Nothing is read before everything is written, so a slow reader stops the guest rather than fill memory. Only `poll` waits,
    /// so that time and signals count all the while.
    private mutating func pass(_ passage: inout Passage) throws(Failure) -> GuestEnd {
        defer { if passage.status == nil { close(passage.writer) } }
        _ = fcntl(passage.output, F_SETFL, fcntl(passage.output, F_GETFL) | O_NONBLOCK)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var isPassed = false
        while !isPassed {
            let isWriting = !passage.pending.isEmpty
            let ready = passage.wait()
            if ready.errors, !passComplaint(passage.errors) { passage.errors = -1 }
            if !isWriting {
                isPassed = readOutput(&passage, by: &buffer)
            } else if ready.output {
                passage.write()
            }
            takeSignals(&passage)
            guard !passage.endIfTimeIsOver() else { break }
            takeEnds(&passage)
        }
        passLastComplaint(passage)
        if let companion, passage.reason != .finished {
            kill(companion, SIGTERM)
            var word: Int32 = 0
            _ = unsafe waitpid(companion, &word, 0)
        }
        log.end()
        if let failure = passage.failure { throw failure }
        return passage.end
    }

    /// Takes what has come of QEMU's output, as much as `buffer` holds; true if QEMU has ended, and all of it is written.
    private mutating func readOutput(_ passage: inout Passage, by buffer: inout [UInt8]) -> Bool {
        let count = read(passage.output, &buffer)
        guard count > 0 else {
            guard passage.status != nil else { return false }
            // A carriage return that nothing follows is still to be written.
            passage.pending.end()
            return passage.pending.isEmpty
        }
        if log.count == 0 {
            didStart()
            // QEMU set the flag before its guest ran, and does not set it again.
            _ = fcntl(passage.writer, F_SETFL, fcntl(passage.writer, F_GETFL) & ~O_NONBLOCK)
        }
        log.take(buffer.span.extracting(first: count))
        passage.pending.take(buffer.span.extracting(first: count), dropsCarriageReturns)
        return false
    }

    /// Ends QEMU if a signal has asked this program to end.
    private func takeSignals(_ passage: inout Passage) {
        var number: UInt8 = 0
        // There is room for one byte.
        while unsafe Glibc.read(passage.signals, &number, 1) == 1 {
            // The terminal's interrupts are the debugger's.
            if Int32(number) == SIGCHLD || companion != nil && Int32(number) == SIGINT { continue }
            passage.end(.stopped(Int32(number)))
        }
    }

    /// Notices that the debugger has ended, or QEMU.
    private func takeEnds(_ passage: inout Passage) {
        var word: Int32 = 0
        if let companion, passage.reason == nil, unsafe waitpid(companion, &word, WNOHANG) == companion {
            passage.end(.finished)
        }
        if passage.status == nil, unsafe waitpid(passage.child, &word, WNOHANG) == passage.child {
            passage.status = word
            close(passage.writer)
            if passage.reason == nil { passage.deadline = nil }
        }
    }

    /// Passes on what is left of QEMU's own messages.
    private mutating func passLastComplaint(_ passage: borrowing Passage) {
        while passage.errors >= 0, passComplaint(passage.errors), !complaint.isEmpty {
            var more = pollfd(fd: passage.errors, events: Int16(POLLIN), revents: 0)
            // One structure is there.
            guard unsafe poll(&more, 1, 0) == 1 else { break }
        }
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

/// QEMU's output on its way to this program's, and the reasons why that ends.
private struct Passage {
    /// The pipes from which QEMU's output and its own messages are read; -1 after the end of the messages.
    let output: Int32
    var errors: Int32
    /// The output pipe's other end, whose flags are QEMU's as well.
    let writer: Int32
    let child: pid_t
    let signals: Int32
    /// When QEMU is ended, or killed.
    var deadline: ContinuousClock.Instant?
    /// Why this program ends QEMU.
    private(set) var reason: GuestEnd?
    /// The word of `waitpid` after QEMU has ended.
    var status: Int32?
    /// The failure to write.
    private(set) var failure: Failure?
    var pending = PendingOutput()

    init(
        output: Int32, errors: Int32, writer: Int32, child: pid_t, signals: Int32,
        deadline: ContinuousClock.Instant?
    ) {
        (self.output, self.errors, self.writer) = (output, errors, writer)
        (self.child, self.signals, self.deadline) = (child, signals, deadline)
    }

    /// How QEMU ended, after it has.
    var end: GuestEnd {
        if let reason { return reason }
        let word = status ?? 0
        return word & 0x7f == 0 ? .exited(word >> 8 & 0xff) : .signaled(word & 0x7f)
    }

    /// Ends QEMU: SIGTERM asks it to end; a second call kills it.
    mutating func end(_ why: GuestEnd) {
        kill(child, reason == nil ? SIGTERM : SIGKILL)
        if reason == nil { reason = why }
        deadline = .now + .seconds(1)
    }

    /// Waits for output to read, or for room to write it if some is pending; for QEMU's messages, signals and the deadline. Returns
    /// what is ready.
    func wait() -> (output: Bool, errors: Bool) {
        let isWriting = !pending.isEmpty
        var descriptors = [
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isWriting ? 1 : output, events: Int16(isWriting ? POLLOUT : POLLIN), revents: 0),
            pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
        ]
        // Once QEMU has ended, the pipe holds the rest of its output.
        let time =
            status != nil && !isWriting
            ? 0 : deadline.map { Int32(max(0, min(1_000_000, $0.milliseconds))) + 1 } ?? -1
        // Three structures are there.
        _ = unsafe poll(&descriptors, 3, time)
        return (descriptors[1].revents != 0, descriptors[2].revents != 0)
    }

    /// Writes pending output; ends QEMU if nobody reads it.
    mutating func write() {
        let number = pending.write()
        guard number != 0 else { return }
        if number != EPIPE { failure = .writing("standard output", number) }
        pending.isOpen = false
        if status == nil { end(.unread) }
    }

    /// Ends QEMU if its time is over; true if it has ended already, so that the rest of its output is dropped.
    mutating func endIfTimeIsOver() -> Bool {
        guard let deadline, deadline <= .now else { return false }
        if status != nil, reason != nil { return true }
        if status == nil { end(.timedOut) }
        return false
    }
}

extension ContinuousClock.Instant {
    /// Milliseconds from now to then.
    fileprivate var milliseconds: Int64 {
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: self).components
        return min(seconds, 1 << 30) * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
