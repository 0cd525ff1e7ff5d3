// Images at random places and at the user's, with kernels as witnesses.

import Foundation
import Subprocess
import TestSupport
import Testing

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct RandomPlacementTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("gen0-pie"))
    /// The number of boots of each image.
    static let boots = isSoak ? 60 : 3

    /// The address that the loader reports for the image, the number of places, and the source of the choice.
    private func chosen(_ outcome: Outcome) throws -> (base: UInt64, places: Int, source: String) {
        let pattern = /\[LOADER\] loader\.kaslr: image at 0x([0-9a-f]+), one of ([0-9]+) places?, by (.+)/
        let match = try #require(outcome.serial.firstMatch(of: pattern), outcome.comment)
        return (try #require(UInt64(match.1, radix: 16)), try #require(Int(match.2)), String(match.3))
    }

    @Test(
        .enabled(if: Project.exists(Project.genuine("hello_world")), "the genuine image hello_world is not there"),
        arguments: isSoak ? ["24M", "32M", "64M", "1G", "8G"] : ["24M", "64M", "8G"])
    func `the genuine kernel runs at any of the places`(_ memory: String) async throws {
        var bases: Set<UInt64> = []
        // With so little memory there is only one place.
        for _ in 0..<(memory == "24M" ? 1 : Self.boots) {
            var guest = Guest(initrd: Project.genuine("hello_world"), moduleArguments: "loader.kaslr", memory: memory)
            guest.isMemoryReserved = false
            let outcome = try await guest.boot()
            #expect(outcome.status == 3, outcome.comment)
            #expect(outcome.serial.contains("Hello, world!"), outcome.comment)
            let choice = try chosen(outcome)
            #expect(choice.source == "RDRAND", outcome.comment)
            #expect(
                choice.base % 0x20_0000 == 0 && outcome.serial.contains("image at 0x\(String(choice.base, radix: 16))-")
            )
            #expect(memory == "24M" ? choice.places == 1 : choice.places > 1, outcome.comment)
            bases.insert(choice.base)
        }
        // Three random numbers below 1024 are all equal once in 2^20 tests.
        if memory == "8G" { #expect(bases.count > 1) }
    }

    /// The output of loader-inspect.
    private func inspect(_ arguments: String...) async throws -> String {
        let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("loader-inspect")
        let result = try await Subprocess.run(
            .path(.init(program.path)), arguments: Arguments(arguments), output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20))
        return result.standardOutput + result.standardError
    }

    /// The highest place is the hardest: it leaves the least memory above.
    @Test(
        .enabled(if: Project.exists(Project.genuine("hello_world")), "the genuine image hello_world is not there"),
        arguments: isSoak ? ["24M", "32M", "48M", "64M", "128M", "1G", "4G", "8G"] : ["24M", "48M", "8G"])
    func `the genuine kernel runs at the highest of the places`(_ memory: String) async throws {
        let image = Project.genuine("hello_world")
        let verdict = try await inspect(
            "--loader", Project.loader.path, "--memory", memory, "--loader-options", "loader.kaslr", "--seed",
            "\(UInt64.max)", image.path)
        let base = try #require(verdict.firstMatch(of: /image +0x([0-9a-f]+)-/)?.1, "\(verdict)")
        var guest = Guest(initrd: image, moduleArguments: "loader.base=0x\(base)", memory: memory)
        guest.isMemoryReserved = false
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] loader.base: image at 0x\(base)\n"), outcome.comment)
        #expect(outcome.serial.contains("Hello, world!"), outcome.comment)
    }

    @Test(
        .enabled(if: isBuilt, "make loader fixtures"), arguments: Matrix.dimensions[0] + ["gen4-v0.11"], Start.allCases)
    func `every generation runs at any of the places`(_ kernel: String, _ start: Start) async throws {
        for memory in isSoak ? ["64M", "1G", "8G"] : [start == .multiboot ? "64M" : "8G"] {
            for _ in 0..<(isSoak ? 20 : 1) {
                var guest = Guest(
                    initrd: Project.fixture("\(kernel)-pie"), loader: try start.loader(), memory: memory,
                    processors: "2")
                guest.isMemoryReserved = false
                if start == .multiboot { guest.moduleArguments = "loader.kaslr" } else { guest.append = "loader.kaslr" }
                let outcome = try await guest.boot()
                #expect(outcome.status == 3, outcome.comment)
                #expect(try chosen(outcome).places > 1, outcome.comment)
            }
        }
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["static", "pic", "tlsdesc"])
    func `object files run at any of the places`(_ model: String) async throws {
        for _ in 0..<Self.boots {
            var guest = Guest(
                initrd: Project.fixture("object-\(model).o"), moduleArguments: "loader.kaslr", memory: "8G")
            guest.isMemoryReserved = false
            let outcome = try await guest.boot()
            #expect(outcome.status == 3, outcome.comment)
            #expect(try chosen(outcome).base < 1 << 31, outcome.comment)
        }
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func `without RDRAND the time stamp counter chooses`()
        async throws
    {
        var bases: Set<UInt64> = []
        for _ in 0..<Self.boots {
            var guest = Guest(initrd: Project.fixture("demo"), moduleArguments: "loader.kaslr", memory: "8G")
            guest.isMemoryReserved = false
            guest.cpu = "qemu64,apic,fsgsbase,fxsr,rdtscp,xsave,xsaveopt,-rdrand"
            let outcome = try await guest.boot()
            #expect(outcome.status == 3, outcome.comment)
            let choice = try chosen(outcome)
            #expect(choice.source == "the time stamp counter", outcome.comment)
            bases.insert(choice.base)
        }
        #expect(bases.count > 1)
    }

    /// The module is moved away, as for an image that is linked there.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: ["gen0-pie", "gen4-recursive-pie", "gen4-identity-pie", "object-pic.o"])
    func `an image may lie where the module is`(_ name: String) async throws {
        // QEMU puts modules after the loader: with this many zeros at its end the file covers 2 and 4 MiB.
        let file = try TemporaryFile(Data(contentsOf: Project.fixture(name)) + Data(count: 4 << 20))
        for (base, address) in [("0x200000", "0x200000"), ("4194304", "0x400000")] {
            let outcome = try await Guest(initrd: file.url, moduleArguments: "loader.base=\(base)").boot()
            #expect(outcome.status == 3, outcome.comment)
            #expect(outcome.serial.contains("[LOADER] loader.base: image at \(address)\n"), outcome.comment)
            #expect(outcome.serial.contains(", modules moved"), outcome.comment)
            // The firmware's list of modules has its old address.
            guard name.hasPrefix("gen") else { continue }
            let module = "fixture: module: \(file.url.path) loader.base=\(base)\n"
            #expect(outcome.serial.contains(module), outcome.comment)
        }
    }

    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [
            ("gen4-identity-pie", "loader.base=0x300000", "would be misaligned; at 0x400000 they are aligned"),
            ("gen4-identity-pie", "loader.base=0", "which is not entirely RAM below 4 GiB"),
            ("gen4-identity-pie", "loader.base=0x40000000", "which is not entirely RAM below 4 GiB"),
            ("gen4-identity-pie", "loader.base=0xfffffffffffe00000", "no number after loader.base="),
            ("gen4-identity-pie", "loader.base=0xffffffffffe00000", "which is not entirely RAM below 4 GiB"),
            ("gen4-identity-8M", "loader.base=0x400000", "linked at a fixed address, 0x800000"),
            ("gen4-identity-8M", "loader.kaslr", "linked at a fixed address, 0x800000"),
        ])
    func `an impossible place is refused with a sentence`(_ name: String, _ option: String, _ words: String)
        async throws
    {
        let outcome = try await Guest(initrd: Project.fixture(name), moduleArguments: option).boot()
        #expect(outcome.status == 49, outcome.comment)
        #expect(outcome.errors.count == 1 && outcome.errors[0].contains(words), outcome.comment)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func `old kernels stay below 1 GiB`() async throws {
        for (base, status) in [("0x3f000000", 3), ("0x40000000", 49)] {
            var guest = Guest(
                initrd: Project.fixture("gen1-pie"), moduleArguments: "loader.base=\(base)", memory: "3G")
            guest.isMemoryReserved = false
            let outcome = try await guest.boot()
            #expect(outcome.status == Int32(status), outcome.comment)
        }
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func `a base wins, and this is reported`() async throws {
        let arguments = "loader.kaslr loader.base=0x1000000"
        let outcome = try await Guest(initrd: Project.fixture("demo"), moduleArguments: arguments).boot()
        #expect(outcome.status == 3, outcome.comment)
        let line = "[LOADER] loader.base: image at 0x1000000; loader.kaslr has no effect beside it\n"
        #expect(outcome.serial.contains(line), outcome.comment)
    }
}
