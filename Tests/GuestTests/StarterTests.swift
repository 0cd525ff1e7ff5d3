// The loader, entered as by starters that do not run here, and in states of no known starter: by a stand-in, Fixtures/Starter, that
// leaves exactly the state that its command line describes.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct StarterTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("starter"))
    static let kernelLine = "env=GREETING=hello -- one two"

    /// The starters with known registers and structures, and the protocol as the loader prints it.
    static let starters = [
        ("firecracker", "PVH"), ("cloud-hypervisor", "PVH"), ("xen", "PVH"), ("kexec", "Multiboot"),
        ("ipxe", "Multiboot"), ("syslinux", "Multiboot"), ("syslinux-aout", "Multiboot"), ("grub", "Multiboot"),
        ("grub2", "Multiboot 2"),
        ("firecracker-linux", "the Linux boot protocol"), ("crosvm-linux", "the Linux boot protocol"),
        ("kexec-linux", "the Linux boot protocol"), ("cloud-hypervisor-bzimage", "the Linux boot protocol"),
    ]

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: starters)
    func `the demonstration boots as each starter leaves the machine`(
        _ starter: (name: String, boot: String)
    ) async throws {
        try await boots(Project.fixture("demo"), "preset=\(starter.name)", by: starter, says: "checks passed")
    }

    /// One change at a time; each of them once broke a loader.
    static let oddities = [
        "esp=0", "esp=0xffffffff", "esp=0x100000", "gdt=0 idt=0", "flags=0x2", "flags=0x4402", "flags=0x247cd7",
        "cr0=0x1f", "cr0=0x50011", "cr0=0x60000011", "cr4=0x7ff", "cr4=0x10080", "efer=0x901", "fs=0",
        "initrd=0x1000", "line=0x9f000 rsdp=0",
    ]

    /// Each of them at each entry, or in a sample at two of the five.
    static let oddStates: [(words: String, entry: String)] = oddities.enumerated().flatMap { number, words in
        ["multiboot32", "pvh32", "elf32", "multiboot2", "linux32"].enumerated().compactMap { index, entry in
            isSoak || (index + 5 - number % 5) % 5 < 2 ? (words, entry) : nil
        }
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: oddStates)
    func `no part of the state is relied on`(_ words: String, _ entry: String) async throws {
        let outcome = try await start("entry=\(entry) \(words) count=1 options=loader.quiet", "starter-returning")
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.hasSuffix("[STARTER] came back 0x1 times\n"), outcome.comment)
    }

    /// Registers, flags, descriptor tables, control registers, places of structures: everything that the specification of the entry leaves
    /// undefined. The application returns, reports its state, and the next one is tried.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: ["qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt", "max"])
    func `random states lead to the same entry`(_ cpu: String) async throws {
        let count = isSoak ? 1000 : 24
        let first = isSoak ? UInt32.random(in: 0 ... .max / 2) : 1
        let outcome = try await start(
            "random=\(first) count=\(count) options=loader.quiet", "starter-returning", cpu: cpu)
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

    /// The same for 64-bit mode, which has other registers.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [
            "rsp=0", "rsp=0xffffffffffffffff", "rsp=0 ds=0 fs=0 gdt=0 idt=0", "flags=0x4402", "cr0=0xe0050011",
            "cr4=0x20", "cr4=0x10a0", "cr4=0x1020", "efer=0xd01", "initrd=0x1000", "line=0x9f000 rsdp=0",
            "info=0", "info=0xfff0",
        ])
    func `no part of 64-bit mode is relied on`(_ words: String) async throws {
        let outcome = try await start(
            "entry=linux64 \(words) count=1 options=loader.quiet", "starter-returning", cpu: "max")
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.hasSuffix("[STARTER] came back 0x1 times\n"), outcome.comment)
    }

    /// Every generation finds its memory, although no kernel knows these protocols.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: Matrix.dimensions[0], ["grub2", "cloud-hypervisor-bzimage"])
    func `every generation boots by protocols that it does not know`(_ kernel: String, _ preset: String) async throws {
        let outcome = try await start("preset=\(preset) -- \(Self.kernelLine)", "\(kernel)-pie")
        #expect(outcome.status == 3, outcome.comment)
        let path = preset == "grub2" ? "loader " : ""
        #expect(outcome.serial.contains("command line: \(path)\(Self.kernelLine)\n"), outcome.comment)
    }

    /// Kernels that search for ACPI's root pointer find a copy if the starter's is in available memory, or at an address
    /// that they do not search.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"), arguments: ["gen0", "gen1", "gen2", "gen3", "gen4-recursive"])
    func `a root pointer that kernels would not find is copied to their search range`(_ kernel: String) async throws {
        let outcome = try await start("preset=grub2 options=loader.verbose -- \(Self.kernelLine)", "\(kernel)-pie")
        #expect(outcome.status == 3, outcome.comment)
        let page = try #require(
            outcome.word(after: "[LOADER] copy of ACPI's root pointer ")?.prefix { $0 != "-" }, outcome.comment)
        #expect(outcome.word(after: "fixture: RSDP ").map(String.init) == String(page), outcome.comment)
    }

    /// If the information covers the word at 0x40e, there is no place for a copy, and a warning says so; the firmware has another pointer.
    @Test(.enabled(if: isBuilt, "make loader fixtures"))
    func `a root pointer without a place is reported`() async throws {
        let outcome = try await start("preset=grub2 info=0x400", "gen4-recursive-pie")
        #expect(outcome.status == 3, outcome.comment)
        #expect(
            outcome.serial.contains(
                "[LOADER] warning: there is no free memory where this kernel looks for ACPI's root pointer"),
            outcome.comment)
    }

    /// Version 0 has no memory map: a guest of Xen would have to ask its hypervisor.
    @Test(.enabled(if: isBuilt, "make loader fixtures"))
    func `a start info without a memory map is refused`() async throws {
        let outcome = try await start("preset=xen version=0", "demo")
        #expect(outcome.status == 45, outcome.comment)
        #expect(outcome.errors.first?.hasPrefix("the firmware gave no memory map;") == true, outcome.comment)
    }

    /// An unknown starter's rsi: there is no boot_params, or no memory. The loader says so, in any state.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [
            ("entry=linux64 rsi=0x200000", "0x200000"), ("entry=linux64 rsi=0xfffff000", "0xfffff000"),
            ("entry=linux64 rsi=0xffffffffffffffff", "0xffffffffffffffff"),
            ("entry=linux64 rsi=0x100000000 rsp=0", "0x100000000"),
            // The upper half counts, even if there are boot_params at the lower half's address.
            ("preset=firecracker-linux rsi=0x8000000000007000", "0x8000000000007000"),
            ("entry=linux32 esi=0xffffffff", "0xffffffff"), ("entry=linux32 esi=0x200000 eax=0", "0x200000"),
        ] + (1...(isSoak ? 100 : 4)).map { ("random=\($0) entry=linux64 rsi=0x123456789abcdef", "0x123456789abcdef") })
    func `an unknown starter's register is not used as an address`(_ words: String, _ address: String) async throws {
        let outcome = try await start(words, "demo", cpu: "max")
        #expect(outcome.status == 45, outcome.comment)
        let sentence =
            "the loader was started by no protocol that it knows: the magic number is 0x0, and no boot_params of Linux "
            + "are at "
        #expect(outcome.errors.first?.hasPrefix(sentence + address + ";") == true, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
    }

    /// In 32-bit mode, eax decides.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["elf32", "multiboot32"])
    func `another magic number is reported`(_ entry: String) async throws {
        let outcome = try await start("entry=\(entry) eax=0x36d76288", "demo")
        #expect(outcome.status == 45, outcome.comment)
        let sentence =
            "the loader was started by no protocol that it knows: the magic number is 0x36d76288, and no boot_params"
        #expect(outcome.errors.first?.hasPrefix(sentence) == true && outcome.errors.count == 1, outcome.comment)
    }

    // MARK: The stand-in

    /// Starts the stand-in with the loader and an application of the fixtures.
    private func start(
        _ words: String, _ application: String, cpu: String? = nil
    ) async throws -> Outcome {
        try await start(words, Project.fixture(application), cpu: cpu)
    }

    private func start(
        _ words: String, _ application: URL, cpu: String? = nil
    ) async throws -> Outcome {
        var guest = Guest(
            initrd: Project.loader, modules: [application.path], loader: Project.fixture("starter"), append: words)
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
