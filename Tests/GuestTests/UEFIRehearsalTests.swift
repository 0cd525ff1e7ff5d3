// loader-inspect's rehearsal by UEFI, compared with OVMF's result on the same machine.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct UEFIRehearsalTests {
    /// Versions of OVMF differ at the end of memory; below 16 MiB, where images and the handoff lie, all are equal.
    @Test(
        .enabled(if: OVMF.isThere, "OVMF is not there: make deps"),
        .enabled(if: MZTests.isBuilt, "make loader fixtures"),
        arguments: isSoak ? [("pc", "256M"), ("q35", "5G")] : [("q35", "5G")])
    func `the rehearsal's memory map is OVMF's`(_ machine: String, _ memory: String) async throws {
        let folder = try BootFolder([])
        let words = [
            "load", "--protocol", "uefi", "--machine", machine, "--memory", memory, "--loader-options",
            "loader.verbose", "--command-line", "env=A=b -- one two",
            "--output", folder.url.path + "/image", Project.fixture("demo").path,
        ]
        let rehearsed = try await run([MZTests.inspect] + words)
        #expect(rehearsed.succeeded, "\(rehearsed.output)")
        let outcome = try await Guest(
            medium: ["-bios", OVMF.file.path, "-net", "none", "-kernel", MZTests.file.path],
            initrd: Project.fixture("demo"), machine: machine, memory: memory, append: MZTests.line
        ).boot()
        outcome.expectDemonstration(by: "UEFI")
        let (found, expected) = (Self.lines(outcome.plain), Self.lines(rehearsed.output))
        #expect(found.low == expected.low && !found.low.isEmpty, outcome.comment)
        #expect(found.kinds == expected.kinds, outcome.comment)
    }

    /// The lines about memory: those that begin below 16 MiB in full, and the kinds of memory above.
    private static func lines(_ output: String) -> (low: [String], kinds: Set<String>) {
        var (low, kinds): ([String], Set<String>) = ([], [])
        for line in output.split(separator: "\n") {
            guard
                let match = line.firstMatch(
                    of:
                        /\[LOADER\] (RAM|reserved by the firmware|ACPI tables|ACPI, non-volatile|image at|BootInfo at) (0x([0-9a-f]+).*)/
                ),
                let address = UInt64(match.3, radix: 16)
            else { continue }
            // The sizes of stack and page tables depend on the number of regions at the end of memory.
            if match.1 == "BootInfo at" { continue }
            // RAM up to where the firmware's own memory begins.
            if address < 0x90_0000 || match.1 == "image at" {
                low.append("\(match.1) \(match.2)")
            } else {
                kinds.insert(String(match.1))
            }
        }
        return (low, kinds)
    }
}
