// The table of docs/starters.md: `make test` compares a sample of it with the page, and `make matrix` runs all of it and
// writes the page.

import Foundation
import TestSupport
import Testing

/// Boots one cell, and compares the result with the page.
private func compare(_ cell: StarterCell) async throws {
    if let missing = cell.missing { try Test.cancel("\(skipped(cell.testDescription, missing))") }
    let (result, outcome) = try await cell.row.result(cell.application)
    let page = try #require(try StarterPage()[cell], "docs/starters.md has no such cell: make matrix")
    #expect(StarterPage.comparable(StarterPage.text(result)) == StarterPage.comparable(page), outcome.comment)
}

private let isMatrix = ProcessInfo.processInfo.environment["LOADER_MATRIX"] != nil

/// The slow rows of the sample, those with UEFI firmware: a suite of their own, which runs beside the other.
@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct StarterMatrixByUEFITests {
    @Test(.enabled(if: !isMatrix, "make matrix runs all of them"), arguments: StarterCell.sample.filter(\.row.isOnUEFI))
    func `a cell is as the page says`(_ cell: StarterCell) async throws { try await compare(cell) }
}

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct StarterMatrixTests {
    @Test(
        .enabled(if: !isMatrix, "make matrix runs all of them"),
        arguments: StarterCell.sample.filter { !$0.row.isOnUEFI })
    func `a cell is as the page says`(_ cell: StarterCell) async throws { try await compare(cell) }

    @Test func `every row and every application is in the sample`() {
        #expect(Set(StarterCell.sample.map(\.row.heading)).count == StarterRow.all.count)
        #expect(Set(StarterCell.sample.map(\.application.name)).count == StartedApplication.all.count)
    }

    @Test(.enabled(if: isMatrix, "only in make matrix")) func `ROWS matches some rows`() {
        #expect(!StarterCell.wanted.isEmpty, "no row has ROWS in it")
    }

    /// A cell that boots by the page must boot; all other changes are left to the reader of the page's diff.
    /// If something is missing, the page keeps its text, and the cell is reported as skipped.
    @Test(.enabled(if: isMatrix, "only in make matrix"), arguments: StarterCell.wanted)
    func `a cell is written to the page`(_ cell: StarterCell) async throws {
        if let missing = cell.missing {
            try Test.cancel("\(skipped(cell.testDescription, "the page keeps its word: " + missing))")
        }
        let (result, outcome) = try await cell.row.result(cell.application)
        if try StarterPage()[cell] == "boots" { #expect(result == .boots, outcome.comment) }
        try StarterPage.write(result, to: cell)
    }
}

/// Writing the page, without boots.
@Suite(.timeLimit(.minutes(minutesPerTest))) struct StarterPageTests {
    /// A copy of the page.
    private func copy(in folder: Folder) throws -> URL {
        try folder.write("starters.md", String(contentsOf: StarterPage.file, encoding: .utf8))
    }

    @Test func `edits in between are kept, and so are other cells`() throws {
        let folder = try Folder()
        let file = try copy(in: folder)
        let (first, second) = (StarterCell.all[0], StarterCell.all[10])
        try StarterPage.write(.fails(1, "one"), to: first, of: file)
        let edited = "Edited.\n" + (try String(contentsOf: file, encoding: .utf8)) + "Edited, too.\n"
        try Data(edited.utf8).write(to: file)
        try StarterPage.write(.refused(40, "two"), to: second, of: file)
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text.hasPrefix("Edited.\n") && text.hasSuffix("Edited, too.\n"))
        let (page, before) = (try StarterPage(file), try StarterPage())
        #expect(page[first] == "fails: status 1: one" && page[second] == "refused: status 40: two")
        for cell in StarterCell.all
        where ![first, second].contains(where: { $0.testDescription == cell.testDescription }) {
            #expect(page[cell] == before[cell], "\(cell)")
        }
    }

    /// Writing the same result again changes nothing.
    @Test func `the page has the form in which it is written`() throws {
        let folder = try Folder()
        let file = try copy(in: folder)
        let cell = try #require(StarterCell.all.first { (try? StarterPage()[$0]) == "boots" })
        try StarterPage.write(.boots, to: cell, of: file)
        #expect(try Data(contentsOf: file) == Data(contentsOf: StarterPage.file))
    }
}
