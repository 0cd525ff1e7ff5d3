// Checks of the entry code by the assembler.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct EntryAssemblyTests {
    private static let source = Project.root.appendingPathComponent("Sources/CMachine/entry.S")

    /// The assembler's messages for the entry code with `line` before the stubs' `pushq`; empty if there are none.
    private func assemble(adding line: String) async throws -> String {
        let text = try String(contentsOf: Self.source, encoding: .utf8)
        let push = "    pushq $vector\n"
        #expect(text.components(separatedBy: push).count == 2)
        let folder = try Folder()
        let file = try folder.write("entry.S", text.replacingOccurrences(of: push, with: line + push))
        let result = try await run(
            ["clang", "-target", "x86_64-unknown-none-elf", "-c", file.path, "-o", "/dev/null"])
        return result.succeeded ? "" : result.output
    }

    /// The IDT has the address of the first byte of each stub: a longer stub would shift all after it.
    @Test func `a stub that is too long is refused by the assembler`() async throws {
        #expect(try await assemble(adding: "") == "")
        #expect(try await assemble(adding: "    nop\n") == "")
        #expect(try await assemble(adding: "    nop; nop; nop; nop; nop\n").contains(".org"))
    }
}
