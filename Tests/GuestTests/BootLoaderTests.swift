// Boots by boot loaders as they are distributed: GRUB and SYSLINUX from a CD, GRUB on a BIOS and on UEFI, iPXE from the network.

import Commands
import Foundation
import TestSupport
import Testing

/// A folder for a boot loader's files, removed with its last reference.
final class BootFolder {
    private let folder: Folder
    var url: URL { folder.place("files") }
    /// A path for a disc made of the folder; it is removed with the folder.
    var disc: String { folder.path("disc.iso") }

    /// A folder with the loader and `files`, by their names.
    init(_ files: [URL]) throws {
        folder = try Folder()
        for file in [Project.loader] + files { try copy(file, to: file.lastPathComponent) }
    }

    /// Boots `medium`, which is in the folder.
    func boot(_ medium: [String]) async throws -> Outcome {
        try await Guest(medium: medium).boot()
    }

    /// Copies `file` to `path` in the folder.
    func copy(_ file: URL, to path: String) throws {
        try FileManager.default.copyItem(at: file.resolvingSymlinksInPath(), to: try place(path))
    }

    /// Makes a file of `lines` at `path` in the folder.
    func write(_ lines: [String], to path: String) throws {
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: try place(path))
    }

    /// Makes a file of `bytes` at `path` in the folder.
    func write(_ bytes: Data, to path: String) throws { try bytes.write(to: try place(path)) }

    private func place(_ path: String) throws -> URL {
        let place = url.appendingPathComponent(path)
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        return place
    }
}

/// A boot, independent of the boot loader.
struct BootPlan {
    /// The applications and libraries, and the words after the path or instead of it in the module's string.
    var modules: [(file: URL, string: String)]
    /// The words after the loader's name.
    var commandLine = "env=A=b -- one two"

    static func module(_ fixture: String, _ string: String = "") -> (file: URL, string: String) {
        (Project.fixture(fixture), string)
    }

    /// The files, each once.
    var files: [URL] { Set(modules.map(\.file)).sorted { $0.path < $1.path } }

    /// A line of words.
    fileprivate static func line(_ words: [String]) -> String { words.filter { !$0.isEmpty }.joined(separator: " ") }
}

/// GRUB 2, and its firmware.
enum GRUB: String, CaseIterable, CustomTestStringConvertible {
    case bios = "i386-pc"
    case efi = "x86_64-efi"

    /// The loader's protocol; GRUB's commands begin with its name.
    enum Version: String { case one = "", two = "2" }

    private static let firmware = "/usr/share/OVMF/OVMF_CODE.fd"

    var testDescription: String { self == .bios ? "on a BIOS" : "on UEFI" }
    private var modules: String { "/usr/lib/grub/" + rawValue }

    /// Whether the required programs are installed: for a BIOS, and for both.
    static let isThere = bios.isThere
    static let areThere = isThere && efi.isThere && FileManager.default.fileExists(atPath: firmware)

    private var isThere: Bool {
        ["/usr/bin/grub-mkrescue", modules + "/multiboot2.mod", "/usr/bin/xorriso", "/usr/bin/mformat"]
            .allSatisfy(FileManager.default.fileExists)
    }

    /// Boots `plan`. GRUB hands over only what follows the path.
    func boot(_ plan: BootPlan, by version: Version = .one) async throws -> Outcome {
        var lines = [BootPlan.line(["multiboot\(version.rawValue) /loader", plan.commandLine])]
        for module in plan.modules {
            let path = "/" + module.file.lastPathComponent
            lines.append(BootPlan.line(["module\(version.rawValue) \(path)", module.string]))
        }
        return try await boot(lines, plan.files)
    }

    /// Boots by `commands`, with `files` beside the loader.
    func boot(_ commands: [String], _ files: [URL]) async throws -> Outcome {
        let folder = try BootFolder(files)
        let lines = ["set timeout=0", "serial --unit=0", "terminal_output serial", "menuentry test {"]
        try folder.write(lines + commands + ["boot", "}"], to: "boot/grub/grub.cfg")
        try await make(["grub-mkrescue", "-d", modules, "-o", folder.disc, folder.url.path])
        let firmware = "if=pflash,unit=0,format=raw,readonly=on,file=" + GRUB.firmware
        // OVMF's drivers for the network take a fifth of the boot.
        let machine = self == .bios ? [] : ["-drive", firmware, "-net", "none"]
        return try await folder.boot(machine + ["-cdrom", folder.disc])
    }

