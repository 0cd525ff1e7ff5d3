// Applications with shared objects as further modules: each checks its libraries' answers.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct LibraryTests {
    static let libraries = ["libtop.so", "libbase.so", "libmiddle.so"]

    @Test(arguments: ["pie", "dyn", "exec", "high"]) func checksWhatItsLibrariesAnswer(kind: String) async throws {
        let outcome = try await boot("libraries-" + kind)
        #expect(outcome.status == 3, outcome.comment)
        #expect(!outcome.serial.contains("FAILED"), outcome.comment)
        // In the order of the symbol search, which differs from the modules' order.
        let order = ["libtop.so at 0x", "libmiddle.so at 0x", "libbase.so at 0x"].compactMap {
            outcome.serial.range(of: $0)?.lowerBound
        }
        #expect(order.count == 3 && order == order.sorted(), outcome.comment)
        #expect(outcome.serial.contains("4 TLSDESC; 3 by resolver functions"), outcome.comment)
        #expect(!outcome.serial.contains("not used"), outcome.comment)
        #expect(!outcome.serial.contains("warning"), outcome.comment)
    }

    /// The loader itself and the modules lie where the image goes, and are moved.
    @Test(arguments: ["1", "4"]) func modulesInTheWay(processors: String) async throws {
        let outcome = try await boot("libraries-low", arguments: "loader.verbose", processors: processors)
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] modules, moved 0x"), outcome.comment)
        #expect(outcome.serial.contains(", modules moved"), outcome.comment)
    }

    @Test func warnsOfInitialisersThatNobodyCalls() async throws {
        let outcome = try await boot("libraries-ignoring")
        #expect(outcome.status == 3, outcome.comment)
        #expect(
            outcome.serial.contains(
                "[LOADER] warning: nothing calls the libraries' initialisers (4): the application does not refer to "
                    + "__loader_init_array_start\n"), outcome.comment)
    }

    @Test func pagesOfLibrariesAreProtected() async throws {
        let outcome = try await boot("libraries-writing")
        #expect(outcome.status == 47, outcome.comment)
        #expect(outcome.serial.contains("(protected)"), outcome.comment)
        let access = outcome.serial.split(separator: "\n").first { $0.contains("access to") } ?? ""
        #expect(access.hasSuffix(": in the image"), outcome.comment)
        let allowed = try await boot("libraries-writing", arguments: "loader.no-protect")
        #expect(allowed.status == 3, allowed.comment)
    }

    @Test func modulesThatNobodyNeeds() async throws {
        let outcome = try await boot("libraries-pie", Self.libraries + ["libbase.so", "demo"])
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains(", unused modules: 2\n"), outcome.comment)
    }

    // MARK: Errors

    @Test func missingLibraries() async throws {
        let outcome = try await boot("libraries-pie", ["libbase.so"])
        #expect(outcome.status == 37, outcome.comment)
        #expect(
            outcome.errors == [
                "it needs libraries that no module provides: 'libtop.so' and '../../build/fixtures/libmiddle.so'; give the "
                    + "shared libraries as further modules, or link the application statically; "
                    + "a module without a name in its string is known by its DT_SONAME only"
            ], outcome.comment)
    }

    @Test func missingVersion() async throws {
        let outcome = try await boot("libraries-pie", ["libtop.so", "old/libbase.so", "libmiddle.so"])
        #expect(outcome.status == 41, outcome.comment)
        #expect(
            outcome.errors.first?.hasPrefix("libtop.so: 'versioned', 'BASE_2' and 'libbase.so': ") == true,
            outcome.comment)
    }

    @Test func undefinedSymbols() async throws {
        let outcome = try await boot("libraries-pie", ["libtop.so", "libbase.so", "empty/libmiddle.so"])
        #expect(outcome.status == 41, outcome.comment)
        let error = try #require(outcome.errors.first, outcome.comment)
        #expect(error.contains("undefined: 'middle_variable', needed at "), outcome.comment)
    }

    // MARK: -

    private func boot(
        _ application: String, _ libraries: [String] = LibraryTests.libraries, arguments: String = "",
        processors: String = "1"
    ) async throws -> Outcome {
        let modules = libraries.map { Project.fixture($0).path }
        var guest = Guest(initrd: Project.fixture(application))
        guest.processors = processors
        guest.moduleArguments = arguments
        guest.modules = modules
        return try await guest.boot()
    }
}
