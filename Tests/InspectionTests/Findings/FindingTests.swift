// Findings: each appears if its cause is present, and only then.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct FindingTests {
    /// A file and its expected findings, in order.
    struct Case: CustomStringConvertible {
        let description: String
        let bytes: [UInt8]
        let findings: [String]
    }

    /// The findings of a file without faults: who else would boot it, and that uhyve would take it for an old one.
    private static let usual = ["upstream", "no-uhyve"]

    /// An application of entry version 4 with segments of its own: one for code, and what `body` adds.
    private static func file(
        notes: [UInt8] = hermitNote(4) + abiTag(0, 13, 2), _ body: (inout ELFWriter) -> Void = { _ in }
    ) -> [UInt8] {
        var writer = ELFWriter()
        writer.hasLoadSegment = false
        writer.segments = [Segment(1, offset: 0, vaddr: 0, filesz: 0x600, align: 0x1000, flags: 5)]
        writer.append([0xf4] + [UInt8](repeating: 0, count: 0x1fff))
        if !notes.isEmpty { writer.addNotes(notes) }
        body(&writer)
        return writer.bytes
    }

    private static func load(at address: UInt64, size: UInt64 = 0x100, align: UInt64 = 0x1000, flags: UInt32) -> Segment
    {
        Segment(1, offset: address, vaddr: address, filesz: size, align: align, flags: flags)
    }

    static let cases: [Case] = {
        var cases: [Case] = []
        func add(_ name: String, _ findings: [String], _ bytes: [UInt8]) {
            cases.append(Case(description: name, bytes: bytes, findings: findings))
        }
        add("nothing", usual, file())
        add("separate pages", usual, file { $0.segments.append(load(at: 0x1000, flags: 6)) })
        add(
            "rwx segment", ["writable-code"] + usual, file { $0.segments.append(load(at: 0x1000, flags: 7)) })
        add("code and data on a page", ["shared-page"] + usual, file { $0.segments.append(load(at: 0x800, flags: 6)) })
        add("code and constants on a page", usual, file { $0.segments.append(load(at: 0x800, flags: 4)) })
        add(
            "executable stack", ["executable-stack"] + usual,
            file { $0.segments.append(Segment(0x6474_e551, offset: 0, vaddr: 0, filesz: 0, align: 16, flags: 7)) })
        add(
            "stack", usual,
            file { $0.segments.append(Segment(0x6474_e551, offset: 0, vaddr: 0, filesz: 0, align: 16, flags: 6)) })
        add(
            "incongruent", ["incongruent"] + usual,
            file {
                $0.segments.append(Segment(1, offset: 0x1008, vaddr: 0x1000, filesz: 8, align: 0x1000, flags: 4))
            })
        add(
            "small alignment", ["small-alignment"] + usual,
            file { $0.segments.append(load(at: 0x1000, align: 16, flags: 4)) })
        add(
            "empty segment", ["empty-segment"] + usual,
            file { $0.segments.append(load(at: 0x1000, size: 0, flags: 4)) })
        add(
            "entry point in data, where that can be executed",
            ["entry-not-code", "entry-zeros", "upstream", "no-uhyve"],
            file(notes: hermitNote(3)) {
                $0.segments.append(load(at: 0x1000, flags: 6))
                $0.entry = 0x1000
            })
        add("entry point in zeros", ["entry-zeros"] + usual, file { $0.entry += 8 })
        add("entry point at the end of the bytes", ["entry-zeros"] + usual, file { $0.entry = 0x5ff })
        add("section headers cut off", ["cut-short"] + usual, file().putting(1 << 20 as UInt64, at: 40))
        add("no section headers", usual, file().putting(0 as UInt64, at: 40))
        add("OSABI", ["osabi"] + usual, file { $0.osABI = 0 })
        add("GNU's OSABI", usual, file { $0.osABI = 3 })
        add(
            "text relocation", ["text-relocations"] + usual,
            file {
                $0.setDynamic($0.relaEntries([Relocation(8, at: 0x500)]))
                $0.segments.append(load(at: 0x2000, size: $0.next - 0x2000, flags: 4))
            })
        // Writable memory from 0x1000 to 0x1100, then read-only memory: the first and the last word, and the words around.
        for (address, isInside) in [(0xff8, false), (0x1000, true), (0x10f8, true), (0x1100, false)] as [(UInt64, Bool)]
        {
            add(
                "relocation at 0x\(String(address, radix: 16))", (isInside ? [] : ["text-relocations"]) + usual,
                file {
                    $0.segments[0] = Segment(1, offset: 0, vaddr: 0, filesz: 0x1000, align: 0x1000, flags: 5)
                    $0.segments.append(load(at: 0x1000, flags: 6))
                    $0.setDynamic($0.relaEntries([Relocation(8, at: address)]))
                    $0.segments.append(
                        Segment(
                            1, offset: 0x1100, vaddr: 0x1100, filesz: $0.next - 0x1100, align: 0x1000, flags: 4))
                })
        }
        add(
            "header outside", ["entry-zeros", "no-header-in-image"] + usual,
            file {
                $0.segments[0] = Segment(1, offset: 0x1000, vaddr: 0, filesz: 0x600, align: 0x1000, flags: 5)
            })
        func template(_ size: UInt64) -> Segment {
            Segment(7, offset: 0, vaddr: 0, filesz: 0, memsz: size, align: 8, flags: 4)
        }
        add("thread-local storage", usual, file { $0.segments.append(template(0x100_0000)) })
        add(
            "as much thread-local storage as RAM", ["thread-local-size"] + usual,
            file { $0.segments.append(template(0x4000_0000)) })
        add("no notes at all", ["no-entry-version"] + usual, file(notes: []))
        add("no ABI tag", ["no-abi-tag"] + usual, file(notes: hermitNote(4)))
        add("older without ABI tag", usual, file(notes: hermitNote(3)))
        let interface = note(Array("UHYVEIF\0".utf8), type: 0x5b00, desc: [0, 0, 0, 2])
        add("uhyve", ["upstream", "uhyve"], file(notes: hermitNote(4) + abiTag(0, 13, 2) + interface))
        add(
            "unusual type", ["upstream", "upstream-relocations", "no-uhyve"],
            file {
                $0.segments.append(load(at: 0x1000, flags: 6))
                $0.setDynamic($0.relaEntries([Relocation(38, at: 0x1000), Relocation(8, at: 0x1008)]))
                $0.segments.append(load(at: 0x2000, size: $0.next - 0x2000, flags: 4))
            })
        add(
            "unusual table", ["upstream", "upstream-tables", "no-uhyve"],
            file {
                $0.segments.append(load(at: 0x1000, flags: 6))
                $0.setDynamic($0.relrEntries([0x1000]))
                $0.segments.append(load(at: 0x2000, size: $0.next - 0x2000, flags: 4))
            })
        add(
            "linked at 16 MiB", ["writable-code", "executable-stack", "upstream", "upstream-16m", "no-uhyve"],
            Sample.fixed)
        let tag = abiTag(0, 13, 2)
        let bytes = file(notes: hermitNote(4)) + tag
        add(
            "note in no segment", ["note-outside-segment", "no-abi-tag"] + usual,
            Sample.adding([(".note.ABI-tag", 7, bytes.count - tag.count, UInt64(tag.count))], to: bytes))
        let table = [UInt8](repeating: 0, count: 48)
        add(
            "relocations of a static executable", ["unnamed-relocations"] + usual,
            Sample.adding([(".rela.iplt", 4, file().count, 48)], to: file() + table))
        add(
            "relocations that are named", usual,
            file {
                $0.segments.append(load(at: 0x1000, flags: 6))
                $0.setDynamic($0.relaEntries([Relocation(8, at: 0x1000)]))
                $0.segments.append(load(at: 0x2000, size: $0.next - 0x2000, flags: 4))
            })
        add("object file", ["upstream"], Sample.object)
        return cases
    }()

    @Test(arguments: cases) func appearsWhereItsCauseIs(_ sample: Case) async throws {
        let folder = try Folder()
        try folder.write("file", sample.bytes)
        let run = try await Tool.run(["--json", "file"], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        #expect(document?["status"] as? Int == 0, "\(run.output)")
        let findings = document?["findings"] as? [[String: Any]] ?? []
        #expect(findings.map { $0["name"] as? String ?? "" } == sample.findings)
        for finding in findings {
            for member in ["sentence", "advice"] {
                let text = finding[member] as? String ?? ""
                #expect(text.count > 15 && !text.hasSuffix("."), "\(text)")
            }
        }
        // A quiet run prints warnings, and otherwise nothing.
        let quiet = try await Tool.run(["--quiet", "file"], in: folder.url)
        let warnings = findings.filter { $0["severity"] as? String == "warning" }.count
        #expect(quiet.output.components(separatedBy: "\n  warning ").count - 1 == warnings)
        #expect(quiet.output.isEmpty == (warnings == 0))
        #expect(!quiet.output.contains("  note "))
    }

    /// A file that is not ELF may still have a known format.
    @Test func otherForms() async throws {
        let folder = try Folder()
        let forms: [(String, [UInt8], String?)] = [
            ("archive", Array("!<arch>\n/".utf8), "an archive"), ("thin", Array("!<thin>\n".utf8), "a thin archive"),
            ("bitcode", [0x42, 0x43, 0xc0, 0xde, 1], "bitcode"),
            ("gzip", [0x1f, 0x8b, 8, 0], "gzip, as Hermit images are"),
            ("tar", [UInt8](repeating: 0, count: 257) + Array("ustar".utf8), "a tar archive"),
            ("zstd", [0x28, 0xb5, 0x2f, 0xfd], "zstd"), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], "xz"),
            ("pe", Array("MZ\0\0".utf8), "UEFI"), ("macho", [0xcf, 0xfa, 0xed, 0xfe], "Mach-O"),
            ("script", Array("#!/bin/sh\n".utf8), "a script"), ("text", Array("root:x:0".utf8), nil),
            ("short", [0x1f], nil), ("empty", [], nil),
        ]
        for (name, bytes, word) in forms {
            try folder.write(name, bytes)
            let run = try await Tool.run([name], in: folder.url)
            #expect(run.status == (bytes.isEmpty ? 1 : 2))
            let note = run.output.split(separator: "\n").first { $0.hasPrefix("  note         this is ") }
            #expect(note.map { $0.contains(word ?? "nothing") } == word.map { _ in true }, "\(run.output)")
        }
    }

    /// QEMU passes an empty module by Multiboot, but not by PVH.
    @Test(arguments: [
        ("multiboot", "the file is empty"), ("pvh", "no application was given"), ("multiboot2", "the file is empty"),
        ("linux", "no application was given"),
    ])
    func emptyFiles(_ name: String, _ sentence: String) async throws {
        let folder = try Folder()
        try folder.write("empty", [])
        let run = try await Tool.run(["--protocol", name, "empty"], in: folder.url)
        #expect(run.status == 1 && run.output.contains("  error: \(sentence); "), "\(run.output)")
    }

    /// The guest refuses options without effect; the host reports them beforehand.
    @Test func optionsWithoutEffect() async throws {
        let folder = try Folder()
        try folder.write("application", Sample.application)
        let forKernel =
            "error: a loader option on the kernel's command line, where it has no effect, from here: 'loader.quiet'; "
        let afterOthers =
            "error: a loader option that does not come first on the command line, and so has no effect, from here: 'loader.quiet'; "
        for (start, line, sentence) in [
            ("multiboot", "loader.quiet", forKernel), ("multiboot", "a loader.quiet", forKernel),
            ("pvh", "a loader.quiet", afterOthers), ("pvh", "loader.quiet", nil), ("multiboot", "-- loader.quiet", nil),
            ("pvh", "-- loader.quiet", nil), ("multiboot", "loader.elf", nil),
            ("multiboot2", "loader.quiet", forKernel),
            ("linux", "a loader.quiet", afterOthers), ("linux", "BOOT_IMAGE=/loader loader.quiet", nil),
        ] {
            let run = try await Tool.run(
                ["--protocol", start, "--command-line", line, "application"], in: folder.url)
            #expect(run.status == (sentence == nil ? 0 : 1), "\(start) \(line): \(run.output)")
            if let sentence { #expect(run.output.contains(sentence), "\(start) \(line): \(run.output)") }
        }
    }

    /// Overlapping segments are a fault, not a finding: the file does not boot.
    @Test func overlappingSegments() async throws {
        let folder = try Folder()
        try folder.write("file", Self.file { $0.segments.append(Self.load(at: 0x500, flags: 4)) })
        let run = try await Tool.run(["--json", "file"], in: folder.url)
        #expect(run.status == 2)
        #expect(run.output.contains(#""rule" : "segmentsOverlap""#))
    }
}
