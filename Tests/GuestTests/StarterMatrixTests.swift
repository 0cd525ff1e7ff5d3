// The table of docs/starters.md: a sample of it in `make test`, which must be as the page says, and all of it in `make matrix`, which
// writes the page.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct StarterMatrixTests {
    private static let isMatrix = ProcessInfo.processInfo.environment["LOADER_MATRIX"] != nil

    @Test(.enabled(if: !isMatrix, "make matrix runs all of them"), arguments: StarterCell.sample)
    func `a cell is as the page says`(_ cell: StarterCell) async throws {
        if let missing = cell.missing { try Test.cancel("\(skipped(cell.testDescription, missing))") }
        let (result, outcome) = try await cell.row.result(cell.application)
        let page = try #require(try StarterPage()[cell], "docs/starters.md has no such cell: make matrix")
        #expect(
            StarterPage.comparable(StarterPage.text(result)) == StarterPage.comparable(page), outcome.comment)
    }

    @Test func `every row and every application has its turn in the sample`() {
        #expect(Set(StarterCell.sample.map(\.row.heading)).count == StarterRow.all.count)
        #expect(Set(StarterCell.sample.map(\.application.name)).count == StartedApplication.all.count)
    }

    @Test(.enabled(if: isMatrix, "only in make matrix")) func `there are rows of the words that are asked for`() {
        #expect(!StarterCell.wanted.isEmpty, "no row has ROWS in it")
    }

    /// What boots, and is no longer said to, is a failure; all else is for whoever reads the difference. Where something is missing the
    /// page keeps its word, and the cell is reported as skipped.
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
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("page-\(UUID())")

    /// A copy of the page.
    private func copy() throws -> URL {
        let file = folder.appendingPathComponent("starters.md")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(contentsOf: StarterPage.file).write(to: file)
        return file
    }

    @Test func `what is edited in between stays, and so do other cells`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try copy()
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

    /// Whoever writes what the page has changes nothing.
    @Test func `the page is as it would be written`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = try copy()
        let cell = try #require(StarterCell.all.first { (try? StarterPage()[$0]) == "boots" })
        try StarterPage.write(.boots, to: cell, of: file)
        #expect(try Data(contentsOf: file) == Data(contentsOf: StarterPage.file))
    }
}
