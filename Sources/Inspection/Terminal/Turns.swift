// Threads that write one after the other.

import Dispatch
import Synchronization

/// The order in which threads that share a descriptor write to it.
final class Turns: Sendable {
    private let current = Atomic<Int>(0)
    private let waiting = Mutex<[Int: DispatchSemaphore]>([:])

    /// Returns when `turn`, which belongs to one thread, has come.
    func wait(for turn: Int) {
        // All threads take about as long: most waits are shorter than going to sleep and being woken.
        for _ in 0..<4000 {
            if current.load(ordering: .acquiring) == turn { return }
        }
        let semaphore = waiting.withLock { waiting -> DispatchSemaphore? in
            guard current.load(ordering: .acquiring) != turn else { return nil }
            let semaphore = DispatchSemaphore(value: 0)
            waiting[turn] = semaphore
            return semaphore
        }
        semaphore?.wait()
    }

    /// Ends `turn` when it has come; the next begins.
    func end(_ turn: Int) {
        wait(for: turn)
        waiting.withLock { waiting in
            current.store(turn + 1, ordering: .releasing)
            waiting.removeValue(forKey: turn + 1)?.signal()
        }
    }
}
