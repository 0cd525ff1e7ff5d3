// Object files boot as the compiler leaves them: each checks its own words.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct ObjectFileTests {
    static let models = ["static", "medium", "pic", "noplt", "pic-large", "tlsdesc", "sections", "crel"]

    @Test(arguments: models) func codeModels(model: String) async throws {
        try await boots(Project.fixture("object-\(model).o"))
    }

    @Test func startedByPVH() async throws { try await boots(Project.fixture("object-pic.o"), Start.pvh) }

    /// Each number of object files, compared with a value that the application computes by other means.
    @Test func everyNumber() async throws {
        let file = try numbered(Data(contentsOf: Project.fixture("object-types.o")))
        let image = try TemporaryFile(file)
        let said = try await boots(image.url)
        for name in [
            "NONE", "64", "PC32", "GOT32", "PLT32", "GOTPCREL", "32", "32S", "16", "PC16", "8", "PC8", "DTPMOD64",
            "DTPOFF64", "TPOFF64", "TLSGD", "TLSLD", "DTPOFF32", "GOTTPOFF", "TPOFF32", "PC64", "GOTOFF64", "GOTPC32",
            "GOT64", "GOTPCREL64", "GOTPC64", "GOTPLT64", "PLTOFF64", "SIZE32", "SIZE64", "GOTPC32_TLSDESC",
            "TLSDESC_CALL", "TLSDESC", "PC32_BND", "PLT32_BND", "GOTPCRELX", "REX_GOTPCRELX", "CODE_4_GOTPCRELX",
            "CODE_4_GOTTPOFF", "CODE_4_GOTPC32_TLSDESC", "CODE_5_GOTPCRELX", "CODE_5_GOTTPOFF",
            "CODE_5_GOTPC32_TLSDESC", "CODE_6_GOTPCRELX", "CODE_6_GOTTPOFF", "CODE_6_GOTPC32_TLSDESC",
        ] {
            let line = try #require(said.split(separator: "\n").first { $0.contains(" relocations: ") })
            let isListed = line.split(separator: ",").contains { $0.hasSuffix(" \(name)") }
            #expect(isListed, "\(name) is not among \(line)")
        }
    }

    /// The loader names symbols of an object file, too.
    @Test func tellsWhereItDied() async throws {
        let outcome = try await Guest(initrd: Project.fixture("object-crash.o")).boot()
        #expect(outcome.status == 47, outcome.comment)
        #expect(outcome.serial.contains("writing to 0x400000000000"), outcome.comment)
        #expect(outcome.serial.contains("in the image, section 2, dies_here+0x"), outcome.comment)
        #expect(outcome.serial.contains(" application+0x"), outcome.comment)
    }

    /// With an error code and without.
    @Test(arguments: [
        ("DIVIDE", "0 (divide error) at 0x"), ("INVALID", "6 (invalid opcode) at 0x"),
        ("PROTECTION", "13 (general protection, error code 0x1000) at 0x"),
        ("FLOATING", "16 (x87 floating point) at 0x"), ("INTERRUPT", "13 (general protection, error code 0x"),
        ("NUMBER", "14 (interrupt) at 0x"), ("CLOCK", "8 (interrupt) at 0x"), ("BREAKPOINT", "3 (breakpoint) at 0x"),
    ])
    func namesTheException(_ cause: String, _ name: String) async throws {
        let outcome = try await Guest(initrd: Project.fixture("object-exception-\(cause).o")).boot()
        #expect(outcome.status == 47, outcome.comment)
        #expect(outcome.serial.contains("error: CPU exception \(name)"), outcome.comment)
        let instruction = try #require(outcome.serial.split(separator: "\n").first { $0.contains("instruction 0x") })
        #expect(instruction.contains(" application+0x"), outcome.comment)
        #expect(!outcome.serial.contains("access to"), outcome.comment)
    }

    /// A common first mistake of kernels: the instruction is valid, but not enabled.
    @Test(arguments: [("VECTOR", "OSFXSR"), ("AVX", "OSXSAVE")])
    func tellsOfVectorRegistersThatAreOff(_ cause: String, _ bit: String) async throws {
        let outcome = try await Guest(initrd: Project.fixture("object-exception-\(cause).o")).boot()
        #expect(outcome.status == 47, outcome.comment)
        let words = ": it uses vector registers, which the kernel has not turned on (CR4.\(bit))"
        #expect(outcome.errors.first?.hasPrefix("CPU exception 6 (invalid opcode) at 0x") == true, outcome.comment)
        #expect(outcome.errors.first?.hasSuffix(words) == true, outcome.comment)
    }

    /// Below the stack lies a read-only page, and below that the memory for exceptions.
    @Test func stackOverflow() async throws {
        let outcome = try await Guest(initrd: Project.fixture("object-exception-OVERFLOW.o")).boot()
        #expect(outcome.status == 47, outcome.comment)
        let error = try #require(outcome.errors.first, outcome.comment)
        #expect(error.contains("14 (page fault) at 0x"), outcome.comment)
        #expect(error.hasSuffix("(protected): the stack has overflowed"), outcome.comment)
    }

    @Test func undefinedSymbol() async throws {
        var file = try Data(contentsOf: Project.fixture("object-static.o"))
        // The undefined weak symbol, changed to a strong one.
        let symbol = try #require(Sections(file).symbols.first { $0.name == "nobody_defines_this" })
        file[symbol.offset + 4] = 0x10
        let image = try TemporaryFile(file)
        let outcome = try await Guest(initrd: image.url).boot()
        #expect(outcome.status == 41, outcome.comment)
        let error = try #require(outcome.errors.first, outcome.comment)
        #expect(error.contains("undefined: 'nobody_defines_this'"), outcome.comment)
    }

    @discardableResult
    private func boots(_ file: URL, _ start: Start = .multiboot) async throws -> String {
        let outcome = try await Guest(initrd: file, loader: try start.loader()).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains(": ET_REL, "), outcome.comment)
        #expect(outcome.serial.contains("object file: all checks passed"), outcome.comment)
        return outcome.serial
    }

    /// Gives the relocation at each symbol `word_N` the number N, since not every assembler has a name for it.
    private func numbered(_ file: Data) throws -> Data {
        var file = file
        let sections = Sections(file)
        var changed = 0
        for symbol in sections.symbols {
            guard symbol.name.hasPrefix("word_"), let number = UInt8(symbol.name.dropFirst(5)) else { continue }
            let entry = try #require(sections.relocation(at: symbol.value, section: symbol.section), "\(symbol.name)")
            if file[entry + 8] != number { changed += 1 }
            file[entry + 8] = number
        }
        #expect(changed > 0, "the assembler knows all names: drop this step")
        return file
    }
}

