// `boot` as a runner: starters and firmware.

import Foundation
import TestSupport
import Testing

extension RunnerTests {
    // MARK: Firmware

    private static let hasUEFI =
        isReady && FileManager.default.fileExists(atPath: Tool.root.path + "/build/loader.efi")
        && FileManager.default.fileExists(atPath: "/usr/share/ovmf/OVMF.fd")

    /// Arguments and variables reach the application, and options the loader.
    @Test(.enabled(if: hasUEFI, "ovmf, or make loader fixtures"), arguments: isSoak ? ["pc", "q35"] : ["q35"])
    func startedByUEFI(_ machine: String) async throws {
        let words = ["boot", "--loader", Tool.root.path + "/build/loader", "--firmware", "ovmf", "--machine", machine]
        let options = ["--loader-options", "loader.verbose", "--env", "GREETING=hello"]
        let demo = Tool.root.path + "/build/fixtures/demo"
        let run = try await Tool.run(words + options + [demo, "one", "two"])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        for line in [
            "[LOADER] started by UEFI", "[LOADER] segment 1: ", "bootargs            env=GREETING=hello -- one two",
            "demo: all 25 checks passed",
        ] {
            #expect(run.output.contains(line), "\(line): \(run.output)")
        }
    }

    @Test func whatUEFINeeds() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        let common = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true", "--firmware", "ovmf"]
        for (words, sentence) in [
            (["app"], "there is no loader.efi, which this start needs: make loader builds it"),
            (["--machine", "microvm", "app"], "OVMF needs --machine pc or q35"),
            (["--module", "app", "app"], "QEMU gives UEFI one file"),
        ] {
            let run = try await Tool.run(common + words, in: folder.url)
            #expect(run.status == 64 && run.errors.contains(sentence), "\(run.errors)")
        }
        try folder.write("loader.efi", [0x4d, 0x5a])
        let run = try await Tool.run(
            program: "env",
            ["OVMF=firmware", Tool.program.path] + common + ["--loader-options", "loader.quiet", "app", "x"],
            in: folder.url)
        #expect(run.output.contains(" -bios firmware -net none "), "\(run.output)\(run.errors)")
        #expect(run.output.hasSuffix(" -kernel loader.efi -initrd app -append 'loader.quiet -- x'\n"), "\(run.output)")
    }

    // MARK: Starters

    /// Starters that need no tool except QEMU.
    @Test func `each starter is given the file that it can start`() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        try folder.write("loader.efi", [0x4d, 0x5a])
        let common = ["boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true"]
        for (words, end) in [
            (["--protocol", "linux"], " -kernel loader.efi -initrd app -append 'loader.quiet -- x'"),
            (
                ["--firmware", "qboot"],
                " -bios qboot.rom -net none -kernel loader -initrd 'app loader.quiet' -append '-- x'"
            ),
            (
                ["--firmware", "qboot", "--machine", "microvm", "--protocol", "linux"],
                " -bios qboot.rom -kernel loader.efi -initrd app -append 'loader.quiet -- x'"
            ),
        ] {
            let run = try await Tool.run(
                common + words + ["--loader-options", "loader.quiet", "app", "x"], in: folder.url)
            #expect(run.status == 0 && run.output.hasSuffix(end + "\n"), "\(words): \(run.output)\(run.errors)")
        }
        for (words, sentence) in [
            (["--protocol", "multiboot2"], "QEMU starts the loader by --protocol multiboot, pvh or linux: verdict"),
            (
                ["--starter", "grub", "--protocol", "pvh"],
                "GRUB starts the loader by --protocol multiboot2, multiboot or linux"
            ),
            (["--starter", "pxe", "--protocol", "uefi"], "iPXE starts the loader by --protocol multiboot or linux"),
            (["--firmware", "ovmf", "--protocol", "linux"], "OVMF starts the loader by --protocol uefi"),
            (["--starter", "disk", "--firmware", "bios"], "--starter disk takes --firmware ovmf"),
            (["--starter", "pxe", "--firmware", "ovmf"], "--starter pxe takes --firmware bios"),
            (["--starter", "grub", "--firmware", "qboot"], "take --firmware bios"),
            (["--starter", "grub", "--machine", "microvm"], "microvm has no PCI: --starter takes --machine pc or q35"),
            (["--protocol", "linux", "--module", "app"], "Linux's protocol has one initrd"),
            (["--starter", "grub", "--command-line", "a;b"], "; on the command line is special to GRUB"),
            (["--starter", "pxe", "--command-line", "$a"], "$ on the command line is special to iPXE"),
        ] {
            let run = try await Tool.run(common + words + ["app"], in: folder.url)
            #expect(run.status == 64 && run.errors.contains(sentence), "\(words): \(run.errors)")
        }
    }

    /// The message about a missing program names it and its package.
    @Test(arguments: [("grub", "xorriso"), ("disk", "sfdisk")])
    func `a missing program for the medium is reported`(_ starter: String, _ program: String) async throws {
        guard ["/usr/sbin/", "/sbin/"].allSatisfy({ !FileManager.default.fileExists(atPath: $0 + program) }) else {
            try Test.cancel(
                "\(skipped("what makes the medium for \(starter)", "\(program) is where the tool looks, whatever PATH says"))"
            )
        }
        let folder = try Folder()
        try folder.write("app", Sample.application)
        try folder.write("loader", Sample.fixed)
        try folder.write("loader.efi", [0x4d, 0x5a])
        let run = try await Tool.run(
            program: "env",
            [
                "PATH=/nowhere", Tool.program.path, "boot", "--dry-run", "--loader", "loader", "--qemu", "/bin/true",
                "--starter", starter, "app",
            ], in: folder.url)
        #expect(
            run.status == 64 && run.errors.contains(/there is no (\/usr\/lib\/grub|xorriso|sfdisk)/), "\(run.errors)")
        #expect(run.errors.contains("apt-get install"), "\(run.errors)")
    }

    private static let canStart =
        hasUEFI
        && ["/usr/bin/grub-mkrescue", "/usr/lib/grub/i386-pc", "/usr/bin/xorriso", "/usr/bin/mformat"]
            .allSatisfy(FileManager.default.fileExists)

    /// Arguments and variables arrive by each starter.
    @Test(
        .enabled(if: canStart, "GRUB, xorriso, mtools or ovmf, or make loader fixtures"),
        arguments: [
            (["--starter", "grub"], "Multiboot 2"),
            (["--starter", "pxe", "--protocol", "linux"], "the Linux boot protocol"),
        ] + (isSoak ? [(["--starter", "disk", "--machine", "q35"], "UEFI")] : []))
    func `starters other than QEMU start the application`(_ words: [String], _ name: String) async throws {
        let common = ["boot", "--loader", Tool.root.path + "/build/loader", "--loader-options", "loader.verbose"]
        let demo = Tool.root.path + "/build/fixtures/demo"
        let run = try await Tool.run(common + words + ["--env", "A=b", demo, "one", "two"])
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        for text in ["[LOADER] started by \(name),", "[LOADER] segment 1: ", "env=A=b -- one two", "checks passed"] {
            #expect(run.output.contains(text), "\(text): \(run.output)")
        }
    }
}
