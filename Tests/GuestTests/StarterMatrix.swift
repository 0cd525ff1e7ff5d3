// The table of docs/starters.md, as tests: who starts the loader, by which of its files, and which application it boots.

import Foundation
import TestSupport
import Testing

/// An application for the loader.
struct StartedApplication: Sendable {
    /// The heading of its column.
    let name: String
    /// Its file.
    let file: URL
    /// Its last line if all went well.
    let lastWords: String

    private static func fixture(_ name: String, _ file: String) -> StartedApplication {
        StartedApplication(name: name, file: Project.fixture(file), lastWords: "checks passed")
    }

    /// The demonstration, the genuine images, and a strict kernel of each generation.
    static let all = [
        fixture("demo", "demo"),
        StartedApplication(
            name: "hello_world", file: Project.genuine("hello_world"), lastWords: "Hello, world!"),
        StartedApplication(name: "hello_c", file: Project.genuine("hello_c"), lastWords: "Hello World!!!"),
        fixture("0", "gen0-pie"), fixture("1", "gen1-pie"), fixture("2", "gen2-pie"), fixture("3", "gen3-pie"),
        fixture("4, recursive", "gen4-recursive-pie"), fixture("4, identity", "gen4-identity-pie"),
    ]
}

/// A row of the table: who starts which file of the loader, by which protocol.
struct StarterRow: Sendable {
    /// The loader's two files.
    enum File: String { case elf = "ELF", mz = "MZ" }

    /// The words of the row's first column.
    let name: String
    let file: File
    /// The protocol, as the loader calls it.
    let boot: String
    /// The reason why it cannot run here; nil if everything is installed.
    let missing: @Sendable () -> String?
    /// Boots an application with `StarterRow.options` for the loader and `StarterRow.line` for the kernel.
    let start: @Sendable (URL) async throws -> Outcome

    /// An option whose effect shows that the loader found it.
    static let options = "loader.verbose"
    /// The kernel's command line, which must arrive.
    static let line = "env=A=b -- one two"
    /// Both, if they share a line.
    static let lineWithOptions = options + " " + line

    /// Whether UEFI firmware takes part, which takes seconds.
    var isOnUEFI: Bool { name.contains("OVMF") || name.contains("on UEFI") }

    /// The first columns.
    var heading: String { "\(name) | \(file.rawValue) | \(boot)" }

    /// The result of starting `application` by this row.
    func result(_ application: StartedApplication) async throws -> (result: StarterResult, outcome: Outcome) {
        let outcome = try await start(application.file)
        return (StarterResult(outcome, application, self), outcome)
    }

    // MARK: The rows

    private static let mz = MZTests.file
    private static let firmware = "Linux"

    /// QEMU itself, with its own firmware.
    private static func qemu(_ name: String, _ machine: String, _ file: File, _ boot: String) -> StarterRow {
        StarterRow(name: name, file: file, boot: boot, missing: { nil }) { application in
            let isMultiboot = boot == "Multiboot"
            var guest = Guest(initrd: application, machine: machine)
            guest.devices = []
            guest.moduleArguments = isMultiboot ? options : ""
            guest.append = isMultiboot ? line : lineWithOptions
            if boot == "PVH" { guest.loader = try Start.pvh.loader() }
            if file == .mz { guest.loader = mz }
            return try await guest.boot()
        }
    }

    private static let qboot = "microvm,ioapic2=off,firmware=qboot.rom"

    /// GRUB's `multiboot` or `multiboot2`.
    private static func grub(_ grub: GRUB, _ version: GRUB.Version, _ boot: String) -> StarterRow {
        StarterRow(
            name: "GRUB 2 \(on(grub)), `multiboot\(version.rawValue)`", file: .elf, boot: boot, missing: GRUB.missing
        ) {
            try await grub.boot(BootPlan(modules: [($0, options)], commandLine: line), by: version)
        }
    }

    private static func grubLinux(_ grub: GRUB) -> StarterRow {
        StarterRow(name: "GRUB 2 \(on(grub)), `linux`", file: .mz, boot: linux, missing: GRUB.missing) { file in
            let commands = ["linux /loader.efi " + lineWithOptions, "initrd /" + file.lastPathComponent]
            return try await grub.boot(commands, [mz, file])
        }
    }

    private static func on(_ grub: GRUB) -> String { grub == .bios ? "on a BIOS" : "on UEFI" }
    private static let linux = "the Linux boot protocol"

