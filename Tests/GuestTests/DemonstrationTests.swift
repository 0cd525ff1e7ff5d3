// The demonstration application checks everything that it is given; it is booted in every way in which QEMU starts the loader.

import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct DemonstrationTests {
    @Test(arguments: ["pc", "q35", "microvm"], Start.allCases)
    func identityMapped(machine: String, start: Start) async throws {
        try await boot("demo", machine, start)
    }

    @Test(arguments: ["pc", "q35", "microvm"], Start.allCases)
    func recursivePageTable(machine: String, start: Start) async throws {
        try await boot("demo-recursive", machine, start)
    }

    @Test(arguments: ["64M", "4G", "8G"], ["qemu64,apic,fsgsbase,rdtscp,xsave,xsaveopt,fxsr", "max"])
    func sizesOfRAM(memory: String, cpu: String) async throws {
        try await boot("demo", "pc", .multiboot, memory: memory, cpu: cpu)
    }

    private func boot(
        _ fixture: String, _ machine: String, _ start: Start, memory: String = "1G", cpu: String? = nil
    ) async throws {
        var guest = Guest(
            initrd: Project.fixture(fixture), loader: try start.loader(), machine: machine, memory: memory)
        guest.append = "env=A=b -- one two"
        if let cpu { guest.cpu = cpu }
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("checks passed"), outcome.comment)
        #expect(outcome.serial.contains("started by \(start)"), outcome.comment)
        #expect(outcome.serial.contains("env=A=b -- one two"), outcome.comment)
    }
}
