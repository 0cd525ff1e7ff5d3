// The numbers of relocations: which are equal.

import Architecture
@testable import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RelocationCountsTests {
    /// Counts that differ from those of no relocations in one number each.
    static let changed: [RelocationCounts] = {
        func counts(_ change: (inout RelocationCounts) -> Void) -> RelocationCounts {
            var counts = RelocationCounts()
            change(&counts)
            return counts
        }
        return (0...RelocationType.lastNumber).map { type in counts { $0.add(1, type) } } + [
            counts { $0.indirect = 1 }, counts { $0.resizedCopies = 1 }, counts { $0.searchSteps = 1 },
            counts { $0.initialiserReferences = 1 },
        ]
    }()

    @Test func `counts are equal if each number is`() {
        for (index, one) in Self.changed.enumerated() {
            #expect(one != RelocationCounts())
            for (other, another) in Self.changed.enumerated() {
                #expect((one == another) == (index == other), "\(index) \(other)")
            }
        }
    }
}