    private static func syslinux(_ option: String) -> StarterRow {
        let name = "ISOLINUX, `mboot.c32\(option.isEmpty ? "" : " " + option)`"
        return StarterRow(name: name, file: .elf, boot: "Multiboot", missing: SYSLINUX.missing) {
            try await SYSLINUX.boot(BootPlan(modules: [($0, options)], commandLine: line), option: option)
        }
    }

    /// The stand-in, with the state of the starter called `preset`.
    private static func standIn(
        _ name: String, _ preset: String, _ file: File, _ boot: String, _ words: String = ""
    ) -> StarterRow {
        StarterRow(name: name + " (stand-in)", file: file, boot: boot, missing: { nil }) { application in
            try await Guest(
                initrd: file == .elf ? Project.loader : mz, modules: [application.path],
                loader: Project.fixture("starter"),
                append: "preset=\(preset) options=\(options)\(words.isEmpty ? "" : " " + words) -- \(line)"
            ).boot()
        }
    }

    /// OVMF, with what QEMU's `-kernel` names.
    private static func ovmf(_ machine: String) -> StarterRow {
        StarterRow(name: "OVMF on `\(machine)`, `-kernel`", file: .mz, boot: "UEFI", missing: OVMF.missing) { file in
            try await Guest(
                medium: ["-bios", OVMF.file.path, "-net", "none", "-kernel", mz.path], initrd: file, machine: machine,
                append: lineWithOptions
            ).boot()
        }
    }

    /// OVMF, from a disk made by `loader-inspect disk`, even if a rehearsal refuses the file.
    private static let disk = StarterRow(
        name: "OVMF, a disk", file: .mz, boot: "UEFI",
        missing: { OVMF.missing() ?? (MZTests.canMakeDisks ? nil : "sfdisk or mtools are not there: make deps") }
    ) { file in
        let folder = try BootFolder([])
        let words = ["--force", "--loader-options", options, "--command-line", line]
        let image = try await MZTests.disk(folder, words + [file.path])
        return try await MZTests.boot(disk: image, "if=virtio", machine: "q35")
    }

    /// All of them.
    static let all: [StarterRow] = [
        qemu("QEMU `pc`, SeaBIOS", "pc", .elf, "Multiboot"), qemu("QEMU `pc`, SeaBIOS", "pc", .elf, "PVH"),
        qemu("QEMU `q35`, SeaBIOS", "q35", .elf, "Multiboot"), qemu("QEMU `q35`, SeaBIOS", "q35", .elf, "PVH"),
        qemu("QEMU `microvm`, qboot", qboot, .elf, "Multiboot"), qemu("QEMU `microvm`, qboot", qboot, .elf, "PVH"),
        grub(.bios, .one, "Multiboot"), grub(.bios, .two, "Multiboot 2"),
        grub(.efi, .one, "Multiboot"), grub(.efi, .two, "Multiboot 2"),
        syslinux(""), syslinux("-aout"),
        StarterRow(name: "iPXE", file: .elf, boot: "Multiboot", missing: IPXE.missing) {
            try await IPXE.boot(BootPlan(modules: [($0, options)], commandLine: line))
        },
        standIn("Firecracker", "firecracker", .elf, "PVH"),
        standIn("Cloud Hypervisor", "cloud-hypervisor", .elf, "PVH"),
        standIn("Xen", "xen", .elf, "PVH"),
        standIn("kexec", "kexec", .elf, "Multiboot"),
        standIn("Firecracker before 1.12", "firecracker-linux", .elf, linux),
        standIn("crosvm, at `e_entry`", "crosvm-linux", .elf, linux),
        standIn("kexec, at `e_entry`", "kexec-linux", .elf, linux),
        qemu("QEMU `pc`, SeaBIOS", "pc", .mz, linux), qemu("QEMU `microvm`, qboot", qboot, .mz, linux),
        ovmf("pc"), ovmf("q35"), disk,
        grubLinux(.bios), grubLinux(.efi),
        StarterRow(name: "ISOLINUX, `LINUX`", file: .mz, boot: linux, missing: SYSLINUX.missing) { file in
            let words = ["LINUX /loader.efi", "INITRD /" + file.lastPathComponent, "APPEND " + lineWithOptions]
            return try await SYSLINUX.boot(words, [mz, file])
        },
        StarterRow(name: "iPXE", file: .mz, boot: linux, missing: IPXE.missing) {
            try await IPXE.boot(linux: mz, $0, lineWithOptions)
        },
        standIn("Cloud Hypervisor", "cloud-hypervisor-bzimage", .mz, linux),
        standIn("crosvm, at 2 MiB", "crosvm-linux", .mz, linux, "load=0x200000"),
        standIn("kexec, at 256 MiB", "kexec-linux", .mz, linux, "load=0x10000000"),
    ]

