// The applications of Fixtures/Relocations check their own words; the loader's counts are compared as well.

import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct RelocationFixtureTests {
    /// The relocations that the loader must report.
    static let applications: [(name: String, line: String)] = [
        (
            "every-dyn",
            "42 relocations: 1 NONE, 5 64, 3 PC32, 1 GLOB_DAT, 2 JUMP_SLOT, 5 RELATIVE, 2 32, 1 32S, 2 16, 1 PC16, 2 8, "
                + "1 PC8, 1 DTPMOD64, 1 DTPOFF64, 2 TPOFF64, 1 DTPOFF32, 1 TPOFF32, 1 PC64, 2 SIZE32, 1 SIZE64, "
                + "3 TLSDESC, 2 IRELATIVE, 1 RELATIVE64; 5 by resolver functions"
        ),
        ("every-exec", "42 relocations: 1 NONE, 5 64, "),
        ("ifunc-dyn", " IRELATIVE; 4 by resolver functions"),
        ("ifunc-exec", "2 relocations: 2 IRELATIVE; 2 by resolver functions"),
        ("ifunc-pie", "2 IRELATIVE; 2 by resolver functions"),
        ("relative-dyn", "12 RELATIVE"),
        ("relative-pie", "13 RELATIVE"),
        ("relr-dyn", "12 RELATIVE"),
        ("relr-pie", "13 RELATIVE"),
        ("symbolic-dyn", "6 64, 6 GLOB_DAT, 1 JUMP_SLOT"),
        ("symbolic-exec", "1 relocation: 1 GLOB_DAT"),
        ("symbolic-gnu-hash", "6 64, 6 GLOB_DAT, 1 JUMP_SLOT"),
        ("text-dyn", "1 64, 1 GLOB_DAT, 1 JUMP_SLOT, 1 RELATIVE"),
        ("tls-exec", "0 relocations"),
        ("tls-global-dynamic", "4 DTPMOD64, 3 DTPOFF64"),
        ("tls-initial-exec", "4 TPOFF64"),
        ("tls-initial-exec-page", "4 TPOFF64"),
        ("tls-local-dynamic", "1 DTPMOD64"),
        ("tls-local-exec", "1 RELATIVE"),
        ("tls-odd-global-dynamic", "3 DTPMOD64, 2 DTPOFF64"),
        ("tls-odd-initial-exec", "4 TPOFF64"),
        ("tls-odd-local-exec", "1 RELATIVE"),
        ("tlsdesc-dyn", "4 TLSDESC"),
        ("tlsdesc-odd", "3 TLSDESC"),
        ("tlsdesc-full", "3 TLSDESC"),
    ]

    @Test(arguments: applications)
    func checksItsOwnWords(name: String, line: String) async throws {
        let outcome = try await Guest(initrd: Project.fixture("reloc-" + name)).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(!outcome.serial.contains("FAILED"), outcome.comment)
        #expect(outcome.serial.contains(line), outcome.comment)
    }

    @Test func checksUnderPVH() async throws {
        let guest = Guest(
            initrd: Project.fixture("reloc-every-dyn"), loader: try Guest.loaderWithoutMultiboot.get(), machine: "q35")
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
    }
}
