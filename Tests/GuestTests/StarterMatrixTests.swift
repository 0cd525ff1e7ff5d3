// The table of docs/starters.md: a sample of it in `make test`, which must be as the page says, and all of it in `make matrix`, which
// writes the page.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct StarterMatrixTests {
    private static let isMatrix = ProcessInfo.processInfo.environment["LOADER_MATRIX"] != nil

    @Test(.enabled(if: !isMatrix, "make matrix runs all of them"), arguments: StarterCell.sample)
    func `a cell is as the page says`(_ cell: StarterCell) async throws {
        if let missing = cell.missing { try Test.cancel("the cell is skipped: \(missing)") }
        let (result, outcome) = try await cell.row.result(cell.application)
        let page = try #require(try StarterPage()[cell], "docs/starters.md has no such cell: make matrix")
        #expect(
            StarterPage.comparable(StarterPage.text(result)) == StarterPage.comparable(page), outcome.comment)
    }

    @Test func `every row and every application has its turn in the sample`() {
        #expect(Set(StarterCell.sample.map(\.row.heading)).count == StarterRow.all.count)
        #expect(Set(StarterCell.sample.map(\.application.name)).count == StartedApplication.all.count)
    }

    /// What boots, and is no longer said to, is a failure; all else is for whoever reads the difference.
    @Test(.enabled(if: isMatrix, "only in make matrix")) func `the page is written`() async throws {
        var page = try StarterPage()
        let rows = ProcessInfo.processInfo.environment["LOADER_MATRIX_ROWS"] ?? ""
        let cells = StarterCell.all.filter { rows.isEmpty || $0.row.heading.contains(rows) }
        try #require(!cells.isEmpty, "no row has \(rows) in it")
        for cell in cells {
            if let missing = cell.missing {
                print("skipped: \(cell.testDescription): \(missing)")
                continue
            }
            let (result, outcome) = try await cell.row.result(cell.application)
            if page[cell] == "boots" { #expect(result == .boots, outcome.comment) }
            page.set(cell, result)
            try page.write()
        }
    }
}