    /// Starters that cannot start one of the files, by which protocols, and why.
    static let impossible: [(name: String, file: File, reason: String)] = [
        ("UEFI firmware", .elf, "it starts PE files"),
        ("OVMF with `-kernel`", .elf, "QEMU prepares an ELF file for the option ROMs of a BIOS"),
        ("GRUB, `linux`; ISOLINUX, `LINUX`; Cloud Hypervisor with a bzImage", .elf, "they look for a bzImage"),
        ("GRUB, `multiboot` and `multiboot2`; `mboot.c32`", .mz, "they need an ELF file, or an address for all of it"),
        ("Firecracker; Xen's PVH guests", .mz, "they need an ELF file"),
    ]
}

extension GRUB {
    /// What is missing for it, on a BIOS or on UEFI.
    @Sendable static func missing() -> String? {
        areThere ? nil : "GRUB for BIOS and UEFI, OVMF, xorriso or mtools are not there: make deps"
    }
}

extension SYSLINUX {
    /// What is missing for it.
    @Sendable static func missing() -> String? {
        isThere ? nil : "SYSLINUX, ISOLINUX or xorriso are not there: make deps"
    }
}

extension IPXE {
    /// What is missing for it.
    @Sendable static func missing() -> String? { isThere ? nil : "QEMU's iPXE ROMs are not there: make deps" }
}

extension OVMF {
    /// What is missing for it.
    @Sendable static func missing() -> String? { isThere ? nil : "OVMF is not there: make deps" }
}

/// The result of a boot.
enum StarterResult: Equatable {
    case boots
    /// The loader refuses, with this status and a reason.
    case refused(Int32, String)
    /// Another failure, after the loader entered the kernel or before.
    case fails(Int32, String)

    init(_ outcome: Outcome, _ application: StartedApplication, _ row: StarterRow) {
        let serial = outcome.plain
        if let error = outcome.errors.first {
            // Without the advice.
            self = .refused(outcome.status, String(error.prefix { $0 != ";" }))
            return
        }
        var lacks: String?
        if !serial.contains("[LOADER] started by \(row.boot),") { lacks = "the loader was not started by it" }
        if lacks == nil, !serial.contains("[LOADER] RAM 0x") { lacks = "the loader's option did not arrive" }
        if lacks == nil, application.lastWords == "checks passed", !serial.contains(StarterRow.line) {
            lacks = "the command line did not arrive"
        }
        if lacks == nil, outcome.status != 3 || !serial.contains(application.lastWords) {
            let lines = serial.split(separator: "\n").filter { $0.contains(/panicked|requires|FAILED|exception|Err/) }
            lacks = lines.last.map(String.init) ?? "the kernel ended without its last words"
        }
        self = lacks.map { .fails(outcome.status, $0.trimmingCharacters(in: .whitespaces)) } ?? .boots
    }

    /// The text of a cell, and the note that it refers to.
    var words: (cell: String, note: String?) {
        switch self {
        case .boots: ("boots", nil)
        case .refused(let status, let sentence): ("refused", "status \(status): \(sentence)")
        case .fails(let status, let words): ("fails", "status \(status): \(words)")
        }
    }
}

/// A cell of the table: a row and a column.
struct StarterCell: CustomTestStringConvertible, Sendable {
    let row: StarterRow
    let application: StartedApplication

    var testDescription: String { "\(row.name), \(row.file.rawValue), \(row.boot): \(application.name)" }

    /// The reason why it cannot run here.
    var missing: String? {
        if !MZTests.isBuilt || !StarterTests.isBuilt { return "make loader fixtures" }
        if !Project.exists(application.file) { return "the image \(application.name) is not there" }
        return row.missing()
    }

    /// All, row by row.
    static let all = StarterRow.all.flatMap { row in
        StartedApplication.all.map { StarterCell(row: row, application: $0) }
    }

