// As many modules as there may be.

import Foundation
import Testing

@Suite(.serialized) struct ModuleTests {
    /// What lies side by side is one reservation: kernels have room for few.
    @Test(arguments: ["gen2", "gen3", "gen4-recursive", "gen4-v0.11", "gen4-identity"], ["pie", "4M"])
    func asManyAsThereMayBe(kernel: String, place: String) async throws {
        let outcome = try await boot("\(kernel)-\(place)", [String](repeating: path("demo"), count: 15))
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains(", 15 further modules not used\n"), outcome.comment)
    }

    @Test(arguments: [16, 199]) func oneTooMany(further: Int) async throws {
        let outcome = try await boot("demo", [String](repeating: path("demo"), count: further))
        #expect(outcome.status == 45, outcome.comment)
        #expect(
            outcome.errors == ["there are \(further + 1) modules; at most 16 are supported; give fewer modules"],
            outcome.comment)
    }

    private func path(_ fixture: String) -> String { Project.fixture(fixture).path }

    private func boot(_ application: String, _ modules: [String]) async throws -> Outcome {
        var guest = Guest(initrd: Project.fixture(application), patience: 60)
        guest.modules = modules
        return try await guest.boot()
    }
}
