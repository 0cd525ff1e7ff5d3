// Options for the loader, and the rest of the lines that contain them.

import Memory
@testable import Boot
import Firmware
import Bytes
import Diagnostics
import HermitEntry
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LoaderOptionsTests {
    /// Memory from 0x1000 on: the module's string, a NUL, the command line, a NUL.
    static let origin: UInt64 = 0x1000

    /// The options, and the command line for the kernel.
    private func read(
        _ bootProtocol: BootProtocol, module: String?, line: String
    ) throws -> (options: LoaderOptions, line: String) {
        let memory = Array((module ?? "").utf8) + [0] + Array(line.utf8) + [0]
        let moduleSize = UInt64((module ?? "").utf8.count)
        var platform = Platform(bootProtocol, information: 0)
        if let _ = module {
            try platform.add(
                Module(
                    range: AddressRange(0x10_0000, 0x10_1000),
                    commandLine: AddressRange(at: Self.origin, size: moduleSize)))
        }
        platform.commandLine = AddressRange(at: Self.origin + moduleSize + 1, size: UInt64(line.utf8.count))
        let physical = PhysicalMemory(ByteView(memory.span.bytes), origin: Self.origin)
        var options = LoaderOptions()
        try options.read(&platform, physical)
        let start = Int(platform.commandLine.start - Self.origin)
        return (
            options, String(decoding: memory[start..<start + Int(platform.commandLine.size)], as: UTF8.self)
        )
    }

    /// GRUB and SYSLINUX add words at the beginning; the kernel takes them for its path.
    @Test func `Linux's boot loaders put words before the options`() throws {
        for words in ["BOOT_IMAGE=/a ", "initrd=/b ", "BOOT_IMAGE=/a initrd=/b ", "  BOOT_IMAGE=a ", ""] {
            let options = try read(.linux, module: "", line: words + "loader.quiet loader.align16 -- one")
            #expect(options.options.verbosity == .quiet && options.options.alignsWideIntegers == true)
            #expect(options.line == "-- one")
            #expect(try read(.linux, module: "", line: words + "-- one").line == words + "-- one")
            #expect(try read(.linux, module: "", line: words).line == words)
            let after = fault { _ = try read(.linux, module: "", line: words + "one loader.quiet") }
            // The module's string is empty, and ends with a NUL.
            #expect(after == Fault(.optionAfterOthers, nameOffset: UInt64(1 + words.utf8.count + 4)))
        }
        // After an option they belong to the kernel.
        #expect(try read(.linux, module: "", line: "loader.quiet BOOT_IMAGE=a -- b").line == "BOOT_IMAGE=a -- b")
        // PVH's starters add no such words.
        let other = fault { _ = try read(.pvh, module: "", line: "BOOT_IMAGE=/loader loader.quiet") }
        #expect(other == Fault(.optionAfterOthers, nameOffset: 20))
    }

    @Test(
        arguments: [BootProtocol.multiboot, .multiboot2, .pvh, .linux],
        ["app", "", "  ", "app word", "app xloader.align16", "app loader"])
    func `without options nothing changes`(bootProtocol: BootProtocol, module: String) throws {
        for line in ["", " ", "path -- one", "  env=A=b", "loaders"] {
            let read = try read(bootProtocol, module: module, line: line)
            #expect(read.options == LoaderOptions())
            #expect(read.line == line)
        }
    }

    @Test(arguments: [
        ("0", Generation.zero), ("1", .one), ("2", .two), ("3", .three), ("4-recursive", .fourRecursive),
        ("4-identity", .fourIdentity),
    ])
    func `every generation has a name`(name: String, generation: Generation) throws {
        var expected = LoaderOptions()
        expected.generation = generation
        let multiboot = try read(.multiboot, module: "app loader.generation=\(name)", line: "loader -- a")
        #expect(multiboot.options == expected)
        #expect(multiboot.line == "loader -- a")
        let pvh = try read(.pvh, module: "", line: " loader.generation=\(name)  -- a ")
        #expect(pvh.options == expected)
        #expect(pvh.line == "-- a ")
    }

    @Test func `a module's options may stand anywhere after its name`() throws {
        let read = try read(
            .multiboot, module: "loader.app one  loader.align16 two loader.generation=3 ", line: "loader a")
        #expect(read.options.generation == .three)
        #expect(read.options.alignsWideIntegers == true)
        #expect(read.line == "loader a")
    }

    /// GRUB leaves the file's name out of the module's string.
    @Test(arguments: [BootProtocol.multiboot, .pvh])
    func `a first word that looks like an option is one`(_ bootProtocol: BootProtocol) throws {
        for module in ["loader.align16", " loader.align16", "loader.align16 word", "loader.align16 -- loader.kaslr"] {
            #expect(try read(bootProtocol, module: module, line: "").options.alignsWideIntegers == true, "\(module)")
        }
        #expect(
            try read(bootProtocol, module: "loader.generation=3 loader.quiet", line: "").options.generation == .three)
        for (option, rule) in [
            ("loader.sha256=", Rule.digestMalformed), ("loader.sha256=/", .digestMalformed),
            ("loader.base=there", .baseMalformed), ("loader.generation=5", .unknownLoaderOption),
            // Typing errors.
            ("loader.sha265=00", .unknownLoaderOption), ("loader.sha256", .unknownLoaderOption),
            ("loader.quiet=1", .unknownLoaderOption), ("loader.=", .unknownLoaderOption),
        ] {
            #expect(
                fault { _ = try read(bootProtocol, module: option, line: "") } == Fault(rule, nameOffset: 0),
                "\(option)")
        }
    }

    @Test(arguments: [BootProtocol.multiboot, .pvh])
    func `a file's name may begin like an option`(_ bootProtocol: BootProtocol) throws {
        for name in [
            "loader.elf", "loader.", "loader.quiet.elf", "loader.verbos", "loader", "loader.d/a=b", "./loader.quiet",
            "loader.sha256sum", "a/loader.base=0", "xloader.kaslr",
        ] {
            #expect(try read(bootProtocol, module: name, line: name == "loader." ? "" : "a").options == LoaderOptions())
            #expect(
                try read(bootProtocol, module: name + " loader.align16", line: "").options.alignsWideIntegers == true,
                "\(name)"
            )
        }
    }

    /// GRUB leaves the file's name out, so any option may come first; if no options are read, each of them is an error.
    @Test(arguments: [
        "align16", "no-align16", "protect", "no-protect", "quiet", "verbose", "kaslr", "base=0x400000", "generation=2",
    ])
    func `every option is known without a name before it`(option: String) throws {
        let named = try read(.multiboot, module: "app loader.\(option)", line: "").options
        #expect(named != LoaderOptions())
        #expect(try read(.multiboot, module: "loader.\(option)", line: "").options == named)
        let misplaced = fault { _ = try read(.multiboot, module: "app", line: "loader loader.\(option)") }
        #expect(misplaced == Fault(.optionForKernel, nameOffset: 11))
    }

    /// A module without a name is known by its DT_SONAME, and in sentences by its number.
    @Test func `an option is not a file's name`() throws {
        let strings = ["app", "loader.sha256=00", "lib.so loader.quiet", "", "-- x", " ", "loader.elf"]
        var memory = [UInt8](repeating: 0, count: 0x10)
        var platform = Platform(.multiboot, information: 0)
        for string in strings {
            let start = UInt64(memory.count)
            memory += Array(string.utf8) + [0]
            try platform.add(
                Module(
                    range: AddressRange(at: 1, size: 4),
                    commandLine: AddressRange(at: start, size: UInt64(string.utf8.count))))
        }
        let view = ByteView(memory.span.bytes)
        var files = NamedFiles(view)
        files.add(platform.facts, PhysicalMemory(view, origin: 0))
        #expect((0..<files.count).map { files[$0].stringSize > 0 } == [true, false, true, false, false, false, true])
        for (file, name) in [(1, "module 2"), (2, "lib.so"), (6, "loader.elf")] {
            var sink = TextCollector()
            Report.error(Fault(.notELF).of(file: file), files, linkPlan: MutableSpan(), to: &sink)
            #expect(sink.text.hasPrefix("[LOADER] error: \(name): "), "\(sink.text)")
        }
    }

    @Test func `words after two dashes are the application's`() throws {
        let words = "-- loader.quiet loader.nonsense loader.sha256=00"
        for module in ["app \(words)", words] {
            #expect(try read(.multiboot, module: module, line: "loader \(words)").options == LoaderOptions())
        }
        let pvh = try read(.pvh, module: "", line: "loader.align16 \(words)")
        #expect(pvh.options.alignsWideIntegers == true && pvh.line == words)
        #expect(try read(.pvh, module: nil, line: words).line == words)
    }

    /// Words, and the part of them before the option.
    static let unread = ["", "loader ", "loader one ", "build/loader env=A=b -freq 1 ", "o'brien/loader ", "a --- "]

    @Test(arguments: unread, ["loader.quiet", "loader.sha256=00", "loader.sha265=00", "loader.sha256"])
    func `an option where options are not read is an error`(words: String, option: String) throws {
        let multiboot = fault { _ = try read(.multiboot, module: "app", line: words + option + " rest") }
        #expect(multiboot == Fault(.optionForKernel, nameOffset: UInt64(4 + words.utf8.count)))
        guard !words.isEmpty else { return }
        let pvh = fault { _ = try read(.pvh, module: "", line: "loader.align16 " + words + option) }
        #expect(pvh == Fault(.optionAfterOthers, nameOffset: UInt64(16 + words.utf8.count)))
    }

    @Test func `words that only look like options are the kernel's`() throws {
        for line in [
            "loader.elf a", "a loader.elf", "a loader.", "a xloader.quiet", "a env=B=\"x loader.quiet\"",
            "a env=B='x loader.sha256=00 -- y' c", #"a env=B='x " loader.quiet " y' c"#,
            #"a env=B="x ' loader.quiet ' y" c"#, "a env=B=loader.quiet", #"a env=B="\" loader.quiet""#,
            // The quote is the line's first byte.
            #""a loader.quiet" b"#, "'a loader.quiet' b",
        ] { #expect(try read(.multiboot, module: "app", line: line).line == line) }
        for (line, offset) in [
            // The quotes are closed, or there are none.
            (#"a env=B="x y" loader.quiet"#, 4 + 14), ("it's loader.quiet", 9), (#"a \"b loader.quiet c\""#, 4 + 6),
            // A quote inside the other kind of quotes is an ordinary character.
            (#""x" loader.quiet"#, 4 + 4), ("'x' loader.quiet", 4 + 4), ("'x loader.quiet", 4 + 3),
            (#"a env=B='x " y' loader.quiet "z""#, 4 + 16), (#"a env=B="x ' y" loader.quiet 'z'"#, 4 + 16),
        ] {
            let found = fault { _ = try read(.multiboot, module: "app", line: line) }
            #expect(found == Fault(.optionForKernel, nameOffset: UInt64(offset)), "\(line)")
        }
    }

    @Test func `the last of quiet and verbose counts`() throws {
        #expect(try read(.multiboot, module: "app loader.quiet", line: "").options.verbosity == .quiet)
        #expect(try read(.pvh, module: "", line: "loader.verbose").options.verbosity == .verbose)
        let both = try read(.multiboot, module: "app loader.verbose loader.quiet", line: "")
        #expect(both.options.verbosity == .quiet)
    }

    @Test func `a command line's options are its first words`() throws {
        let leading = try read(.pvh, module: "", line: "loader.align16 loader.generation=2 a loader.elf")
        #expect(leading.options.generation == .two)
        #expect(leading.options.alignsWideIntegers == true)
        #expect(leading.line == "a loader.elf")
        let alone = try read(.pvh, module: "", line: "loader.align16")
        #expect(alone.options.alignsWideIntegers == true)
        #expect(alone.line == "")
    }

    @Test(arguments: [
        "loader.", "loader.generation", "loader.generation=", "loader.generation=4", "loader.generation=22",
        "loader.align16=1", "loader.align1", "loader.Align16", "loader.quiet=1", "loader.verbos",
        "loader.kaslr=1", "loader.base", "loader.kasl",
    ])
    func `an unknown option is an error that shows it`(option: String) {
        let text = Array("app \(option) next\0\0".utf8)
        let module = fault { _ = try read(.multiboot, module: "app \(option) next", line: "") }
        #expect(module == Fault(.unknownLoaderOption, nameOffset: 4))
        #expect(
            module.map { sentence($0, text) } == "unknown loader option, from here: '\(option) next'")
        #expect(fault { _ = try read(.pvh, module: "", line: option) } == Fault(.unknownLoaderOption, nameOffset: 1))
    }

    @Test(arguments: [
        "loader.sha256=", "loader.sha256=0", "loader.sha256=" + String(repeating: "0", count: 63),
        "loader.sha256=" + String(repeating: "0", count: 65),
        "loader.sha256=" + String(repeating: "0", count: 63) + "g",
        "loader.sha256=" + String(repeating: "0", count: 63) + "@",
        "loader.sha256=:" + String(repeating: "0", count: 63),
        "loader.sha256=/" + String(repeating: "0", count: 63), "loader.sha256=`" + String(repeating: "0", count: 63),
    ])
    func `a digest has 64 hexadecimal digits`(option: String) {
        let module = fault { _ = try read(.multiboot, module: "app \(option)", line: "") }
        #expect(module == Fault(.digestMalformed, nameOffset: 4))
    }

    @Test func `exactly 22 bytes are hexadecimal digits`() {
        let digits = Array("0123456789abcdef".utf8)
        for byte in 0...UInt8.max {
            let view = [byte]
            let lowercase = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
            let expected = digits.firstIndex(of: lowercase).map { UInt8($0) } ?? 0xff
            #expect(ByteView(view.span.bytes).digit(at: 0) == expected, "\(byte)")
            #expect(ByteView(view.span.bytes).digit(at: 1) == 0xff)
        }
    }

    @Test(
        arguments: [
            ("0", 0), ("10", 10), ("0x0", 0), ("0x20000000", 0x2000_0000), ("0XaBcDeF", 0xab_cdef),
            ("18446744073709551615", .max), ("0xffffffffffffffff", .max), ("0000000000000000000000001", 1),
        ] as [(String, UInt64)])
    func `a base is a number`(digits: String, base: UInt64) throws {
        #expect(try read(.multiboot, module: "app loader.base=\(digits)", line: "").options.base == base)
        let pvh = try read(.pvh, module: "", line: "loader.kaslr loader.base=\(digits) --")
        #expect(pvh.options.base == base && pvh.options.placesAtRandom)
        #expect(pvh.line == "--")
    }

    @Test(arguments: [
        "", "0x", "x", "1f", "0x1g", "-1", "+1", "1 ", "0x ", "18446744073709551616", "0x10000000000000000", "0b1",
        "1_0",
        "99999999999999999999999", "0x-1", "/", ":", "0x@", "0x`",
    ])
    func `a base must be a number`(digits: String) {
        let option = "loader.base=\(digits)"
        let module = fault { _ = try read(.multiboot, module: "app \(option)", line: "") }
        #expect(digits.hasSuffix("1 ") ? module == nil : module == Fault(.baseMalformed, nameOffset: 4))
    }

    @Test(arguments: [BootProtocol.multiboot, .pvh])
    func `without a module no options are read`(_ bootProtocol: BootProtocol) throws {
        let read = try read(bootProtocol, module: nil, line: "loader.align16")
        #expect(read.options == LoaderOptions() && read.line == "loader.align16")
    }
}