    /// The rows for `make matrix`: those whose words contain ROWS.
    static let wanted: [StarterCell] = {
        let rows = ProcessInfo.processInfo.environment["LOADER_MATRIX_ROWS"] ?? ""
        return all.filter { rows.isEmpty || $0.row.heading.contains(rows) }
    }()

    /// One cell of each row, each with the next application.
    static let sample = StarterRow.all.indices.map { index in
        StarterCell(
            row: StarterRow.all[index], application: StartedApplication.all[index % StartedApplication.all.count])
    }
}

/// The table of docs/starters.md.
struct StarterPage {
    static let file = Project.root.appendingPathComponent("docs/starters.md")
    private static let begin = "<!-- make matrix writes from here -->\n"
    private static let end = "<!-- to here -->\n"

    /// The cells' texts, by the headings of their row and their column, with the note in place of its letter.
    private var cells: [String: [String: String]] = [:]
    private let before: Substring
    private let after: Substring

    /// Reads the page.
    init(_ file: URL = StarterPage.file) throws {
        let text = try String(contentsOf: file, encoding: .utf8)
        let begin = try #require(text.range(of: StarterPage.begin), "the table's first mark is not there")
        let end = try #require(text.range(of: StarterPage.end), "the table's last mark is not there")
        (before, after) = (text[..<begin.upperBound], text[end.lowerBound...])
        let lines = text[begin.upperBound..<end.lowerBound].split(separator: "\n")
        var notes: [Substring: Substring] = [:]
        for line in lines { if let match = line.wholeMatch(of: /\((\w+)\) (.*)/) { notes[match.1] = match.2 } }
        let names = StartedApplication.all.map(\.name)
        for line in lines where line.hasPrefix("| ") {
            let fields = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.count == names.count + 3 else { continue }
            for (name, field) in zip(names, fields.dropFirst(3)) {
                let match = field.wholeMatch(of: /(\w+) \((\w+)\)/)
                let note = match.flatMap { notes[$0.2] }
                cells[fields[..<3].joined(separator: " | "), default: [:]][name] =
                    match.map { "\($0.1): \(note ?? "")" } ?? field
            }
        }
    }

    /// The page's text for `cell`; nil if it has none.
    subscript(cell: StarterCell) -> String? { cells[cell.row.heading]?[cell.application.name] }

    /// The text that the page should have for `result`.
    static func text(_ result: StarterResult) -> String {
        let words = result.words
        return words.note.map { "\(words.cell): \($0)" } ?? words.cell
    }

    /// The text without its hexadecimal numbers: firmware's addresses differ from version to version.
    static func comparable(_ text: String) -> String { text.replacing(/0x[0-9a-f]+/, with: "0x…") }

    /// Writes `result` into `cell` of the page, which is read again first: edits during the hours of boots are kept.
    static func write(_ result: StarterResult, to cell: StarterCell, of file: URL = StarterPage.file) throws {
        var page = try StarterPage(file)
        page.cells[cell.row.heading, default: [:]][cell.application.name] = text(result)
        try Data(page.text.utf8).write(to: file, options: .atomic)
    }

    /// The page with its table.
    private var text: String {
        let names = StartedApplication.all.map(\.name)
        var notes: [String] = []
        var lines = [
            "| started by | file | protocol | " + names.joined(separator: " | ") + " |",
            String(repeating: "|---", count: names.count + 3) + "|",
        ]
        for row in StarterRow.all {
            let fields = names.map { name in
                let text = cells[row.heading]?[name] ?? "not tried"
                guard let colon = text.range(of: ": ") else { return text }
                let note = String(text[colon.upperBound...])
                let index = notes.firstIndex(of: note) ?? notes.count
                if index == notes.count { notes.append(note) }
                return "\(text[..<colon.lowerBound]) (\(letter(index)))"
            }
            lines.append("| \(row.heading) | " + fields.joined(separator: " | ") + " |")
        }
        for (index, note) in notes.enumerated() { lines += ["", "(\(letter(index))) \(note)"] }
        lines += ["", "These cannot start it:", "", "| who | file | why not |", "|---|---|---|"]
        for row in StarterRow.impossible { lines.append("| \(row.name) | \(row.file.rawValue) | \(row.reason) |") }
        return before + lines.joined(separator: "\n") + "\n" + after
    }

    private func letter(_ index: Int) -> Character { Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(index % 26))) }
}
