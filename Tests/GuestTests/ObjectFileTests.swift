// Object files, as the compiler leaves them, boot: each checks its own words.

import Foundation
import Testing

@Suite(.serialized) struct ObjectFileTests {
    static let models = ["static", "medium", "pic", "noplt", "pic-large", "tlsdesc", "sections"]

    @Test(arguments: models) func codeModels(model: String) async throws {
        try await boots("object-\(model).o", Start.multiboot)
    }

    @Test func startedByPVH() async throws { try await boots("object-pic.o", Start.pvh) }

    private func boots(_ fixture: String, _ start: Start) async throws {
        let outcome = try await Guest(initrd: Project.fixture(fixture), loader: try start.loader(), patience: 30).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] ET_REL, "), outcome.comment)
        #expect(outcome.serial.contains("object file: all checks passed"), outcome.comment)
    }
}
