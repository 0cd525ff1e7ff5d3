// The UEFI application on failing firmware: OVMF, with boot services and files redirected through Fixtures/Firmware, which fails on
// command. One boot shows every error that returns to the firmware.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct UEFIFaultTests {
    static let fixture = Project.fixture("faulty-firmware.efi")
    static let isBuilt = MZTests.isBuilt && Project.exists(fixture)

    /// Boots with firmware that fails once for each of `faults`; the demonstration is in the application's folder.
    private func boot(_ faults: [String]) async throws -> Outcome {
        let folder = try BootFolder([])
        try folder.copy(Self.fixture, to: "EFI/BOOT/BOOTX64.EFI")
        try folder.copy(MZTests.file, to: "loader.efi")
        try folder.copy(Project.fixture("demo"), to: "EFI/hermit/hermit-app")
        try folder.write([faults.joined(separator: " ")], to: "faults")
        return try await Guest(medium: OVMF.medium([folder])).boot()
    }

    /// The failing call, the status (EFI_STATUS without its highest bit), and the beginning of the sentence.
    static let faults: [(name: String, status: Int, sentence: String)] = {
        let (initrd, file) = ("the initrd cannot be read", "a file in the application's folder cannot be read")
        let memory = "there is not enough memory below 4 GiB"
        return [
            ("unknown", 3, "the firmware does not know where it loaded this program from"),
            ("empty", 1, initrd), ("query", 1, initrd), ("load", 1, initrd),
            // The folder, the application, and its command line, which does not exist.
            ("open1", 7, file), ("open2", 7, file), ("open3", 7, file),
            // The application, and two entries of the folder.
            ("read1", 7, file), ("read2", 7, file), ("read3", 7, file), ("short1", 7, file),
            // For the application, the memory map, the start info, and entries of the folder.
            ("memory1", 9, memory), ("memory2", 9, memory), ("memory3", 9, memory), ("memory4", 9, memory),
            ("place", 9, "there is no free memory below 2 GiB for the loader"),
            ("map", 1, "the firmware does not give its memory map"),
            ("leave", 1, "the firmware's boot services do not end"),
            ("stale8", 1, "the firmware's boot services do not end"),
        ]
    }()

    @Test(
        .enabled(if: OVMF.isThere, "OVMF is not there: make deps"), .enabled(if: isBuilt, "make loader fixtures"))
    func `each fault is reported, nothing stays allocated or open, and then it boots`() async throws {
        // Last, the firmware itself refuses an outdated key: the loader reads the memory map again.
        let outcome = try await boot(Self.faults.map(\.name) + ["stale7"])
        #expect(outcome.status == 3 && outcome.serial.contains("checks passed"), outcome.comment)
        let lines = outcome.plain.split(separator: "\n").filter { $0.contains("[LOADER]") || $0.contains("[FIRMWARE]") }
        try #require(lines.count > 2 * Self.faults.count, outcome.comment)
        for (index, fault) in Self.faults.enumerated() {
            #expect(lines[2 * index].contains("[LOADER] error: " + fault.sentence), "\(fault.name)")
            let status = "status 0x800000000000000\(fault.status), pages left 0x0, files left 0x0"
            let end = "[FIRMWARE] \(fault.name): \(status)"
            #expect(lines[2 * index + 1].hasSuffix(end), "\(lines[2 * index + 1])")
        }
    }
}
