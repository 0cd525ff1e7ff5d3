// Genuine Hermit images, if they are there: their own last words are the witness.

import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct GenuineImageTests {
    struct Configuration: CustomTestStringConvertible {
        var machine = "pc"
        var memory = "1G"
        var processors = "1"
        var cpu: String?
        var start = Start.multiboot
        var testDescription: String { "\(machine) \(memory) -smp \(processors) \(cpu ?? "default CPU") \(start)" }
    }

    static let configurations: [Configuration] = [
        Configuration(), Configuration(machine: "q35"), Configuration(memory: "128M"), Configuration(memory: "4G"),
        Configuration(memory: "8G"), Configuration(processors: "4"), Configuration(cpu: "max"),
        Configuration(start: .pvh), Configuration(machine: "q35", start: .pvh),
        // Their kernel fails on a second I/O APIC.
        Configuration(machine: "microvm,ioapic2=off"), Configuration(machine: "microvm,ioapic2=off", start: .pvh),
    ]

    @Test(
        .enabled(if: Project.exists(Project.genuine("hello_world")), "the genuine image hello_world is not there"),
        arguments: configurations + [Configuration(cpu: "qemu64,apic,fsgsbase,rdtscp,xsave,xsaveopt,fxsr")])
    func helloWorld(_ configuration: Configuration) async throws {
        try await boot("hello_world", configuration, says: "Hello, world!")
    }

    @Test(
        .enabled(if: Project.exists(Project.genuine("hello_c")), "the genuine image hello_c is not there"),
        arguments: configurations)
    func helloC(_ configuration: Configuration) async throws {
        try await boot("hello_c", configuration, says: "Hello World!!!")
    }

    private func boot(_ image: String, _ configuration: Configuration, says words: String) async throws {
        var guest = Guest(
            initrd: Project.genuine(image), loader: try configuration.start.loader(), machine: configuration.machine,
            memory: configuration.memory, processors: configuration.processors)
        if let cpu = configuration.cpu { guest.cpu = cpu }
        let outcome = try await guest.boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains(words), outcome.comment)
        #expect(outcome.serial.contains("shutting down with code 0"), outcome.comment)
    }
}