/// The tables of an object file that the tests change.
private struct Sections {
    struct Symbol {
        var name: String, offset: Int, value: UInt64, section: Int
    }
    let file: Data
    private var headers: [Int] { (0..<Int(number(60, 2))).map { Int(number(40, 8)) + $0 * 64 } }

    init(_ file: Data) { self.file = file }

    private func number(_ offset: Int, _ size: Int) -> UInt64 {
        (0..<size).reduce(0) { $0 | UInt64(file[offset + $1]) << UInt64(8 * $1) }
    }

    var symbols: [Symbol] {
        guard let table = headers.first(where: { number($0 + 4, 4) == 2 }) else { return [] }
        let names = Int(number(headers[Int(number(table + 40, 4))] + 24, 8))
        let start = Int(number(table + 24, 8))
        return stride(from: start, to: start + Int(number(table + 32, 8)), by: 24).map { offset in
            let name = names + Int(number(offset, 4))
            return Symbol(
                name: String(decoding: file[name...].prefix { $0 != 0 }, as: UTF8.self), offset: offset,
                value: number(offset + 8, 8), section: Int(number(offset + 6, 2)))
        }
    }

    /// The file offset of the relocation of the place at `offset` of section `section`.
    func relocation(at offset: UInt64, section: Int) -> Int? {
        for header in headers where number(header + 4, 4) == 4 && number(header + 44, 4) == section {
            let start = Int(number(header + 24, 8))
            for entry in stride(from: start, to: start + Int(number(header + 32, 8)), by: 24)
            where number(entry, 8) == offset { return entry }
        }
        return nil
    }
}
