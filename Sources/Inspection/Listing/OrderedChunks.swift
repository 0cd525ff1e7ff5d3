// Long tables written by several threads at once, in order.

import Dispatch
import FoundationEssentials
import Synchronization

extension Listing {
    /// The number of rows that a thread writes in one piece.
    private static var chunk: Int { 2048 }

    /// Writes `count` rows: `body` gets a range of them, and the listing to put their cells into. If there are many, several threads share
    /// them, each with its own buffer, which it hands over in its turn; a row must depend only on its index.
    mutating func rows(_ count: Int, _ body: @Sendable (Range<Int>, inout Listing) -> Void) {
        let chunks = (count + Listing.chunk - 1) / Listing.chunk
        let threads = chunks > 8 ? min(ProcessInfo.processInfo.activeProcessorCount, 4) : 1
        guard threads > 1 else {
            body(0..<count, &self)
            return
        }
        flush()
        let turns = Turns()
        let next = Atomic<Int>(0)
        let prototype = state
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            var own = Listing(prototype)
            while true {
                let chunk = next.add(1, ordering: .relaxed).oldValue
                guard chunk < chunks else { break }
                let start = chunk * Listing.chunk
                own.begin(row: start + prototype.rows, in: turns, turn: chunk)
                body(start..<min(start + Listing.chunk, count), &own)
                own.flush()
                turns.end(chunk)
            }
        }
        self.skip(rows: count)
    }
}
