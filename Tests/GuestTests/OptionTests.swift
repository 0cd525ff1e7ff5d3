// The effects of the options for the loader in a guest.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct OptionTests {
    static let demo = Project.fixture("demo")
    static let isBuilt = Project.exists(Project.loader) && Project.exists(demo)

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func `the default output is short`() async throws {
        let outcome = try await Guest(initrd: Self.demo).boot()
        #expect(outcome.status == 3, outcome.comment)
        let lines = outcome.serial.split(separator: "\n").filter { $0.hasPrefix("[LOADER]") }
        // Every line ends with carriage return and line feed on the wire.
        let bytes = lines.reduce(0) { $0 + $1.utf8.count + 2 }
        #expect(bytes > 0 && bytes < 600, outcome.comment)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func `loader.quiet says nothing unless there is an error`()
        async throws
    {
        let outcome = try await Guest(initrd: Self.demo, moduleArguments: "loader.quiet").boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(!outcome.serial.contains("[LOADER]"), outcome.comment)
        let notELF = try TemporaryFile(Data("no ELF file, but some text".utf8))
        let refused = try await Guest(initrd: notELF.url, moduleArguments: "loader.quiet").boot()
        #expect(refused.status == 35, refused.comment)
        #expect(refused.errors.count == 1, refused.comment)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: Start.allCases)
    func `loader.sha256 boots the file with that digest, and no other`(_ start: Start) async throws {
        let digest = try await sha256([Self.demo.path])[0].uppercased()
        let wrong = String(digest.dropLast()) + (digest.hasSuffix("0") ? "1" : "0")
        for (digits, status) in [(digest, 3), (digest.lowercased(), 3), (wrong, 49), (String(wrong.dropLast()), 49)] {
            var guest = Guest(initrd: Self.demo, loader: try start.loader())
            let option = "loader.sha256=\(digits)"
            if start == .multiboot { guest.moduleArguments = option } else { guest.append = option }
            let outcome = try await guest.boot()
            #expect(outcome.status == Int32(status), outcome.comment)
            if digits == wrong {
                let (own, wanted) = (UInt64(digest.suffix(8), radix: 16)!, UInt64(wrong.suffix(8), radix: 16)!)
                let words =
                    "SHA-256 has 0x\(String(own, radix: 16)) where that of loader.sha256= has 0x\(String(wanted, radix: 16));"
                #expect(outcome.errors.first?.contains(words) == true, outcome.comment)
            }
        }
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: Start.allCases)
    func `loader.verbose prints the memory map and every placement`(_ start: Start) async throws {
        var guest = Guest(initrd: Self.demo, loader: try start.loader())
        if start == .multiboot { guest.moduleArguments = "loader.verbose" } else { guest.append = "loader.verbose" }
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        let firmware = start == .multiboot ? "Multiboot information 0x" : "start information 0x"
        for words in [
            "RAM 0x100000-", "module 0x", firmware, "segment ", "DT_RELA: ", "page tables 0x",
            "command line, Multiboot information 0x", "boot stack 0x",
        ] {
            #expect(outcome.serial.contains("[LOADER] \(words)"), outcome.comment)
        }
    }
}

/// Page protection, with the CPU as witness.
@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct ProtectionTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("object-protect-NOTHING.o"))

    /// The fixture, and the words of the page fault.
    static let breaches = [
        ("WRITE_CODE", "writing to 0x"), ("WRITE_CONSTANT", "writing to 0x"), ("EXECUTE_DATA", "executing 0x"),
        ("EXECUTE_STACK", "executing 0x"),
    ]

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: breaches)
    func `a forbidden access is a page fault`(_ breach: String, _ words: String) async throws {
        let image = Project.fixture("object-protect-\(breach).o")
        let outcome = try await Guest(initrd: image).boot()
        #expect(outcome.status == 47, outcome.comment)
        let error = try #require(outcome.errors.first, outcome.comment)
        #expect(error.contains("(page fault)") && error.contains(words), outcome.comment)
        #expect(error.contains("(protected"), outcome.comment)
        let lifted = try await Guest(initrd: image, moduleArguments: "loader.no-protect").boot()
        #expect(lifted.status == 3, lifted.comment)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures")) func `allowed accesses work`() async throws {
        let outcome = try await Guest(initrd: Project.fixture("object-protect-NOTHING.o")).boot()
        #expect(outcome.status == 3, outcome.comment)
    }

    /// Every generation's fixture checks each page: protected by default or on demand, also if the image replaces the loader,
    /// and if the CPU has no NX.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: Matrix.dimensions[0], ["pie", "4M"])
    func `every generation can be protected, or not`(_ kernel: String, _ place: String) async throws {
        let image = Project.fixture("\(kernel)-\(place)")
        for (option, words) in [
            ("", kernel.hasPrefix("gen4") ? "are protected\n" : "are not protected\n"),
            ("loader.protect", "are protected\n"), ("loader.no-protect", "are not protected\n"),
        ] {
            let outcome = try await Guest(initrd: image, moduleArguments: option, processors: "4").boot()
            #expect(outcome.status == 3, outcome.comment)
            #expect(outcome.serial.contains("fixture: pages \(words)"), outcome.comment)
        }
        var guest = Guest(initrd: image, moduleArguments: "loader.protect")
        guest.cpu += ",-nx"
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("fixture: pages are protected, but the CPU has no NX\n"), outcome.comment)
    }
}
