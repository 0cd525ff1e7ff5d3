// What the options for the loader do to a boot in the guest.

import Foundation
import Testing

@Suite(.serialized) struct OptionTests {
    static let demo = Project.fixture("demo")
    static let isBuilt = Project.exists(Project.loader) && Project.exists(demo)

    @Test(.enabled(if: isBuilt)) func `the default output is short`() async throws {
        let outcome = try await Guest(initrd: Self.demo).boot()
        #expect(outcome.status == 3, outcome.comment)
        let lines = outcome.serial.split(separator: "\n").filter { $0.hasPrefix("[LOADER]") }
        // Every line ends with carriage return and line feed on the wire.
        let bytes = lines.reduce(0) { $0 + $1.utf8.count + 2 }
        #expect(bytes > 0 && bytes < 600, outcome.comment)
    }

    @Test(.enabled(if: isBuilt)) func `loader.quiet says nothing unless there is an error`() async throws {
        let outcome = try await Guest(initrd: Self.demo, moduleArguments: "loader.quiet").boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(!outcome.serial.contains("[LOADER]"), outcome.comment)
        let notELF = try TemporaryFile(Data("no ELF file, but some text".utf8))
        let refused = try await Guest(initrd: notELF.url, moduleArguments: "loader.quiet").boot()
        #expect(refused.status == 35, refused.comment)
        #expect(refused.errors.count == 1, refused.comment)
    }

    @Test(.enabled(if: isBuilt), arguments: Start.allCases)
    func `loader.verbose tells the memory map and every placement`(_ start: Start) async throws {
        var guest = Guest(initrd: Self.demo, loader: try start.loader())
        if start == .multiboot { guest.moduleArguments = "loader.verbose" } else { guest.append = "loader.verbose" }
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        for words in ["RAM 0x100000-", "module 0x", "segment ", "DT_RELA: ", "page tables 0x", "stack 0x"] {
            #expect(outcome.serial.contains("[LOADER] \(words)"), outcome.comment)
        }
    }
}
