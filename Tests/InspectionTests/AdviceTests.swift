// Advice that is followed as it is written leads to a boot, or to another, later refusal.

import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct AdviceTests {
    /// One call of the tool: the file, libraries, and options.
    struct Call {
        var file: [UInt8]
        var libraries: [[UInt8]] = []
        var options: [String] = []
    }

    /// A call that breaks a rule, and one for each way to follow the advice.
    struct Case {
        var rule: Rule
        var broken: Call
        var followed: [Call]
    }

    // MARK: Files

    /// An application linked at `base`, fixed or not; `change` spoils it, or mends it.
    private static func application(
        fixed: Bool = false, at base: UInt64 = 0, notes: [UInt8] = hermitNote(4) + abiTag(0, 13, 2),
        _ change: (inout ELFWriter) -> Void = { _ in }
    ) -> [UInt8] {
        var writer = ELFWriter(type: fixed ? 2 : 3, base: fixed ? base : 0)
        writer.append([0xf4, 0xeb, 0xfd])
        if !notes.isEmpty { writer.addNotes(notes) }
        change(&writer)
        return writer.bytes
    }

    /// An object file with code of 16 bytes and a word of data.
    private static func object(_ relocations: [Relocation] = [], _ change: (inout ObjectFile) -> Void = { _ in })
        -> [UInt8]
    {
        var file = ObjectFile()
        file.symbols = [
            ObjectSymbol(name: "_start", size: 16, info: 0x12, section: 1),
            ObjectSymbol(name: "absent", section: 0), ObjectSymbol(name: "far", value: 1 << 40),
            ObjectSymbol(name: "variable", size: 8, info: 0x16, section: 4),
        ]
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [UInt8](repeating: 0xf4, count: 16)),
            ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 1, count: 8), relocations: relocations),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4)),
            ObjectSection(name: ".tdata", flags: 0x403, align: 8, bytes: [UInt8](repeating: 2, count: 8)),
        ]
        change(&file)
        return file.bytes
    }

    private static func library(type: UInt16 = 3, _ name: String = "liba.so") -> [UInt8] {
        var writer = ELFWriter(type: type)
        let names = Array(("\0" + name + "\0").utf8)
        let strings = writer.append(names)
        writer.setDynamic([(14, 1), (5, strings), (10, UInt64(names.count))])
        return writer.bytes
    }

    /// An application that needs liba.so.
    private static let needing = application { writer in
        let names = Array("\0liba.so\0".utf8)
        let strings = writer.append(names)
        writer.setDynamic([(1, 1), (5, strings), (10, UInt64(names.count))])
    }

    private static func options(_ words: String) -> [String] { ["--loader-options", words] }

    /// What can be wrong with Hermit images.
    private static func addImages(to cases: inout [Case]) {
        let image = ImageWriter(application())
        let sound = Call(file: image.packed)
        func add(_ rule: Rule, _ broken: [UInt8], _ followed: Call? = nil, options: [String] = []) {
            cases.append(Case(rule: rule, broken: Call(file: broken, options: options), followed: [followed ?? sound]))
        }
        func with(_ change: (inout ImageWriter) -> Void) -> [UInt8] {
            var image = image
            change(&image)
            return image.archive
        }
        func tar(_ offset: Int, _ bytes: String) -> [UInt8] {
            // The first header, changed, with a sum that is right.
            var archive = image.archive
            archive.replaceSubrange(offset..<offset + bytes.utf8.count, with: Array(bytes.utf8))
            archive.replaceSubrange(148..<156, with: Array("        ".utf8))
            let digits = String(archive[..<512].reduce(0) { $0 + Int($1) }, radix: 8)
            archive.replaceSubrange(
                148..<155, with: Array((String(repeating: "0", count: 6 - digits.count) + digits + "\0").utf8))
            return archive
        }
        let packed = image.packed
        add(.gzipHeaderUnknown, packed.putting(7 as UInt8, at: 2))
        add(.gzipTruncated, Array(packed.dropLast()))
        add(.gzipChecksum, packed.putting(0 as UInt32, at: packed.count - 8))
        add(.gzipTrailingBytes, packed + [1])
        add(.deflateBlockUnknown, packed.putting(7 as UInt8, at: 10))
        add(.deflateStoredLength, packed.putting(packed[11] ^ 1, at: 11))
        add(.deflateCodeLengths, Array(packed.prefix(10)) + [UInt8](repeating: 0xfd, count: 20))
        add(.deflateSymbolUnknown, Array(packed.prefix(10)) + [0x1b, 0x03] + [UInt8](repeating: 0, count: 20))
        add(.deflateDistance, Array(packed.prefix(10)) + [0x03, 0x02] + [UInt8](repeating: 0, count: 20))
        add(.tarTruncated, Array(image.archive.prefix(900)))
        add(.tarChecksum, ImageWriter.gzip(image.archive.putting(1 as UInt8, at: 20)))
        add(.tarNumber, tar(124, "9"))
        add(.tarRecord, with { $0.files.append(("x", [])) }.putting(header: "x", size: 0, type: "x", data: [0x31]))
        add(.tarEntryUnknown, tar(156, "S"))
        add(.tarPathOutside, with { $0.files.append(("../x", [])) })
        add(.configurationMissing, with { $0.configuration = nil })
        add(.configurationSyntax, with { $0.configuration! += "=" })
        add(.configurationKey, with { $0.configuration! += "name = 1" })
        add(.configurationValue, with { $0.configuration! += "[requirements]\ncpus = -1" })
        add(.configurationIncomplete, with { $0.configuration = "version = '1'" })
        add(.configurationVersion, with { $0.configuration = "kernel = 'app'" })
        add(.kernelNotInArchive, with { $0.configuration = "version = '1'\nkernel = 'other'" })
        let demanding = with { $0.configuration! += "[requirements]\nmemory = '2 GiB'" }
        add(
            .memoryBelowRequirement, demanding, Call(file: demanding, options: ["--memory", "3G"]),
            options: ["--memory", "1G"])
        // 4 MiB of zeros after it: a stored member of 64 KiB over and over.
        let zeros = ImageWriter.gzip([UInt8](repeating: 0, count: 65535))
        let large = packed + (0..<64).flatMap { _ in zeros }
        add(.archiveTooLarge, large, Call(file: large, options: ["--memory", "64M"]), options: ["--memory", "8M"])
    }

    // MARK: The table

    static let cases: [Case] = {
        var cases: [Case] = []
        func add(_ rule: Rule, _ broken: Call, _ followed: Call...) {
            cases.append(Case(rule: rule, broken: broken, followed: followed))
        }
        let sound = Call(file: application())
        let big = UInt64(4) << 30
        let digest = String(repeating: "0", count: 64)

        addImages(to: &cases)

        // Files that something was done to, or that are something else.
        add(.emptyFile, Call(file: []), sound)
        add(.notELF, Call(file: Array("text".utf8)), sound)
        add(.fileTooShort, Call(file: Array(sound.file.prefix(40))), sound)
        add(.notClass64, Call(file: sound.file.putting(1 as UInt8, at: 4)), sound)
        add(.notLittleEndian, Call(file: sound.file.putting(2 as UInt8, at: 5)), sound)
        add(.wrongMachine, Call(file: sound.file.putting(183 as UInt16, at: 18)), sound)
        add(.coreFile, Call(file: sound.file.putting(4 as UInt16, at: 16)), sound)
        add(.unknownFileType, Call(file: sound.file.putting(7 as UInt16, at: 16)), sound)
        add(.programHeadersBeyondFile, Call(file: Array(sound.file.prefix(100))), sound)
        add(.segmentBeyondFile, Call(file: Array(sound.file.dropLast(8))), sound)
        add(.noProgramHeaders, Call(file: sound.file.putting(0 as UInt16, at: 56)), sound)
        add(.noLoadSegment, Call(file: application { $0.hasLoadSegment = false }), sound)
        add(
            .segmentsOverlap,
            Call(file: application { $0.segments.append(Segment(1, offset: 0, vaddr: 0, filesz: 64)) }),
            Call(file: application { $0.segments.append(Segment(1, offset: 0, vaddr: 0x10000, filesz: 64)) }))
        add(
            .needsInterpreter,
            Call(file: application { $0.segments.append(Segment(3, offset: 1, vaddr: 1, filesz: 3)) }), sound)
        add(
            .tlsOutsideImage,
            Call(file: application { $0.segments.append(Segment(7, offset: 0, vaddr: 1 << 20, filesz: 8)) }),
            Call(file: application { $0.segments.append(Segment(7, offset: 960, vaddr: 960, filesz: 8)) }))
        add(
            .tlsBeforeImage,
            Call(
                file: application(fixed: true, at: 0x80_0100) {
                    $0.segments.append(Segment(7, offset: 0, vaddr: 0x80_0100, filesz: 8, align: 0x1000))
                }),
            Call(
                file: application(fixed: true, at: 0x80_0000) {
                    $0.segments.append(Segment(7, offset: 0, vaddr: 0x80_0000, filesz: 8, align: 0x1000))
                }))

        // The entry point.
        add(.entryOutsideImage, Call(file: application { $0.entry = 1 << 20 }), sound)
        add(.entryInHeader, Call(file: application { $0.entry = 0 }), sound)
        add(.entryWithoutBytes, Call(file: application { ($0.zeroFill, $0.entry) = (0x1000, 0x1000) }), sound)
        let readOnly = application {
            $0.hasLoadSegment = false
            $0.segments.append(Segment(1, offset: 0, vaddr: 0, filesz: 1000, flags: 4))
        }
        let executable = application {
            $0.hasLoadSegment = false
            $0.segments.append(Segment(1, offset: 0, vaddr: 0, filesz: 1000, flags: 5))
        }
        add(
            .entryNotExecutable, Call(file: readOnly), Call(file: executable),
            Call(file: readOnly, options: options("loader.no-protect")))
        add(
            .entryNotExecutable, Call(file: object { $0.sections[0].flags = 2 }), Call(file: object()),
            Call(file: object { $0.sections[0].flags = 2 }, options: options("loader.no-protect")))
        add(
            .debuggingInformationOnly,
            Call(
                file: Sample.adding([(".text", 8, 0, 0)], to: sound.file).withSection(1, flags: 6, at: 0, size: 0x1000)),
            sound)
        add(.entrySymbolMissing, Call(file: object { $0.symbols[0].name = "main" }), Call(file: object()))
        add(.noSymbolTable, Call(file: object().replacingType(2, with: 1)), Call(file: object()))
        add(.noSectionHeaders, Call(file: object().putting(0 as UInt64, at: 40)), Call(file: object()))

        // Notes.
        let versions = (1...5).map { hermitNote($0) }
        add(
            .entryVersionSize,
            Call(file: application(notes: note(Array("HERMIT\0".utf8), type: 0x5a00, desc: [1, 2]))), sound)
        add(.contradictoryEntryVersion, Call(file: application(notes: versions[0] + versions[1])), sound)
        add(
            .abiTagSize,
            Call(file: application(notes: versions[3] + note(Array("GNU\0".utf8), type: 1, desc: [6, 0, 0, 0]))),
            sound)
        add(.abiTagNotHermit, Call(file: application(notes: versions[3] + abiTag(3, 2, 0, system: 0))), sound)
        let unmarked = application(notes: []) { $0.osABI = 0 }
        add(
            .missingEntryVersion, Call(file: unmarked), sound,
            Call(file: unmarked, options: options("loader.generation=0")),
            Call(file: unmarked, options: options("loader.generation=4-recursive")),
            Call(file: unmarked, options: options("loader.generation=4-identity")))

        // Options.
        add(.unknownLoaderOption, Call(file: sound.file, options: options("loader.align")), sound)
        add(.alignmentOptionMisplaced, Call(file: sound.file, options: options("loader.align16")), sound)
        add(
            .digestMalformed, Call(file: sound.file, options: options("loader.sha256=12")),
            Call(file: sound.file, options: options("loader.sha256=\(digest)")))
        add(.digestDiffers, Call(file: sound.file, options: options("loader.sha256=\(digest)")), sound)
        add(
            .baseMalformed, Call(file: sound.file, options: options("loader.base=4x")),
            Call(file: sound.file, options: options("loader.base=8388608")),
            Call(file: sound.file, options: options("loader.base=0x800000")))
        add(
            .baseMisaligned, Call(file: sound.file, options: options("loader.base=0x801000")),
            Call(file: sound.file, options: options("loader.base=0x800000")))
        add(
            .baseOutsideMemory, Call(file: sound.file, options: options("loader.base=0x40000000")),
            Call(file: sound.file, options: options("loader.base=0x800000")),
            Call(file: sound.file, options: options("loader.base=0x40000000") + ["--memory", "2G"]))
        add(
            .baseTooHigh,
            Call(
                file: application(notes: versions[1]), options: options("loader.base=0x60000000") + ["--memory", "2G"]),
            Call(
                file: application(notes: versions[1]), options: options("loader.base=0x800000") + ["--memory", "2G"]))
        let fixed = application(fixed: true, at: 0x80_0000)
        add(
            .baseOfFixedImage, Call(file: fixed, options: options("loader.base=0x400000")), Call(file: fixed),
            Call(file: sound.file, options: options("loader.base=0x400000")))
        add(
            .randomPlaceOfFixedImage, Call(file: fixed, options: options("loader.kaslr")), Call(file: fixed),
            Call(file: sound.file, options: options("loader.kaslr")))

        // Memory.
        add(
            .imageTooLarge, Call(file: application { $0.zeroFill = big }, options: ["--memory", "64G"]), sound,
            Call(file: application { $0.zeroFill = 1 << 20 }))
        add(
            .imageTooLarge, Call(file: application { $0.zeroFill = 1 << 30 }),
            Call(file: application { $0.zeroFill = 1 << 30 }, options: ["--memory", "2G"]))
        add(
            .noRoomForImage, Call(file: application { $0.zeroFill = 28 << 20 }, options: ["--memory", "30M"]),
            Call(file: application { $0.zeroFill = 28 << 20 }, options: ["--memory", "64M"]),
            Call(file: application { $0.zeroFill = 8 << 20 }, options: ["--memory", "30M"]))
        add(
            .noRoomForImage, Call(file: application { $0.alignment = 1 << 30 }),
            Call(file: application { $0.alignment = 1 << 30 }, options: ["--memory", "3G"]),
            Call(file: application { $0.alignment = 1 << 21 }))
        for base in [4, 5, 64] as [UInt64] {
            add(
                .imageAboveReach, Call(file: application(fixed: true, at: base << 30), options: ["--memory", "128G"]),
                Call(file: fixed), sound)
        }
        add(
            .imageOutsideMemory, Call(file: application(fixed: true, at: 0x6000_0000)), Call(file: fixed), sound,
            Call(file: application(fixed: true, at: 0x6000_0000), options: ["--memory", "2G"]))
        add(
            .imageOutsideMemory, Call(file: application(fixed: true, at: 0xe000_0000), options: ["--memory", "64G"]),
            Call(file: fixed), sound)
        // Over what the firmware keeps below 1 MiB: the EBDA, and qboot's tables.
        add(
            .imageOverFirmware, Call(file: application(fixed: true, at: 0x9_f000) { $0.zeroFill = 0x1000 }),
            Call(file: application(fixed: true, at: 0x100_0000)), sound)
        add(
            .imageOverNonVolatile,
            Call(file: application(fixed: true, at: 0xd_0000), options: ["--machine", "microvm"]),
            Call(file: application(fixed: true, at: 0x100_0000), options: ["--machine", "microvm"]),
            Call(file: sound.file, options: ["--machine", "microvm"]))
        let low = application(fixed: true, at: 0x1_0000, notes: versions[3])
        add(
            .noRoomForHandoff, Call(file: low, options: ["--memory", "64M"]),
            Call(file: application(fixed: true, at: 0x80_0000, notes: versions[3]), options: ["--memory", "64M"]))
        // Over module and loader, and up to the end of memory.
        let whole = application(fixed: true, at: 0x10_0000) { $0.zeroFill = (29 << 20) + 0x1000 }
        add(
            .noRoomForModule, Call(file: whole, options: ["--memory", "30850K"]),
            Call(file: whole, options: ["--memory", "128M"]))
        let heavy = application { $0.append([UInt8](repeating: 1, count: 4 << 20)) }
        add(
            .moduleOutsideMemory, Call(file: heavy, options: ["--memory", "4M"]),
            Call(file: heavy, options: ["--memory", "64M"]), Call(file: sound.file, options: ["--memory", "4M"]))

        // Libraries and symbols.
        add(
            .needsLibrary, Call(file: needing), Call(file: needing, libraries: [library()]), sound)
        add(
            .notSharedObject, Call(file: needing, libraries: [library(type: 2)]),
            Call(file: needing, libraries: [library()]))
        add(
            .optionMisplaced, Call(file: needing, libraries: [library()], options: ["--module", "lib0 loader.quiet"]),
            Call(file: needing, libraries: [library()], options: options("loader.quiet")))
        add(
            .optionForKernel, Call(file: sound.file, options: ["--command-line", "one loader.quiet"]),
            Call(file: sound.file, options: options("loader.quiet") + ["--command-line", "one"]),
            Call(file: sound.file, options: ["--command-line", "one -- loader.quiet"]))
        add(
            .optionAfterOthers,
            Call(file: sound.file, options: ["--protocol", "pvh", "--command-line", "one loader.quiet"]),
            Call(file: sound.file, options: ["--protocol", "pvh", "--command-line", "loader.quiet one"]),
            Call(file: sound.file, options: ["--protocol", "pvh", "--command-line", "one -- loader.quiet"]))
        add(
            .symbolUndefined, Call(file: object([Relocation(1, at: 0, symbol: 2)])),
            Call(file: object([Relocation(1, at: 0, symbol: 1)])))
        add(
            .symbolThreadLocal, Call(file: object([Relocation(1, at: 0, symbol: 4)])),
            Call(file: object([Relocation(1, at: 0, symbol: 1)])))
        add(
            .symbolNotThreadLocal, Call(file: object([Relocation(18, at: 0, symbol: 1)])),
            Call(file: object([Relocation(18, at: 0, symbol: 4)])))
        add(
            .relocationOverflow, Call(file: object([Relocation(11, at: 0, symbol: 3)])),
            Call(file: object([Relocation(1, at: 0, symbol: 3)])))
        return cases
    }()

    /// Rules that the table has no case for, and why.
    private static let exempt: [Rule: String] = {
        var reasons: [Rule: String] = [:]
        for rule in RuleTable.all {
            let advice = "\(rule.words.advice)"
            for word in ["the file is damaged", "please report it", "is at fault"]
            where advice.hasPrefix(word) || advice.hasSuffix(word) {
                reasons[rule] = "there is nothing to follow: \(advice)"
            }
        }
        let others: [(String, [Rule])] = [
            ("without a module there is no file to inspect: RefusalTests boots it", [.noModule]),
            ("a library, which the loader never asks to be linked", [.objectFile]),
            ("there is no newer loader", [.unknownEntryVersion]),
            (
                "who starts it is the starter's: GuestTests",
                [.unknownBootProtocol, .commandLineTooLong, .tooManyModules]
            ),
            (
                "tested with linkers' files: LibraryVersionTests, LibraryTests, VectorTests",
                [
                    .versionMissing, .symbolVersionMissing, .copyWithoutSource, .relocationTypeUnknown,
                    .relocationOnlyInObjects,
                    .relocationOnlyInLinkedFiles, .relativeCountWrong, .resolverOutOfPlace, .tlsSequenceUnknown,
                    .compactRelocationsMalformed, .symbolNotLoaded, .relocationFormUnknown, .sectionsApart,
                ]
            ),
            ("tested with many sections: LayoutTests", [.tooManyPriorities, .tooManySectionNames]),
            ("nobody tells a host's rehearsal of processors: ImageTests boots it", [.processorsBelowRequirement]),
            ("QEMU makes no such machine", [.memoryTooSmall, .deviceTreeRoom, .imageOverTables, .imageOverDefective]),
            (
                "cut files are cut in several places: the others stand for them",
                [
                    .sectionHeadersBeyondFile, .sectionBeyondFile, .noSectionHeaderForCount,
                ]
            ),
        ]
        for (reason, rules) in others {
            for rule in rules { reasons[rule] = reason }
        }
        return reasons
    }()

    /// What the tool says of `call`: its exit status, the name of the rule, the sentence with the advice.
    private func run(_ call: Call) async throws -> (status: Int32, rule: String, sentence: String) {
        let folder = try Folder()
        try folder.write("app", call.file)
        var words = ["--json"]
        for (index, library) in call.libraries.enumerated() {
            try folder.write("lib\(index)", library)
            try folder.write("lib\(index) loader.quiet", library)
            if !call.options.contains("--module") { words += ["--module", "lib\(index)"] }
        }
        let run = try await Tool.run(words + call.options + ["app"], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        let error = document?["error"] as? [String: Any]
        return (run.status, error?["rule"] as? String ?? "", error?["sentence"] as? String ?? "")
    }

    @Test(arguments: cases.indices) func adviceWorks(_ index: Int) async throws {
        let one = Self.cases[index]
        let broken = try await run(one.broken)
        #expect(broken.rule == "\(one.rule)" && broken.status != 0, "\(broken)")
        #expect(broken.sentence.hasSuffix("\(one.rule.words.advice)"), "\(broken)")
        for call in one.followed {
            let followed = try await run(call)
            #expect(followed.status == 0 || followed.rule != broken.rule, "\(broken), and followed \(followed)")
            // A digest that is none of the file's is the only step on the way.
            #expect(followed.status == 0 || one.rule == .digestMalformed, "\(broken), and followed \(followed)")
        }
    }

    /// No advice is left out by mistake.
    @Test func everyAdviceIsAccountedFor() {
        let tested = Set(Self.cases.map(\.rule))
        for rule in RuleTable.all {
            #expect(tested.contains(rule) || Self.exempt[rule] != nil, "nothing is known of \(rule)")
        }
    }

    /// Whoever started the loader, its words are theirs.
    @Test func adviceIsNeutral() {
        for rule in RuleTable.all {
            let advice = "\(rule.words.advice)"
            for word in ["-initrd", "-append", "(-m)", "-cpu"] {
                #expect(!advice.contains(word), "\(rule): \(advice)")
            }
        }
    }
}

