// The report at each verbosity, line by line.

import Boot
import Bytes
import Diagnostics
import Firmware
import Linking
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ReportTests {
    /// A position-independent application of 1124 bytes beside two unused modules.
    private static let scenario = Scenario(
        regions: [
            MemoryRegion(range: AddressRange(0, 0x9_fc00), kind: .available),
            MemoryRegion(range: AddressRange(0xf_0000, 0x10_0000), kind: .reserved),
            MemoryRegion(range: AddressRange(0x10_0000, 0x800_0000), kind: .available),
        ], isPVH: false, firmware: [AddressRange(at: 0x9500, size: 116)],
        modules: [
            AddressRange(0x13_0000, 0x13_1000), AddressRange(0x13_2000, 0x13_3000), AddressRange(0x13_4000, 0x13_5000),
        ], loader: AddressRange(0x10_0000, 0x12_8000), isFixed: false, base: 0, zeroFill: 0, alignment: 0x1000,
        generation: .fourIdentity)

    /// The lines about the application and its place.
    private func lines(
        _ verbosity: Verbosity, _ change: (inout Scenario) -> Void = { _ in }
    ) throws -> (found: [String], placed: [String], handoff: HandoffLayout) {
        var scenario = Self.scenario
        change(&scenario)
        let file = scenario.file
        let application = try Application(ByteView(file.span.bytes))
        let platform = try scenario.platform()
        let boot = try #require(BootedMachine(scenario, gigabytePages: true))
        var found = BufferedSink(), placed = BufferedSink()
        Report.found(application, platform.facts, verbosity, to: &found)
        Report.placed(application, boot.plan, RelocationCounts(), boot.state, verbosity, to: &placed)
        #expect(found.isFlushed && placed.isFlushed)
        return (
            found.text.split(separator: "\n").map { String($0) }, placed.text.split(separator: "\n").map { String($0) },
            boot.plan.handoff
        )
    }

    @Test func `a quiet boot prints nothing`() throws {
        let said = try lines(.quiet)
        #expect(said.found == [] && said.placed == [])
    }

    @Test func `a boot prints its application and addresses`() throws {
        let said = try lines(.normal)
        let size = Self.scenario.file.count
        #expect(
            said.found == [
                "[LOADER] version \(Version.text): ET_DYN, \(size) bytes, Hermit 0.13.0 (entry version 4, "
                    + "identity-mapped RAM)",
                "[LOADER] started by Multiboot, RAM up to 0x8000000, unused modules: 2",
            ])
        #expect(
            said.placed == [
                "[LOADER] image at 0x200000-0x200\(String(size - 1, radix: 16))", "[LOADER] 0 relocations",
                "[LOADER] BootInfo at 0x\(String(said.handoff.bootInfo, radix: 16)), stack at "
                    + "0x\(String(said.handoff.stack.start, radix: 16)), entry point 0x2003c0",
            ])
        let alone = try lines(.normal) { $0.modules.removeLast(2) }
        #expect(alone.found.last == "[LOADER] started by Multiboot, RAM up to 0x8000000")
        let one = try lines(.normal) { $0.modules.removeLast() }
        #expect(one.found.last == "[LOADER] started by Multiboot, RAM up to 0x8000000, unused modules: 1")
    }

    @Test func `a verbose boot prints the same lines, and more`() throws {
        let (said, all) = (try lines(.normal), try lines(.verbose))
        #expect(Array(all.found.prefix(said.found.count)) == said.found)
        #expect(
            Array(all.found.dropFirst(said.found.count)) == [
                "[LOADER] RAM 0x0-0x9fbff", "[LOADER] reserved by the firmware 0xf0000-0xfffff",
                "[LOADER] RAM 0x100000-0x7ffffff", "[LOADER] Multiboot information 0x9500-0x9573",
                "[LOADER] module 0x130000-0x130fff", "[LOADER] module 0x132000-0x132fff",
                "[LOADER] module 0x134000-0x134fff",
                "[LOADER] segment 0: linked at 0x0-0x\(String(Self.scenario.file.count - 1, radix: 16)), "
                    + "\(Self.scenario.file.count) bytes in the file, rwx",
            ])
        #expect(Array(all.placed.suffix(said.placed.count)) == said.placed)
        #expect(
            all.placed.dropLast(said.placed.count).map { $0.components(separatedBy: " 0x")[0] } == [
                "[LOADER] page tables", "[LOADER] BootInfo, GDT", "[LOADER] code that moves a staged image",
                "[LOADER] device tree", "[LOADER] command line, Multiboot information", "[LOADER] guard page",
                "[LOADER] boot stack",
            ])
    }

    /// The report names the rustc whose layout of BootInfo was chosen if it is the newer layout; if an option chose, it names none.
    @Test(
        arguments: [
            (3, "1.77.0", nil, ", 128-bit integers aligned as by rustc 1.77"),
            (2, "1.80.1", nil, ", 128-bit integers aligned as by rustc 1.80"),
            (3, "1.76.0", nil, ""), (4, "1.80.0", nil, ""), (3, nil, nil, ""), (3, nil, true, ""),
            (3, "1.77.0", false, ""),
        ] as [(UInt8, String?, Bool?, String)])
    func `the compiler that decided is reported`(
        _ version: UInt8, _ compiler: String?, _ option: Bool?, _ words: String
    ) throws {
        var file = ObjectFile(symbols: [ObjectSymbol(name: "_start", size: 1, info: 0x12, section: 1)])
        file.sections = [
            ObjectSection(name: ".text", flags: 6, align: 16, bytes: [0xf4]),
            ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(version)),
        ]
        if let compiler {
            let comment = Array("rustc version \(compiler)".utf8)
            file.sections.append(ObjectSection(name: ".comment", flags: 0x30, bytes: comment))
        }
        var options = LoaderOptions()
        options.alignsWideIntegers = option
        let bytes = file.bytes
        let application = try Application(ByteView(bytes.span.bytes), options)
        var sink = BufferedSink()
        Report.found(application, try Self.scenario.platform().facts, .normal, to: &sink)
        let line = try #require(sink.text.split(separator: "\n").first)
        #expect(line.hasSuffix("\(application.generation.name)\(words))"), "\(line)")
        #expect(words.isEmpty || line.contains("ET_REL"))
    }

    /// A fault is one line, which is sent at once.
    @Test func `a fault is reported`() {
        let none: [UInt8] = []
        let files = NamedFiles(ByteView(none.span))
        var sink = BufferedSink()
        Report.error(Fault(.memoryTooSmall), files, linkPlan: MutableSpan(), to: &sink)
        #expect(sink.isFlushed && sink.parts.count == 1)
        #expect(sink.text.hasPrefix("[LOADER] error: ") && sink.text.filter { $0 == "\n" }.count == 1)
    }

    /// Modules are used if the application or one of its libraries needs them; the others are counted.
    @Test(
        arguments: [
            ([], 3), (["one.so"], 2), (["one.so", "two.so"], 1), (["two.so"], 1), (["two.so", "three.so"], 0),
        ] as [([String], Int)])
    func `modules that nothing needs are counted`(_ needed: [String], _ unused: Int) throws {
        var application = LinkedFileWriter()
        (application.needed, application.alsoNeeded) = (needed.first, Array(needed.dropFirst()))
        var two = LinkedFileWriter()
        two.needed = "one.so"
        let names = ["app", "one.so", "two.so", "three.so"]
        let files = [application.bytes, LinkedFileWriter().bytes, two.bytes, LinkedFileWriter().bytes]
        let places = (0..<4 as Range<UInt64>).map { AddressRange(at: 0x13_0000 + $0 * 0x1_0000, size: 0x4100) }
        let strings = names.enumerated().map {
            AddressRange(at: 0x6000 + UInt64($0) * 16, size: UInt64($1.utf8.count))
        }
        let contents =
            zip(places, files).map { (address: $0.start, bytes: $1) }
            + zip(strings, names).map { (address: $0.start, bytes: Array($1.utf8)) }
        let handoff = Handoff(
            loader: Self.scenario.loader, codeEnd: 0x10_8000, hasGigabytePages: false, hasNoExecute: true)
        let boot = try BootedMachine(contents, handoff) { () throws(Fault) in
            var platform = Platform(.multiboot, information: 0x9500)
            for region in Self.scenario.regions { try platform.memoryMap.add(region.range, region.kind) }
            for (place, string) in zip(places, strings) {
                try platform.add(Module(range: place, commandLine: string))
            }
            return platform
        }
        let line = boot.said.split(separator: "\n").first { $0.contains("started by") }
        let told = unused == 0 ? "" : ", unused modules: \(unused)"
        #expect(line.map { String($0) } == "[LOADER] started by Multiboot, RAM up to 0x8000000" + told)
    }
}
