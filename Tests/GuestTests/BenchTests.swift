// loader-bench counts loaders of other projects: each instruction of these is counted by hand as well.

import Foundation
import Subprocess
import TestSupport
import Testing

@testable import loader_bench

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct BenchTests {
    static let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("loader-bench")

    /// Its output for `application` under `loader`, with 64 MiB.
    static func bench(
        _ loader: URL, _ application: URL, _ options: [String] = []
    ) async throws -> (figures: BootFigures?, errors: String, status: TerminationStatus) {
        let result = try await Subprocess.run(
            .path(.init(program.path)),
            arguments: Arguments(
                ["--parts", "boot", "--json", "--memory", "64M", "--prefix", "[PEER]", "--loader", loader.path]
                    + [application.path] + options),
            output: .bytes(limit: 1 << 20), error: .string(limit: 1 << 20))
        let figures = try? JSONDecoder().decode(Results.self, from: Data(result.standardOutput)).boot?.first
        return (figures, result.standardError, result.terminationStatus)
    }

    /// The peer's line and its code, in bytes.
    static let line = "[PEER] about to jump\r\n".utf8.count
    /// The instructions before the jump: the start, three for each byte of the line, and the copy of the module.
    static let instructions = 4 + 3 * line + 8

    static func size(_ fixture: String) throws -> Int { try Data(contentsOf: Project.fixture(fixture)).count }

    @Test func `a 32-bit peer, instruction for instruction`() async throws {
        let run = try await Self.bench(Project.fixture("peer"), Project.fixture("peer-application"))
        let figures = try #require(run.figures, "\(run.errors)")
        #expect(figures.instructions == Self.instructions)
        #expect(figures.iterations == Self.instructions + (try Self.size("peer-application")) - 1)
        #expect(figures.serialBytes == Self.line)
        #expect(figures.functions == ["_start": 4, "say": 3 * Self.line, "copy": 8])
        #expect(figures.ending == "QEMU ended with status 3")
        #expect(figures.remark == nil)
    }

    @Test func `the count ends some seconds after an application that never ends is entered`() async throws {
        let run = try await Self.bench(Project.fixture("peer"), Project.fixture("peer-application-staying"))
        let figures = try #require(run.figures, "\(run.errors)")
        #expect(figures.instructions == Self.instructions)
        #expect(figures.remark?.hasPrefix("stopped 15 s after the loader's last instruction, at 0x") == true)
        #expect(figures.remark?.hasSuffix("(copy)") == true)
    }

    @Test func `a peer that moves itself is counted in both places`() async throws {
        let (peer, application) = (Project.fixture("peer-moving"), Project.fixture("peer-application"))
        let below = try #require(try await Self.bench(peer, application).figures)
        #expect(below.instructions == 4 + 3 * Self.line + 6)
        // It has no symbols.
        #expect(below.functions == [:])
        let both = try await Self.bench(peer, application, ["--range", "0x100000..0x10ffff,0x180000..0x180fff"])
        #expect(both.figures?.instructions == Self.instructions + 6)
    }

    @Test func `the count ends at the address given by --until`() async throws {
        let (peer, application) = (Project.fixture("peer-over"), Project.fixture("peer-application"))
        let without = try #require(try await Self.bench(peer, application).figures)
        #expect(without.instructions > Self.instructions)
        let figures = try #require(try await Self.bench(peer, application, ["--until", "0x110000"]).figures)
        #expect(figures.instructions == Self.instructions)
        #expect(figures.ending == "0x110000 was reached")
        #expect(figures.remark == nil)
    }

    @Test func `a peer that never jumps is given up`() async throws {
        let run = try await Self.bench(
            Project.fixture("peer-hanging"), Project.fixture("peer-application"), ["--most", "2000"])
        #expect(run.figures == nil && run.status == .exited(1))
        #expect(run.errors.contains("with peer-application still executes in 0x100000..0x"), "\(run.errors)")
        #expect(run.errors.contains("(hang); the last line it printed: [PEER] about to jump"), "\(run.errors)")
    }

    @Test func `a start that is no boot is reported`() async throws {
        // This project's loader refuses it.
        let refused = try await Self.bench(
            Project.loader, Project.fixture("peer-application"), ["--prefix", "[LOADER]"])
        let remark = try #require(refused.figures?.remark, "\(refused.errors)")
        #expect(
            remark.hasPrefix(
                "QEMU ended with status 35; the application printed nothing, the loader in the end: [LOADER] error: "),
            "\(remark)")
        // QEMU refuses it.
        let odd = try await Self.bench(
            Project.fixture("peer"), Project.fixture("peer-application"), ["--qemu", "-cpu", "none"])
        #expect(odd.status == .exited(1) && odd.errors.contains("QEMU does not boot peer-application"), "\(odd.errors)")
        let file = try await Self.bench(Project.fixture("peer-application"), Project.fixture("peer-application"))
        #expect(file.errors.contains("is not an ELF file: give the addresses where it executes with"), "\(file.errors)")
    }

    /// QEMU logs an instruction before it knows whether the CPU will execute it.
    @Test func `an instruction that was put off counts once`() {
        func trace(_ address: String) -> String { "Trace 0: 0x7f00 [0000000000000000/\(address)/0040c2b0/ff000201] \n" }
        let stopped = "Stopped execution of TB chain before 0x7f00 [1000]\n"
        var log = trace("1000") + stopped + trace("1000") + trace("1002")
        // A repeated string instruction, interrupted once.
        log += trace("1004") + trace("1004") + trace("1004") + stopped + trace("2000") + stopped + trace("2002")
        log += trace("1004") + trace("1006") + trace("1000")
        var guest = GuestTrace(until: 0x1006)
        // In both orders.
        for byte in log.utf8 { guest.take([byte]) }
        #expect(guest.addresses == [0x1000, 0x1002, 0x1004, 0x2002, 0x1004])
        #expect(guest.iterations == 6)
        #expect(guest.isOver)
    }
}
