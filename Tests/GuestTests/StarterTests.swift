// The loader, entered as others enter it who do not run here, and as nobody does yet: by a stand-in, Fixtures/Starter, that
// leaves exactly the state that it is told to leave.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct StarterTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("starter"))
    static let kernelLine = "env=GREETING=hello -- one two"

    /// The starters whose registers and structures are known; their boot protocol as the loader tells it.
    static let starters = [
        ("firecracker", "PVH"), ("cloud-hypervisor", "PVH"), ("xen", "PVH"), ("kexec", "Multiboot"),
        ("ipxe", "Multiboot"), ("syslinux", "Multiboot"), ("syslinux-aout", "Multiboot"), ("grub", "Multiboot"),
    ]

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: starters)
    func `the demonstration boots as each starter leaves the machine`(
        _ starter: (name: String, boot: String)
    ) async throws {
        try await boots(Project.fixture("demo"), "preset=\(starter.name)", by: starter, says: "checks passed")
    }

    @Test(
        .enabled(if: isBuilt && Project.exists(Project.genuine("hello_world")), "the image hello_world is not there"),
        arguments: starters)
    func `hello_world boots as each starter leaves the machine`(_ starter: (name: String, boot: String)) async throws {
        try await boots(Project.genuine("hello_world"), "preset=\(starter.name)", by: starter, says: "Hello, world!")
    }

    /// One thing at a time, each of which has been somebody's end.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [
            "esp=0", "esp=0xffffffff", "esp=0x100000", "gdt=0 idt=0", "flags=0x2", "flags=0x4402", "flags=0x247cd7",
            "cr0=0x1f", "cr0=0x50011", "cr0=0x60000011", "cr4=0x7ff", "cr4=0x10080", "efer=0x901", "fs=0",
            "initrd=0x1000", "line=0x9f000 rsdp=0",
        ],
        ["multiboot32", "pvh32", "elf32"])
    func `no part of the state is relied on`(_ words: String, _ entry: String) async throws {
        let outcome = try await start("entry=\(entry) \(words) count=1 options=loader.quiet", "starter-returning")
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.hasSuffix("[STARTER] came back 0x1 times\n"), outcome.comment)
    }

    /// Registers, flags, descriptor tables, control registers, places of structures: all that the specification of the entry leaves
    /// undefined. The application comes back, says what it found, and the next state's turn has come.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: ["qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt", "max"])
    func `random states lead to the same entry`(_ cpu: String) async throws {
        let count = isSoak ? 1000 : 24
        let first = isSoak ? UInt32.random(in: 0 ... .max / 2) : 1
        let outcome = try await start(
            "random=\(first) count=\(count) options=loader.quiet", "starter-returning", cpu: cpu, patience: 300)
        #expect(outcome.status == 3, outcome.comment)
        #expect(
            outcome.serial.hasSuffix("[STARTER] came back 0x\(String(count, radix: 16)) times\n"), outcome.comment)
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: 101...(isSoak ? 200 : 106))
    func `the demonstration boots from random states`(_ seed: Int) async throws {
        let words = "random=\(seed) -- " + Self.kernelLine
        let outcome = try await start(words, "demo")
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("checks passed"), outcome.comment)
    }

    /// e_entry in 64-bit mode: nobody who begins there is known yet, and that is said, whatever the state.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: ["preset=linux-64", "entry=elf64 rsp=0 ds=0 fs=0 gdt=0 idt=0", "entry=elf64 cr4=0x10a0 rsp=0"]
            + (1...(isSoak ? 100 : 8)).map { "random=\($0) entry=elf64" })
    func `in 64-bit mode it says who may start it`(_ words: String) async throws {
        let outcome = try await start(words, "demo", cpu: "max")
        #expect(outcome.status == 45, outcome.comment)
        let sentence = "the loader was started with the magic number 0x0, by neither Multiboot nor PVH"
        #expect(outcome.errors.first?.hasPrefix(sentence) == true && outcome.errors.count == 1, outcome.comment)
    }

    /// In 32-bit mode, eax tells.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["elf32", "multiboot32"])
    func `another magic number is told`(_ entry: String) async throws {
        let outcome = try await start("entry=\(entry) eax=0x36d76289", "demo")
        #expect(outcome.status == 45, outcome.comment)
        let sentence = "the loader was started with the magic number 0x36d76289, by neither Multiboot nor PVH"
        #expect(outcome.errors.first?.hasPrefix(sentence) == true && outcome.errors.count == 1, outcome.comment)
    }

    // MARK: The stand-in

    /// Starts the stand-in with the loader and an application of the fixtures.
    private func start(
        _ words: String, _ application: String, cpu: String? = nil, patience: Int = 60
    ) async throws -> Outcome {
        try await start(words, Project.fixture(application), cpu: cpu, patience: patience)
    }

    private func start(
        _ words: String, _ application: URL, cpu: String? = nil, patience: Int = 60
    ) async throws -> Outcome {
        var guest = Guest(
            initrd: Project.loader, modules: [application.path], loader: Project.fixture("starter"), append: words,
            patience: patience)
        if let cpu { guest.cpu = cpu }
        return try await guest.boot()
    }

    private func boots(
        _ application: URL, _ words: String, by starter: (name: String, boot: String), says text: String
    ) async throws {
        let outcome = try await start(words + " -- " + Self.kernelLine, application)
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] started by \(starter.boot),"), outcome.comment)
        #expect(outcome.serial.contains(text), outcome.comment)
    }
}
