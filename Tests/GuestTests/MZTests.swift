// Boots of build/loader.efi, by UEFI firmware (OVMF) and as a Linux kernel.

import Commands
import Foundation
import TestSupport
import Testing

/// OVMF, firmware for QEMU.
enum OVMF {
    static let file = URL(fileURLWithPath: "/usr/share/ovmf/OVMF.fd")
    static let isThere = Project.exists(file)

    /// Boots a machine with OVMF that has a disk for each of `volumes`, files by their paths, and runs `script` in the firmware's shell.
    static func runShell(_ volumes: [[String: Data]], _ script: [String]) async throws -> Outcome {
        let folders = try volumes.map { files in
            let folder = try BootFolder([])
            for (path, bytes) in files { try folder.write(bytes, to: path) }
            return folder
        }
        // The machine ends with the script in any case.
        let lines = script + ["reset -s"]
        try folders[0].write(Data(lines.joined(separator: "\r\n").utf8), to: "startup.nsh")
        return try await Guest(medium: medium(folders), patience: 300).boot()
    }

    /// QEMU's arguments for disks with the files of `folders`; the guest's changes are discarded.
    static func medium(_ folders: [BootFolder]) -> [String] {
        ["-bios", file.path, "-net", "none", "-snapshot"]
            + folders.flatMap { ["-drive", "file=fat:\($0.url.path),format=raw,if=ide"] }
    }
}

