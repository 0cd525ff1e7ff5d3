// The cost of searches, and their results.

@testable import Linking
import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SymbolSearchTests {
    /// Calls and thread-local variables search for a definition, copies for an original, all others for the address that pointers share.
    @Test func whatARelocationSearchesFor() {
        for type in 0...52 as ClosedRange<UInt32> {
            let expected: SearchPurpose =
                type == 5 ? .original : [7, 16, 17, 18, 21, 23, 36].contains(type) ? .definition : .address
            #expect(SearchPurpose(type) == expected, "\(type)")
        }
    }

    /// A search may take 64 steps for each byte of the files, in any order.
    @Test func stepsAreLimited() {
        for size in [0, 1, 10, 1 << 40] as [UInt64] {
            for part in [1, size * 32, size * 64] where part > 0 && (size * 64) / part < 1_000 {
                var search = SymbolSearch(size: size)
                for _ in 0..<size * 64 / part { #expect(fault { try search.add(part) } == nil) }
                #expect(fault { try search.add(0) } == nil)
                #expect(fault { try search.add(1) } == Fault(.symbolSearchTooLong, value: size * 64))
            }
        }
    }
}