    /// Boots `plan` on a BIOS.
    static func boot(_ plan: BootPlan) async throws -> Outcome { try await bios.boot(plan) }
}

/// SYSLINUX' mboot.c32, from a CD.
enum SYSLINUX {
    static let core = "/usr/lib/ISOLINUX/isolinux.bin"
    static let modules = ["ldlinux.c32", "mboot.c32", "libcom32.c32"].map { "/usr/lib/syslinux/modules/bios/" + $0 }
    static let isThere = ([core, "/usr/bin/xorriso"] + modules).allSatisfy(FileManager.default.fileExists)

    /// Boots `plan`; with `-aout` in `option` mboot.c32 prefers the address fields of the Multiboot header to the ELF header.
    static func boot(_ plan: BootPlan, option: String) async throws -> Outcome {
        var words = [option, "/loader", plan.commandLine]
        for module in plan.modules { words += ["---", "/" + module.file.lastPathComponent, module.string] }
        return try await boot(["KERNEL mboot.c32", "APPEND " + BootPlan.line(words)], plan.files)
    }

    /// Boots by the lines of one label, with `files` beside the loader.
    static func boot(_ label: [String], _ files: [URL]) async throws -> Outcome {
        let folder = try BootFolder(files)
        for file in [core] + modules {
            let url = URL(fileURLWithPath: file)
            try folder.copy(url, to: "isolinux/" + url.lastPathComponent)
        }
        try folder.write(
            ["SERIAL 0 115200", "DEFAULT test", "LABEL test"] + label, to: "isolinux/isolinux.cfg")
        try await make([
            "xorriso", "-as", "mkisofs", "-quiet", "-o", folder.disc, "-b", "isolinux/isolinux.bin", "-c",
            "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", folder.url.path,
        ])
        return try await folder.boot(["-cdrom", folder.disc])
    }
}

/// iPXE in the ROM of QEMU's network card, by TFTP.
enum IPXE {
    static let isThere = ["/usr/lib/ipxe/qemu/pxe-e1000.rom", "/usr/share/qemu/pxe-e1000.rom"]
        .contains(where: FileManager.default.fileExists)

    private static let server = "tftp://10.0.2.2/"

    /// Boots `plan`.
    static func boot(_ plan: BootPlan) async throws -> Outcome {
        let modules = plan.modules.map { module in
            BootPlan.line(["initrd \(server)\(module.file.lastPathComponent)", module.string])
        }
        return try await boot([BootPlan.line(["kernel \(server)loader", plan.commandLine])] + modules, plan.files)
    }

    /// Boots the Linux kernel `kernel` with `initrd` and `commandLine`.
    static func boot(linux kernel: URL, _ initrd: URL, _ commandLine: String) async throws -> Outcome {
        let lines = [
            "kernel \(server)\(kernel.lastPathComponent) \(commandLine)", "initrd \(server)\(initrd.lastPathComponent)",
        ]
        return try await boot(lines, [kernel, initrd])
    }

