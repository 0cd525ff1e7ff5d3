// As many bytes of tables as the file has, and one more.

import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ReadBudgetTests {
    @Test func `all tables together may be as large as the file`() throws {
        var read = ReadBudget(limit: 100)
        try read.add(60, .sectionHeader(1))
        try read.add(40, .sectionHeader(2))
        try read.add(0, .sectionHeader(3))
        let one = fault { try read.add(1, .sectionHeader(4)) }
        #expect(one == Fault(.bytesListedTwice, .sectionHeader(4), value: 101, limit: 100))
    }
}
