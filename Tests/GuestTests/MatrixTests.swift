// Every generation of the entry contract on every machine: the fixture kernels check everything that they are given.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct MatrixTests {
    @Test func partMeetsEveryPairOfValues() {
        #expect(Matrix.part.count < 60)
        for first in Matrix.dimensions.indices {
            for second in Matrix.dimensions.indices where second > first {
                let met = Set(Matrix.part.map { [$0.indices[first], $0.indices[second]] })
                #expect(met.count == Matrix.dimensions[first].count * Matrix.dimensions[second].count)
            }
        }
    }

    @Test(arguments: Matrix.part)
    func passes(_ cell: Cell) async throws {
        let outcome = try await boot(cell)
        expectPass(outcome, cell)
    }

    /// `make matrix`: all cells, and the table of docs/generations.md in build/matrix.md.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["LOADER_MATRIX"] != nil, "only in make matrix"))
    func whole() async throws {
        var table = MatrixTable()
        let file = Project.root.appendingPathComponent("build/matrix.md")
        // In an order of which any beginning is a fair sample: 1009 shares no factor with the number of cells.
        for index in Matrix.all.indices {
            let cell = Matrix.all[index * 1009 % Matrix.all.count]
            let outcome = try await boot(cell)
            table.add(cell, passed: expectPass(outcome, cell))
            if index % 100 == 99 { try Data(table.markdown.utf8).write(to: file) }
        }
        try Data(table.markdown.utf8).write(to: file)
        print(table.markdown)
    }

    /// Kernel 0.11 respects no reservations and supports no 1 GiB pages, even if the CPU has them (`max`).
    @Test(
        arguments: isSoak
            ? Matrix.dimensions[6].flatMap { [($0, "qemu64"), ($0, "max")] }
            : [("pie", "max"), ("4M", "qemu64"), ("8M", "max"), ("16M", "qemu64")])
    func kernel11(place: String, cpu: String) async throws {
        let outcome = try await Guest(
            initrd: Project.fixture("gen4-v0.11-\(place)"), memory: "8G", processors: "4", cpu: cpu, append: Self.append
        ).boot()
        #expect(outcome.status == 3, outcome.comment)
    }

    /// RAM that the host need not have: page tables for all of it, in less than a second.
    @Test(
        arguments: isSoak
            ? Matrix.dimensions[0].flatMap { [($0, "64G"), ($0, "512G")] }
            : Matrix.dimensions[0].enumerated().map { ($1, ["64G", "512G"][$0 % 2]) })
    func muchMemory(kernel: String, memory: String) async throws {
        let outcome = try await Guest(
            initrd: Project.fixture("\(kernel)-pie"), memory: memory, isMemoryReserved: false, cpu: "max",
            append: Self.append
        ).boot()
        #expect(outcome.status == 3, outcome.comment)
    }

    @Test(arguments: Matrix.dimensions[0], Start.allCases)
    func longCommandLine(kernel: String, start: Start) async throws {
        // QEMU's PVH firmware overwrites its own start info from about 4 KiB on.
        let line = "-- " + String(repeating: "0123456789abc de", count: start == .multiboot ? 3000 : 150)
        let outcome = try await Guest(
            initrd: Project.fixture("\(kernel)-4M"), loader: try start.loader(), memory: "64M", append: line
        ).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("\(line)\n"), outcome.comment)
    }

    @Test func alignmentOfThreadLocalStorage() async throws {
        let warning = "[LOADER] warning: kernels before 0.3.54 ignore the alignment of thread-local storage, 64\n"
        let zero = try await Guest(initrd: Project.fixture("gen0-pie")).boot()
        #expect(zero.serial.contains(warning), zero.comment)
        let one = try await Guest(initrd: Project.fixture("gen1-pie")).boot()
        #expect(!one.serial.contains("warning"), one.comment)
    }

    @Test(arguments: ["gen2-align16", "gen3-align16"], ["pie", "8M"])
    func wideIntegers(kernel: String, place: String) async throws {
        let guest = Guest(
            initrd: Project.fixture("\(kernel)-\(place)"), moduleArguments: "loader.align16 word", append: Self.append)
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("\(kernel)-\(place) loader.align16 word\n"), outcome.comment)
        #expect(outcome.serial.contains("command line: \(Project.loader.path) \(Self.append)\n"), outcome.comment)

        // By PVH the option is removed from the command line.
        let other = Guest(
            initrd: Project.fixture("\(kernel)-\(place)"), loader: try Start.pvh.loader(),
            append: "loader.align16 \(Self.append)")
        let otherOutcome = try await other.boot()
        #expect(otherOutcome.status == 3, otherOutcome.comment)
        #expect(otherOutcome.serial.contains("command line: \(Self.append)\n"), otherOutcome.comment)
    }

    @Test func optionIsNeeded() async throws {
        let outcome = try await Guest(initrd: Project.fixture("gen2-align16-pie"), append: Self.append).boot()
        #expect(outcome.status == 1, outcome.comment)
    }

    /// An image without its note and with another OSABI boots if the user's option gives its generation.
    @Test func forcedGeneration() async throws {
        var file = try Data(contentsOf: Project.fixture("gen0-pie"))
        file[7] = 0
        let image = try TemporaryFile(file)
        let refused = try await Guest(initrd: image.url).boot()
        #expect(refused.status == 39, refused.comment)
        #expect(refused.errors.count == 1, refused.comment)

        let forced = try await Guest(
            initrd: image.url, moduleArguments: "loader.generation=0", append: Self.append
        ).boot()
        // The kernel checks its own EI_OSABI; everything else is as it should be.
        #expect(forced.serial.contains("as loader.generation says"), forced.comment)
        #expect(forced.serial.contains("1 of "), forced.comment)
        #expect(forced.serial.contains("FAILED: EI_CLASS, EI_DATA, EI_VERSION, EI_OSABI"), forced.comment)
    }

    @Test(arguments: ["loader.generation=5", "loader.", "loader.generation=4", "loader.align16=1"])
    func unknownOption(_ option: String) async throws {
        let outcome = try await Guest(initrd: Project.fixture("gen2-pie"), moduleArguments: option).boot()
        #expect(outcome.status == 49, outcome.comment)
        #expect(outcome.errors.first?.hasPrefix("unknown loader option, from here: '\(option)'") == true)
    }

    @Test func misplacedOption() async throws {
        let outcome = try await Guest(
            initrd: Project.fixture("gen4-identity-pie"), moduleArguments: "loader.align16"
        ).boot()
        #expect(outcome.status == 49, outcome.comment)
    }

    // MARK: Notes

    @Test func entryVersion9() async throws {
        try await refuses(version: 9, saying: "Hermit entry version 9 is not known (1 to 4 are)")
    }

    @Test func otherOperatingSystem() async throws {
        // The first word of the ABI tag's description.
        let file = try patched("gen4-identity-pie", after: Data([4, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0]), skip: 4, 0)
        try await refuses(file, status: 39, saying: "the ABI tag names operating system 0, not 6 (Hermit)")
    }

    @Test func truncatedNote() async throws {
        // n_descsz of the entry version note.
        let file = try patched("gen2-pie", after: Data([7, 0, 0, 0]), skip: 0, 0xf0, from: Self.note)
        try await refuses(file, status: 35, saying: "a note ends at ")
    }

    @Test func entryVersionOfTwoBytes() async throws {
        let file = try patched("gen2-pie", after: Data([7, 0, 0, 0]), skip: 0, 2, from: Self.note)
        try await refuses(file, status: 39, saying: "the Hermit entry version note holds 2 bytes, not 1")
    }

    // MARK: Boots

    private static let append = "env=A=b -freq 1000 -- one two"
    /// The entry version note, up to its version.
    private static let note = Data([7, 0, 0, 0, 1, 0, 0, 0, 0, 0x5a, 0, 0]) + Data("HERMIT\0\0".utf8)

    private func boot(_ cell: Cell) async throws -> Outcome {
        try await Guest(
            initrd: Project.fixture("\(cell.kernel)-\(cell.place)"), loader: try cell.start.loader(),
            machine: cell.machine, memory: cell.memory, processors: cell.processors, cpu: cell.cpu,
            append: Self.append, devices: []
        ).boot()
    }

    @discardableResult
    private func expectPass(_ outcome: Outcome, _ cell: Cell) -> Bool {
        let path = cell.start == .multiboot ? "\(Project.loader.path) " : ""
        let facts = [
            "started by \(cell.start)", "command line: \(path)\(Self.append)\n", "processors: \(cell.processors)\n",
            "checks passed\n",
        ]
        let passed = outcome.status == 3 && facts.allSatisfy { outcome.serial.contains($0) }
        #expect(passed, outcome.comment)
        return passed
    }

    private func patched(
        _ fixture: String, after bytes: Data, skip: Int, _ value: UInt8, from start: Data = Data()
    ) throws -> Data {
        var file = try Data(contentsOf: Project.fixture(fixture))
        let origin = start.isEmpty ? 0 : try #require(file.range(of: start)).lowerBound
        let range = try #require(file.range(of: bytes, in: origin..<file.count))
        file[range.upperBound + skip] = value
        return file
    }

    private func refuses(version: UInt8, saying sentence: String) async throws {
        var file = try Data(contentsOf: Project.fixture("gen2-pie"))
        file[try #require(file.range(of: Self.note)).upperBound] = version
        try await refuses(file, status: 39, saying: sentence)
    }

    /// `status` says whether the application's file is at fault (35), or asks for a kernel that is not known (39).
    private func refuses(_ file: Data, status: Int32, saying sentence: String) async throws {
        let image = try TemporaryFile(file)
        let outcome = try await Guest(initrd: image.url).boot()
        #expect(outcome.status == status, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
        #expect(outcome.errors.first?.contains(sentence) == true, outcome.comment)
    }
}