    private static func boot(_ commands: [String], _ files: [URL]) async throws -> Outcome {
        let folder = try BootFolder(files)
        try folder.write(["#!ipxe", "dhcp"] + commands + ["boot"], to: "script.ipxe")
        let network = "user,id=net,tftp=\(folder.url.path),bootfile=script.ipxe"
        return try await folder.boot(
            ["-netdev", network, "-device", "e1000,netdev=net", "-boot", "n"])
    }
}

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct BootLoaderTests {
    static let isBuilt = Project.exists(Project.loader) && Project.exists(Project.fixture("demo"))
    static let genuine = Project.genuine("hello_world")
    static let hasGenuine = Project.exists(genuine)

    /// An option in the application's string takes effect, and the kernel's command line arrives.
    static let demo = BootPlan(modules: [BootPlan.module("demo", "loader.verbose")])

    private func expectDemonstration(_ outcome: Outcome) {
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("checks passed"), outcome.comment)
        #expect(outcome.serial.contains("[LOADER] RAM 0x100000-"), outcome.comment)
        #expect(outcome.serial.contains("env=A=b -- one two"), outcome.comment)
    }

    private func expectGenuine(_ outcome: Outcome) {
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("Hello, world!"), outcome.comment)
    }

    // MARK: GRUB

    @Test(
        .enabled(if: GRUB.isThere, "GRUB, xorriso or mtools are not there: make deps"),
        .enabled(if: hasGenuine, "the genuine image hello_world is not there"))
    func `GRUB boots a genuine application, and its digest is compared`() async throws {
        let digest = try await sha256([Self.genuine.path])[0]
        expectGenuine(try await GRUB.boot(BootPlan(modules: [(Self.genuine, "loader.sha256=\(digest)")])))
    }

    @Test(
        .enabled(if: GRUB.isThere, "GRUB, xorriso or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `GRUB's first word is an option`() async throws {
        let zeros = String(repeating: "0", count: 64)
        let outcome = try await GRUB.boot(BootPlan(modules: [BootPlan.module("demo", "loader.sha256=\(zeros)")]))
        #expect(outcome.status == 49, outcome.comment)
        #expect(outcome.errors.first?.hasPrefix("the file's SHA-256 has 0x") == true, outcome.comment)
    }

    @Test(
        .enabled(if: GRUB.isThere, "GRUB, xorriso or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `an option on GRUB's multiboot line is refused`() async throws {
        let outcome = try await GRUB.boot(
            BootPlan(modules: [BootPlan.module("demo")], commandLine: "loader.quiet -- loader.verbose"))
        #expect(outcome.status == 49, outcome.comment)
        #expect(
            outcome.errors.first?.contains("on the kernel's command line, where it has no effect") == true,
            outcome.comment)
    }

    /// Without file names, libraries are known by DT_SONAME; libmiddle.so has none.
    @Test(
        .enabled(if: GRUB.isThere, "GRUB, xorriso or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [true, false])
    func `a library without DT_SONAME is found only by its file name`(isNamed: Bool) async throws {
        let digest = try await sha256([Project.fixture("libbase.so").path])[0]
        let outcome = try await GRUB.boot(
            BootPlan(modules: [
                BootPlan.module("libraries-pie"), BootPlan.module("libtop.so"),
                BootPlan.module("libbase.so", "loader.sha256=\(digest)"),
                BootPlan.module("libmiddle.so", isNamed ? "/libmiddle.so" : ""),
            ]))
        #expect(outcome.status == (isNamed ? 3 : 37), outcome.comment)
        #expect(!outcome.serial.contains("FAILED"), outcome.comment)
        guard !isNamed else { return }
        let error = try #require(outcome.errors.first, outcome.comment)
        #expect(
            error.contains("it needs libraries that no module provides: '../../build/fixtures/libmiddle.so'"),
            outcome.comment
        )
    }

    /// C applications are linked at 8 MiB, where OVMF keeps memory across sleep states.
    @Test(
        .enabled(if: GRUB.areThere, "GRUB for BIOS and UEFI, OVMF, xorriso or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `an image in the firmware's memory is refused with that memory's kind and another address`() async throws {
        let outcome = try await GRUB.efi.boot(BootPlan(modules: [BootPlan.module("gen4-identity-8M")]), by: .two)
        #expect(outcome.status == 43, outcome.comment)
        let sentence =
            "from 0x800000 up to 0x808000, where the image must lie, the firmware keeps ACPI's non-volatile memory"
        #expect(outcome.errors.first?.hasPrefix(sentence) == true, outcome.comment)
        #expect(outcome.errors.first?.hasSuffix("that is free there, such as 16 MiB") == true, outcome.comment)
        for file in isSoak ? ["gen4-identity-16M", "gen4-identity-pie"] : ["gen4-identity-16M"] {
            let followed = try await GRUB.efi.boot(BootPlan(modules: [BootPlan.module(file)]), by: .two)
            #expect(followed.status == 3, followed.comment)
        }
    }

    @Test(
        .enabled(if: GRUB.isThere, "GRUB, xorriso or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `libraries arrive by Multiboot 2`() async throws {
        let outcome = try await GRUB.bios.boot(
            BootPlan(modules: [
                BootPlan.module("libraries-pie"), BootPlan.module("libtop.so"), BootPlan.module("libbase.so"),
                BootPlan.module("libmiddle.so", "/libmiddle.so"),
            ]), by: .two)
        #expect(outcome.status == 3, outcome.comment)
        #expect(!outcome.serial.contains("FAILED"), outcome.comment)
    }
}
