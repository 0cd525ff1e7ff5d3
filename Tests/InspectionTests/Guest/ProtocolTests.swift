// Rehearsed boots by protocols with which QEMU does not start an ELF file: the structures for the kernel.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ProtocolTests {
    private static let rehearsed = ["multiboot2", "linux"]

    /// An application whose notes are `notes`.
    private static func application(_ notes: [UInt8]) -> [UInt8] {
        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(notes)
        return writer.bytes
    }

    @Test(arguments: rehearsed) func `kernels of today get a device tree`(_ name: String) async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        let words = ["--protocol", name, "--command-line", "-- one two"]
        let verdict = try await Tool.run(words + ["application"], in: folder.url)
        #expect(verdict.status == 0 && verdict.output.contains("pc, 1G, \(name)"), "\(verdict.output)")
        let info = try await Tool.run(["bootinfo"] + words + ["application"], in: folder.url)
        #expect(info.output.contains("0x3 platform_info"), "\(info.output)")
        let load = try await Tool.run(
            ["load"] + words + ["--output", "image", "--memory-dump", "dump", "application"], in: folder.url)
        #expect(load.status == 0, "\(load.errors)")
        let dump = try Data(contentsOf: folder.url.appendingPathComponent("dump"))
        for text in ["hermit,\(name)\0", "hermit,rsdp@", "-- one two\0"] {
            #expect(dump.range(of: Data(text.utf8)) != nil, "\(text)")
        }
    }

    /// By Multiboot 2, kernels before 0.11 do not find ACPI's root pointer in its original place.
    @Test(arguments: [("multiboot2", true), ("linux", false), ("pvh", false)])
    func `kernels before 0·11 get Multiboot information, and a root pointer`(
        _ name: String, _ isCopied: Bool
    ) async throws {
        let folder = try Folder()
        try folder.write("application", Self.application(hermitNote(3)))
        let map = try await Tool.run(["map", "--width", "200", "--protocol", name, "application"], in: folder.url)
        #expect(map.status == 0)
        #expect(map.output.contains("copy of ACPI's root pointer") == isCopied, "\(map.output)")
        let info = try await Tool.run(["bootinfo", "--protocol", name, "application"], in: folder.url)
        #expect(info.output.contains("0x0 platform_info"), "\(info.output)")
        // Without a root pointer there is nothing to copy.
        let none = try await Tool.run(
            ["map", "--width", "200", "--protocol", name, "--rsdp", "0", "application"], in: folder.url)
        #expect(none.status == 0 && !none.output.contains("copy of ACPI's root pointer"))
        // Linux's starters and PVH's have a root pointer that a BIOS search does not find; this rehearsal has none to copy.
        let elsewhere = try await Tool.run(["--protocol", name, "--rsdp", "0x3000000", "application"], in: folder.url)
        #expect(elsewhere.status == 0, "\(elsewhere.output)")
    }

    @Test func `by Linux's protocol libraries cannot be given`() async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        try folder.write("library", Sample.application)
        for name in ["multiboot2", "linux"] {
            let run = try await Tool.run(["--protocol", name, "--module", "library", "application"], in: folder.url)
            #expect(run.status == 0)
            #expect(
                run.output.contains("by Linux's protocol the application is the initrd") == (name == "linux"),
                "\(run.output)")
        }
    }

    // MARK: UEFI

    /// Kernels before 0.11 do not find ACPI's root pointer; later ones are told its original address.
    @Test func `by UEFI kernels are told of ACPI`() async throws {
        let folder = try Folder()
        try folder.write("old", Self.application(hermitNote(3)))
        try folder.write("application", Sample.application)
        let map = try await Tool.run(["map", "--width", "200", "--protocol", "uefi", "old"], in: folder.url)
        #expect(map.output.contains("copy of ACPI's root pointer"), "\(map.output)\(map.errors)")
        let load = try await Tool.run(
            [
                "load", "--protocol", "uefi", "--machine", "q35", "--command-line", "-- one two", "--output", "image",
                "--memory-dump", "dump", "application",
            ], in: folder.url)
        #expect(load.status == 0, "\(load.errors)")
        let dump = try Data(contentsOf: folder.url.appendingPathComponent("dump"))
        for text in ["hermit,rsdp@3f77e014\0", "memory@900000\0", "-- one two\0"] {
            #expect(dump.range(of: Data(text.utf8)) != nil, "\(text)")
        }
    }

    /// C applications are linked at 8 MiB, where OVMF has ACPI's non-volatile memory.
    @Test func `OVMF's memory in an image's way is reported`() async throws {
        let folder = try Folder()
        var writer = ELFWriter(type: 2, base: 0x80_0000)
        writer.append([0xf4])
        writer.addNotes(hermitNote(3))
        try folder.write("fixed", writer.bytes)
        let bios = try await Tool.run(["fixed"], in: folder.url)
        let uefi = try await Tool.run(["--protocol", "uefi", "fixed"], in: folder.url)
        #expect(bios.status == 0, "\(bios.output)")
        #expect(
            uefi.output.contains("from 0x800000 up to 0x808000, where the image must lie, the firmware keeps"),
            "\(uefi.output)")
    }

    @Test(arguments: [["--machine", "microvm"], ["--memory", "32M"]])
    func `machines on which UEFI cannot run are refused`(_ words: [String]) async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        let run = try await Tool.run(["--protocol", "uefi"] + words + ["application"], in: folder.url)
        #expect(run.status == 64 && run.errors.contains("UEFI needs"), "\(run.errors)")
    }

    @Test(arguments: ["64M", "1G", "8G"]) func `libraries lie beside the application if there is room`(
        _ size: String
    ) async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        try folder.write("libfoo.so", Sample.application)
        let words = ["--protocol", "uefi", "--memory", size, "--module", "libfoo.so", "application"]
        let run = try await Tool.run(words, in: folder.url)
        #expect(run.status == 0 && run.output.contains("\(size), uefi"), "\(run.output)\(run.errors)")
    }
}