extension Outcome {
    /// The serial line without terminal control sequences.
    var plain: String { serial.replacing(/\x{1b}\[[0-9;=]*[A-Za-z]/, with: "") }

    /// Expects that the demonstration ran with the command line of `MZTests.line`, whose option was heeded.
    func expectDemonstration(by starter: String) {
        #expect(status == 3, comment)
        #expect(serial.contains("[LOADER] started by \(starter),"), comment)
        #expect(serial.contains("[LOADER] RAM 0x100000-"), comment)
        #expect(serial.contains(/bootargs +env=A=b -- one two\n/), comment)
        #expect(serial.contains("checks passed"), comment)
    }
}

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct MZTests {
    static let file = Project.root.appendingPathComponent("build/loader.efi")
    static let isBuilt = Project.exists(file) && Project.exists(Project.fixture("demo"))
    static let genuine = Project.genuine("hello_world")
    /// Kinds of files that the table of starters lacks.
    static let generations = ["gen1-8M", "gen2-align16-4M", "gen4-v0.11-pie", "gen4-identity-16M"]
    /// The option for a fixture's compiler, which the file does not name.
    private static func options(_ fixture: String) -> String { fixture.contains("align16") ? "loader.align16" : "" }
    static let line = "loader.verbose env=A=b -- one two"

    // MARK: A Linux kernel

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["256M", "5G"])
    func `SeaBIOS starts it by its 16-bit code`(_ memory: String) async throws {
        let guest = Guest(
            initrd: Project.fixture("demo"), loader: Self.file, machine: "q35", memory: memory, append: Self.line)
        try await guest.boot().expectDemonstration(by: "the Linux boot protocol")
    }

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: generations)
    func `every generation boots by it`(_ fixture: String) async throws {
        let outcome = try await Guest(
            initrd: Project.fixture(fixture), loader: Self.file, append: Self.options(fixture)
        ).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("checks passed"), outcome.comment)
    }

    /// Starters that do not run the 16-bit code, imitated by a stand-in with their registers and structures: crosvm puts the loader at
    /// 2 MiB, kexec anywhere.
    @Test(
        .enabled(if: isBuilt && Project.exists(Project.fixture("starter")), "make loader fixtures"),
        arguments: [
            ("preset=kexec-linux load=0x2f00000", "gen4-v0.11-pie"),
            ("preset=cloud-hypervisor-bzimage load=0x1100000", "gen0-pie"),
            ("preset=firecracker-linux", "demo"), ("random=7 entry=linux64 load=0x500000", "demo"),
            ("random=8 entry=linux32 load=0x600000", "demo"),
        ])
    func `it runs at other starters' addresses`(_ words: String, _ fixture: String) async throws {
        let outcome = try await Guest(
            initrd: Self.file, modules: [Project.fixture(fixture).path], loader: Project.fixture("starter"),
            append: words + " -- env=A=b -- one two"
        ).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] started by the Linux boot protocol,"), outcome.comment)
        #expect(outcome.serial.contains("checks passed"), outcome.comment)
    }

    /// This kernel maps its heap where kexec puts the loader, which is no longer mapped there.
    @Test(
        .enabled(if: isBuilt && Project.exists(Project.fixture("starter")), "make loader fixtures"),
        .enabled(if: Project.exists(genuine), "the image hello_world is not there"),
        arguments: ["0x300000", "0x10000000"])
    func `kernel 0·6·9 boots below the loader`(_ place: String) async throws {
        let outcome = try await Guest(
            initrd: Self.file, modules: [Self.genuine.path], loader: Project.fixture("starter"),
            append: "preset=kexec-linux load=\(place) -- one two"
        ).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("Hello, world!"), outcome.comment)
    }

    /// The loader can report that there was an exception, but not where; then the machine ends.
    @Test(
        .enabled(if: isBuilt && Project.exists(Project.fixture("starter")), "make loader fixtures"),
        arguments: [
            ("loader.generation=3", "CPU exception; the loader is no longer there: link the image above it"),
            ("", "CPU exception"),
        ])
    func `an exception below the loader ends the machine`(_ option: String, _ sentence: String) async throws {
        let outcome = try await Guest(
            initrd: Self.file, modules: [Project.fixture("crash").path], loader: Project.fixture("starter"),
            append: "preset=kexec-linux load=0x10000000 \(option.isEmpty ? "" : "options=\(option)") -- one two"
        ).boot()
        #expect(outcome.status == 47, outcome.comment)
        #expect(outcome.errors.first?.hasPrefix(sentence) == true, outcome.comment)
    }

    // MARK: A UEFI application

    private func boot(_ application: URL, machine: String = "pc", memory: String = "1G", append: String = "")
        async throws -> Outcome
    {
        try await Guest(
            medium: ["-bios", OVMF.file.path, "-net", "none", "-kernel", Self.file.path], initrd: application,
            machine: machine, memory: memory, append: append, patience: 180
        ).boot()
    }

    @Test(
        .enabled(if: OVMF.isThere, "OVMF is not there: make deps"), .enabled(if: isBuilt, "make loader fixtures"),
        arguments: isSoak ? generations : ["gen1-8M"])
    func `every generation boots under OVMF`(_ fixture: String) async throws {
        let outcome = try await boot(Project.fixture(fixture), append: Self.options(fixture))
        // If the firmware's own memory is in the image's way, the sentence names it.
        if fixture.hasSuffix("8M") {
            #expect(outcome.status == 43, outcome.comment)
            #expect(outcome.errors.first?.hasPrefix("from 0x800000 up to 0x") == true, outcome.comment)
            #expect(outcome.errors.first?.contains("the firmware keeps") == true, outcome.comment)
        } else {
            #expect(outcome.status == 3, outcome.comment)
            #expect(outcome.serial.contains("checks passed"), outcome.comment)
        }
    }

    // MARK: Files of a volume

    private static let bytes = try? Data(contentsOf: file)
    private static func fixture(_ name: String) -> Data { (try? Data(contentsOf: Project.fixture(name))) ?? Data() }

    @Test(
        .enabled(if: OVMF.isThere, "OVMF is not there: make deps"), .enabled(if: isBuilt, "make loader fixtures"),
        arguments: isSoak ? ["EFI/hermit", "EFI/BOOT"] : ["EFI/BOOT"])
    func `the firmware finds the loader, and the loader the application`(_ folder: String) async throws {
        let files = try BootFolder([])
        try files.write(try #require(Self.bytes), to: "EFI/BOOT/BOOTX64.EFI")
        try files.write(Self.fixture("demo"), to: folder + "/hermit-app")
        try files.write(Data((Self.line + "\n").utf8), to: folder + "/hermit-bootargs")
        let outcome = try await Guest(medium: OVMF.medium([files]), patience: 180).boot()
        outcome.expectDemonstration(by: "UEFI")
    }

    /// The causes of errors, and files that lead to them.
    static let problems: [(sentence: String, status: String, files: [String: Data])] = [
        ("there is no application: neither an initrd", "E", [:]),
        ("there is no application: neither an initrd", "E", ["EFI/hermit/hermit-bootargs": Data("-- a".utf8)]),
        (
            "the application's folder has more than 15 shared objects", "2",
            Dictionary(
                uniqueKeysWithValues: [("EFI/hermit/hermit-app", fixture("demo"))]
                    + (1...16).map { ("EFI/hermit/lib\($0).so", Data([1])) })
        ),
    ]

    /// One boot for all: a disk for each problem, and one with an application. After an error the firmware continues, and all allocated
    /// memory is freed; in the end the shell starts the application with arguments.
    @Test(.enabled(if: OVMF.isThere, "OVMF is not there: make deps"), .enabled(if: isBuilt, "make loader fixtures"))
    func `in the shell errors are reported and all memory is freed, and arguments arrive`() async throws {
        let bytes = try #require(Self.bytes)
        let volumes = [["EFI/hermit/hermit-app": Self.fixture("demo")]] + Self.problems.map(\.files)
        let script = Self.problems.indices.flatMap {
            ["echo problem", "memmap", "fs\($0 + 1):\\loader.efi", "echo status %lasterror%", "memmap"]
        }
        let outcome = try await OVMF.runShell(
            volumes.map { $0.merging(["loader.efi": bytes]) { $1 } }, script + ["fs0:\\loader.efi " + Self.line])
        let parts = outcome.plain.components(separatedBy: "\nproblem\n").dropFirst()
        try #require(parts.count == Self.problems.count, outcome.comment)
        for (problem, part) in zip(Self.problems, parts) {
            #expect(part.contains("[LOADER] error: " + problem.sentence), outcome.comment)
            // The shell shows statuses without their highest bit.
            #expect(part.contains("\nstatus 0x\(problem.status)\n"), outcome.comment)
            for kind in ["LoaderCode", "LoaderData"] {
                let counts = part.matches(of: try Regex("\(kind)\\s*:\\s*([0-9,]+) Pages")).map {
                    $0.output[1].substring
                }
                #expect(counts.count == 2 && counts[0] == counts[1], outcome.comment)
            }
        }
        outcome.expectDemonstration(by: "UEFI")
    }

    // MARK: A disk

    static let inspect = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("loader-inspect").path
    static let canMakeDisks =
        ["/usr/sbin/sfdisk", "/sbin/sfdisk", "/usr/bin/sfdisk"].contains(where: FileManager.default.fileExists)
        && FileManager.default.fileExists(atPath: "/usr/bin/mformat")

    /// Makes an image in `folder`, and returns its path.
    static func disk(
        _ folder: BootFolder, _ words: [String], _ name: String = "app.img", loader: URL = file
    ) async throws -> String {
        let image = folder.url.appendingPathComponent(name).path
        try await make([inspect, "disk", "--output", image, "--loader", loader.path] + words)
        return image
    }

    /// Boots the image by OVMF; `drive` is the kind of drive in QEMU.
    static func boot(disk image: String, _ drive: String, machine: String) async throws -> Outcome {
        let medium = [
            "-bios", OVMF.file.path, "-net", "none", "-snapshot", "-drive", "file=\(image),format=raw," + drive,
        ]
        return try await Guest(medium: medium, machine: machine, patience: 180).boot()
    }

    @Test(
        .enabled(if: OVMF.isThere && canMakeDisks, "OVMF, sfdisk or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"),
        .enabled(if: isSoak, "only in make soak: others boot disks in make test"),
        arguments: [("pc", "if=ide"), ("q35", "if=ide")])
    func `a disk boots on every kind of controller`(_ machine: String, _ drive: String) async throws {
        let folder = try BootFolder([])
        let image = try await Self.disk(
            folder,
            ["--loader-options", "loader.verbose", "--env", "A=b", Project.fixture("demo").path, "--", "one", "two"])
        try await Self.boot(disk: image, drive, machine: machine).expectDemonstration(by: "UEFI")
    }

    @Test(
        .enabled(if: OVMF.isThere && canMakeDisks, "OVMF, sfdisk or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `a disk has the libraries`() async throws {
        let folder = try BootFolder([])
        let libraries = ["libbase.so", "libmiddle.so", "libtop.so"].flatMap { ["--module", Project.fixture($0).path] }
        let image = try await Self.disk(folder, libraries + [Project.fixture("libraries-pie").path])
        let outcome = try await Self.boot(disk: image, "if=ide", machine: "pc")
        #expect(outcome.status == 3, outcome.comment)
        #expect(!outcome.serial.contains("FAILED") && !outcome.serial.contains("warning"), outcome.comment)
        #expect(outcome.serial.contains("4 TLSDESC; 3 by resolver functions"), outcome.comment)
    }

    @Test(
        .enabled(if: canMakeDisks, "sfdisk or mtools are not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `equal files make equal disks, and different files different ones`() async throws {
        let folder = try BootFolder([])
        var images: [Data] = []
        for (name, words) in [("one", ["a"]), ("same", ["a"]), ("other", ["b"])] {
            let image = try await Self.disk(folder, [Project.fixture("demo").path, "--"] + words, name)
            images.append(try Data(contentsOf: URL(fileURLWithPath: image)))
        }
        #expect(images[0] == images[1])
        // The disk's GUID in the table's header: two such disks can be in one machine.
        #expect(images[0][512 + 56..<512 + 72] != images[2][512 + 56..<512 + 72])
    }

    // MARK: Secure Boot

    static let canSign = ["/usr/bin/sbsign", "/usr/bin/openssl"].allSatisfy(FileManager.default.fileExists)

    /// Without enforcement: sbverify checks the signature.
    @Test(
        .enabled(if: OVMF.isThere && canMakeDisks, "OVMF, sfdisk or mtools are not there: make deps"),
        .enabled(if: canSign, "sbsign or openssl is not there: make deps"),
        .enabled(if: isBuilt, "make loader fixtures"))
    func `a signed file boots`() async throws {
        let folder = try BootFolder([])
        let (key, certificate) = (folder.url.path + "/db.key", folder.url.path + "/db.crt")
        let signed = folder.url.appendingPathComponent("signed.efi")
        try await make([
            "openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=loader test/", "-days",
            "3650",
            "-keyout", key, "-out", certificate,
        ])
        try await make(["sbsign", "--key", key, "--cert", certificate, "--output", signed.path, Self.file.path])
        try await make(["sbverify", "--cert", certificate, signed.path])
        let image = try await Self.disk(folder, [Project.fixture("demo").path], loader: signed)
        let outcome = try await Self.boot(disk: image, "if=virtio", machine: "q35")
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] started by UEFI,"), outcome.comment)
    }
}