/// Every rule.
enum RuleTable {
    static let all: [Rule] = (0...255 as ClosedRange<UInt8>).compactMap { Rule(rawValue: $0) }
}

extension [UInt8] {
    /// The archive, before which there is an entry of `type`.
    fileprivate func putting(header name: String, size: Int, type: Character, data: [UInt8]) -> [UInt8] {
        ImageWriter.header(name, size: data.count, type: type) + data + [UInt8](repeating: 0, count: 512 - data.count)
            + self
    }

    /// The file, the header of whose section `index` says that it is in memory.
    fileprivate func withSection(_ index: Int, flags: UInt64, at address: UInt64, size: UInt64) -> [UInt8] {
        let header = Int(number(UInt64.self, at: 40)) + 64 * index
        return putting(flags, at: header + 8).putting(address, at: header + 16).putting(size, at: header + 32)
    }

    /// The file, whose section headers have one type instead of another.
    fileprivate func replacingType(_ old: UInt32, with new: UInt32) -> [UInt8] {
        var file = self
        let table = Int(number(UInt64.self, at: 40))
        for index in 0..<Int(number(UInt16.self, at: 60)) where number(UInt32.self, at: table + 64 * index + 4) == old {
            file.put(new, at: table + 64 * index + 4)
        }
        return file
    }
}
