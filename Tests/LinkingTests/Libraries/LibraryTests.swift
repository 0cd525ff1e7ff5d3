// The definition that a symbol of several files stands for; copies, thread-local storage and initialisers.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LibraryTests {
    /// An application whose word at 0x4000 is the address of `name`, with the type, and wants the libraries called.
    static func application(
        _ names: [String] = ["wanted"], type: UInt32 = 6, needed: [String] = ["one.so", "two.so"], info: UInt8 = 0x10
    ) -> LinkedFileWriter {
        var file = LinkedFileWriter()
        file.symbols = names.map { LinkedSymbol(name: $0, value: 0, info: info, shndx: 0) }
        file.rela = names.indices.map {
            LinkedRelocation(offset: 0x4000 + UInt64($0) * 8, type: type, symbol: UInt32($0) + 1)
        }
        file.needed = needed.first
        file.alsoNeeded = Array(needed.dropFirst())
        return file
    }

    /// A library that defines names as absolute numbers.
    static func library(_ symbols: [(String, UInt64)], info: UInt8 = 0x11, other: UInt8 = 0) -> LinkedFileWriter {
        var file = LinkedFileWriter()
        file.symbols = symbols.map { LinkedSymbol(name: $0.0, value: $0.1, info: info, other: other) }
        return file
    }

    static func load(_ application: LinkedFileWriter, _ libraries: LinkedFileWriter...) throws -> LoadedTogether {
        try together(application, libraries).load(bias: 0x60_0000)
    }

    static func refusal(_ application: LinkedFileWriter, _ libraries: LinkedFileWriter...) -> (
        rule: Rule, file: Int, sentence: String
    )? {
        together(application, libraries).refusal()
    }

    static let names = ["one.so", "two.so", "three.so", "four.so"]
    static func together(_ application: LinkedFileWriter, _ libraries: [LinkedFileWriter]) -> FilesTogether {
        FilesTogether([("app", application.bytes)] + zip(names, libraries).map { ($0, $1.bytes) })
    }

    // MARK: Order

    @Test func theFirstDefinitionCounts() throws {
        let both = [("wanted", 0x11 as UInt64), ("other", 0x12)]
        let result = try Self.load(
            Self.application(["wanted", "other", "last"]), Self.library(both),
            Self.library([("wanted", 0x21), ("last", 0x23)]))
        #expect((0..<3).map { result.word(0x4000 + $0 * 8) } == [0x11, 0x12, 0x23])
        #expect(result.counts[6] == 3)
    }

    @Test func theApplicationComesFirst() throws {
        var library = Self.library([("wanted", 0x11)])
        library.rela = [LinkedRelocation(offset: 0x4000, type: 1, symbol: 1, addend: 5)]
        var application = Self.application(["elsewhere"])
        application.symbols.append(LinkedSymbol(name: "wanted", value: 0x99))
        application.symbols[0].info = 0x20
        for isGNU in [false, true] {
            application.hasGNUHash = isGNU
            let result = try Self.load(application, library, Self.library([]))
            #expect(result.word(0x4000, in: 1) == 0x9e)
            #expect(result.word(0x4000) == 0)
        }
    }

    /// Breadth first: what the application needs comes before what its libraries need, whatever the order of the modules.
    @Test func breadthFirst() throws {
        var one = Self.library([])
        one.needed = "three.so"
        var three = Self.library([("wanted", 0x31)])
        three.soname = "renamed.so"
        one.alsoNeeded = ["renamed.so"]
        one.needed = nil
        let two = Self.library([("wanted", 0x21)])
        let result = try Self.load(Self.application(), one, two, three)
        #expect(result.word(0x4000) == 0x21)
        #expect(result.objects.map(\.file) == [0, 1, 2, 3])
    }

    /// DT_NULL ends the dynamic section, whatever bytes follow it.
    @Test func nothingIsNeededAfterTheEnd() throws {
        var application = Self.application(needed: ["one.so"])
        application.entries = [(0, 0), (1, 1)]
        #expect(try Self.load(application, Self.library([("wanted", 0x11)])).word(0x4000) == 0x11)
        application.entries = [(1, 1)]
        #expect(Self.refusal(application, Self.library([("wanted", 0x11)]))?.rule == .needsLibrary)
    }

    /// DT_SONAME, however short, or else the file's own name.
    @Test(arguments: [("", "one.so"), ("a", "a"), ("ab", "ab"), ("libone.so.1", "libone.so.1")])
    func whatAFileIsCalled(_ soname: String, _ name: String) {
        var one = Self.library([])
        one.soname = soname
        let together = Self.together(Self.application(), [one])
        let found = together.files.name(1)
        let bytes = (0..<found.size).compactMap { together.view.byte(at: found.start + $0) }
        #expect(String(decoding: bytes, as: UTF8.self) == name)
    }

    @Test func aWeakDefinitionIsOne() throws {
        let result = try Self.load(
            Self.application(), Self.library([("wanted", 0x11)], info: 0x21), Self.library([("wanted", 0x21)]))
        #expect(result.word(0x4000) == 0x11)
    }

    @Test(arguments: [(0x01, 0), (0x11, 1), (0x11, 2)] as [(UInt8, UInt8)])
    func localAndHiddenOnesAreNotFound(info: UInt8, other: UInt8) throws {
        let result = try Self.load(
            Self.application(), Self.library([("wanted", 0x11)], info: info, other: other),
            Self.library([("wanted", 0x21)]))
        #expect(result.word(0x4000) == 0x21)
    }

    @Test func symbolsWithoutAValueAndSectionsAreNoDefinitions() throws {
        var one = Self.library([("wanted", 0x11)], info: 0x13)
        one.symbols.append(LinkedSymbol(name: "wanted", value: 0, info: 0x11, shndx: 1))
        let result = try Self.load(Self.application(), one, Self.library([("wanted", 0x21)]))
        #expect(result.word(0x4000) == 0x21)
    }

    // MARK: A library's own definitions

    /// Default visibility gives way, protected and symbolic do not.
    @Test func interposition() throws {
        var application = Self.application(["other"], info: 0x20)
        application.symbols.append(LinkedSymbol(name: "wanted", value: 0x99))
        for (other, entries, expected) in [
            (0, [], 0x99), (3, [], 0x11), (2, [], 0x11), (0, [(16, 0)], 0x11), (0, [(30, 2)], 0x11),
        ]
            as [(UInt8, [(UInt64, UInt64)], UInt64)]
        {
            var library = Self.library([("wanted", 0x11)], other: other)
            library.rela = [1, 6, 7].map { LinkedRelocation(offset: 0x4000 + UInt64($0) * 8, type: $0, symbol: 1) }
            library.entries = entries
            let result = try Self.load(application, library, Self.library([]))
            for type in [1, 6, 7] as [UInt64] { #expect(result.word(0x4000 + type * 8, in: 1) == expected) }
        }
    }

    /// One STB_GNU_UNIQUE for all files, even for a symbolic one.
    @Test func uniqueSymbols() throws {
        var library = Self.library([("wanted", 0x21)], info: 0xa1)
        library.rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 1)]
        library.entries = [(16, 0)]
        let result = try Self.load(Self.application(), Self.library([("wanted", 0x11)], info: 0xa1), library)
        #expect(result.word(0x4000, in: 2) == 0x11)
    }

    /// A value that is not 0 makes an undefined function of the application's the address that all compare, not what is called.
    @Test func oneAddressForAFunction() throws {
        var application = Self.application([])
        application.isExecutable = true
        application.base = 0x40_0000
        application.symbols = [LinkedSymbol(name: "wanted", value: 0x40_4050, info: 0x12, shndx: 0)]
        application.rela = [LinkedRelocation(offset: 0x40_4000, type: 7, symbol: 1)]
        for other in [0, 3] as [UInt8] {
            var library = Self.library([])
            library.symbols = [LinkedSymbol(name: "wanted", value: 0x4060, info: 0x12, shndx: 1, other: other)]
            library.rela = [6, 1, 7].map { LinkedRelocation(offset: 0x4000 + UInt64($0) * 8, type: $0, symbol: 1) }
            let result = try Self.together(application, [library, Self.library([])]).load(bias: 0)
            let called = 0x4060 &+ result.objects[1].displacement
            #expect(result.word(0x40_4000) == called)
            #expect(result.word(0x4008, in: 1) == 0x40_4050)
            #expect(result.word(0x4030, in: 1) == 0x40_4050)
            #expect(result.word(0x4038, in: 1) == called)
        }
    }

    // MARK: Copies

    @Test func copies() throws {
        var application = Self.application([], needed: ["one.so", "two.so"])
        application.symbols = [
            LinkedSymbol(name: "same", value: 0x4000, size: 8, shndx: 1),
            LinkedSymbol(name: "shorter", value: 0x4010, size: 16, shndx: 1),
            LinkedSymbol(name: "longer", value: 0x4020, size: 2, shndx: 1),
            LinkedSymbol(name: "nobody", value: 0x4030, size: 8, info: 0x21, shndx: 1),
        ]
        application.rela = (0..<4).map {
            LinkedRelocation(offset: 0x4000 + UInt64($0) * 0x10, type: 5, symbol: UInt32($0) + 1)
        }
        application.data = [UInt8](repeating: 0xee, count: 0x100)
        var one = Self.library([])
        one.symbols = [
            LinkedSymbol(name: "same", value: 0x4000, size: 8, shndx: 1),
            LinkedSymbol(name: "shorter", value: 0x4008, size: 4, shndx: 1),
            LinkedSymbol(name: "longer", value: 0x4010, size: 4, shndx: 1),
        ]
        // What is copied has been relocated.
        one.rela = [
            LinkedRelocation(offset: 0x4000, type: 8, addend: 0x4044),
            LinkedRelocation(offset: 0x4018, type: 6, symbol: 1),
        ]
        one.data = Array(0..<0xff)
        let result = try Self.load(application, one, Self.library([]))
        #expect(result.word(0x4000) == 0x60_4044 + result.objects[1].displacement)
        #expect(result.hex(0x4010, 5) == "08 09 0a 0b ee")
        #expect(result.hex(0x4020, 3) == "10 11 ee")
        #expect(result.hex(0x4030, 2) == "ee ee")
        #expect(result.counts[5] == 4)
        #expect(result.counts.resizedCopies == 2)
        // All see the application's copy.
        #expect(result.word(0x4018, in: 1) == 0x60_4000)
    }

    /// Resolver functions run once everything else is relocated and copied: the original that one fills is copied once more.
    @Test func aCopyOfWhatAResolverChose() throws {
        var application = Self.application([], needed: ["one.so"])
        application.symbols = [LinkedSymbol(name: "chosen", value: 0x4000, size: 8, shndx: 1)]
        application.rela = [LinkedRelocation(offset: 0x4000, type: 5, symbol: 1)]
        application.data = [UInt8](repeating: 0xee, count: 0x100)
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "chosen", value: 0x4010, size: 8, shndx: 1)]
        one.rela = [LinkedRelocation(offset: 0x4010, type: 37, addend: 0x4020)]
        let result = try Self.together(application, [one]).load(bias: 0x60_0000) { _ in 0x1234_5678 }
        #expect(result.word(0x4010, in: 1) == 0x1234_5678)
        #expect(result.word(0x4000) == 0x1234_5678)
    }

    @Test func nothingToCopy() throws {
        var application = Self.application([], needed: ["one.so"])
        application.symbols = [LinkedSymbol(name: "same", value: 0x4000, size: 8, shndx: 1)]
        application.rela = [LinkedRelocation(offset: 0x4000, type: 5, symbol: 1)]
        #expect(Self.refusal(application, Self.library([]))?.rule == .copyWithoutSource)
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "same", value: 0x40fc, size: 8, shndx: 1)]
        #expect(Self.refusal(application, one)?.rule == .copyOutsideImage)
        application.rela[0].offset = 0x40fc
        one.symbols[0].value = 0x4000
        #expect(Self.refusal(application, one)?.rule == .relocationOutsideImage)
    }

    /// The image's bytes from the first to the last, of a library that is linked anywhere: 0x4100 of them.
    @Test(
        arguments: [
            (0, 8, true), (0x40f8, 8, true), (0x40f9, 8, false), (0x40ff, 1, true), (0x4100, 0, true),
            (0x4100, 1, false), (0x4101, 0, false), (.max, 1, false), (.max - 7, 8, false),
        ] as [(UInt64, UInt64, Bool)], [0, 0x60_0000] as [UInt64])
    func anOriginalAtTheImagesEdge(_ original: (offset: UInt64, size: UInt64, isInside: Bool), _ base: UInt64) throws {
        var application = Self.application([], needed: ["one.so"])
        application.symbols = [LinkedSymbol(name: "same", value: 0x4000, size: original.size, shndx: 1)]
        application.rela = [LinkedRelocation(offset: 0x4000, type: 5, symbol: 1)]
        var one = Self.library([])
        one.base = base
        one.symbols = [
            // A value of 0 would be no definition.
            LinkedSymbol(name: "same", value: max(base &+ original.offset, 1), size: original.size, shndx: 1)
        ]
        one.data = [UInt8](repeating: 0, count: 0xf8) + [1, 2, 3, 4, 5, 6, 7, 8]
        guard original.isInside else {
            let refusal = Self.refusal(application, one)
            #expect(refusal?.rule == .copyOutsideImage && refusal?.file == 0)
            return
        }
        let result = try Self.load(application, one)
        if original.offset == 0x40f8 { #expect(result.hex(0x4000, 9) == "01 02 03 04 05 06 07 08 00") }
    }

    // MARK: Thread-local storage

    /// Blocks below TP, each aligned; modules in the order of the search; one template.
    @Test func threadLocalStorage() throws {
        var application = Self.application(["own", "first", "second"], type: 18)
        application.symbols[0] = LinkedSymbol(name: "own", value: 4, info: 0x16, shndx: 1)
        application.tls = LinkedTLS(vaddr: 0x4080, filesz: 8, memsz: 0x18, align: 8)
        application.data = Array(0..<0xff)
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "first", value: 2, info: 0x16, shndx: 1)]
        one.tls = LinkedTLS(vaddr: 0x4090, filesz: 4, memsz: 0x20, align: 64)
        one.data = Array(0..<0xff)
        one.rela = [16, 17, 36].enumerated().map {
            LinkedRelocation(offset: 0x4000 + UInt64($0.offset) * 8, type: $0.element, symbol: 1, addend: 1)
        }
        var two = Self.library([])
        two.symbols = [LinkedSymbol(name: "second", value: 1, info: 0x16, shndx: 1)]
        two.tls = LinkedTLS(vaddr: 0x4000, filesz: 0, memsz: 3, align: 2)
        let result = try Self.load(application, one, two)
        // The application's block 0x18 below TP. The next needs 0x38, and begins at 0x10 modulo 64: at TP - 0x70. Between
        // the two there is room for the third, 3 bytes at TP - 0x1c.
        #expect(Int64(bitPattern: result.word(0x4000)) == 4 - 0x18)
        #expect(Int64(bitPattern: result.word(0x4008)) == 2 - 0x70)
        #expect(Int64(bitPattern: result.word(0x4010)) == 1 - 0x1c)
        #expect(result.word(0x4000, in: 1) == 2)
        #expect(result.word(0x4008, in: 1) == 3)
        #expect(Int64(bitPattern: result.word(0x4018, in: 1)) == 3 - 0x70)
        // The template is as long as a multiple of the largest alignment; what is initialised ends with the application's.
        let plan = result.plan
        #expect(plan.templateSize == 0x80 && plan.templateAlignment == 64 && plan.templateStart % 64 == 0)
        #expect(plan.templateFileSize == 0x80 - 0x18 + 8)
        #expect(result.hex(plan.templateStart + 0x80 - 0x70, 4) == "90 91 92 93")
        #expect(result.hex(plan.templateStart + 0x80 - 0x18, 8) == "80 81 82 83 84 85 86 87")
    }

    /// The template begins at a multiple of its alignment, however far from the end of the images that is.
    @Test(arguments: [1, 8, 16, 32, 0x800, 0x1000, 0x2000, 0x8000] as [UInt64], [0x100, 0x1100, 0x2100])
    func theTemplatesAlignment(_ alignment: UInt64, _ size: Int) throws {
        var one = Self.library([])
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 3, memsz: 5, align: alignment)
        one.data = [7, 8, 9] + [UInt8](repeating: 0, count: size)
        let plan = try Self.load(Self.application([], needed: ["one.so"]), one).plan
        #expect(plan.templateAlignment == alignment && plan.templateStart % max(alignment, 16) == 0)
        #expect(plan.templateStart >= plan.dataStart && plan.templateStart - plan.dataStart < max(alignment, 16))
        #expect(plan.templateStart + plan.templateFileSize <= plan.dataEnd)
        #expect(plan.templateSize % alignment == 0 && plan.templateSize >= 5)
    }

    /// Where nobody has one, the loader's; its table has the distances.
    @Test func threadLocalAddress() throws {
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "__tls_get_addr", value: 0, info: 0x10, shndx: 0)]
        one.rela = [LinkedRelocation(offset: 0x4000, type: 7, symbol: 1)]
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 0, memsz: 0x30, align: 16)
        let result = try Self.load(Self.application([]), one, Self.library([]))
        let code = result.plan.threadLocalAddress
        #expect(result.word(0x4000, in: 1) == code + 0x60_0000)
        #expect(result.hex(code, 3) == "48 8b 07")
        let table = code &+ 10 &+ UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: result.word(code + 6))))
        #expect(result.word(table) == 0)
        #expect(result.word(table + 8) == 0 &- 0x30)
        let own = try Self.load(Self.application([]), one, Self.library([("__tls_get_addr", 0x77)]))
        #expect(own.word(0x4000, in: 1) == 0x77)
    }

    // MARK: Functions that choose

    @Test func chosenFunctions() throws {
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "wanted", value: 0x4040, info: 0x1a, shndx: 1)]
        one.rela = [LinkedRelocation(offset: 0x4000, type: 37, addend: 0x4048)]
        let together = Self.together(Self.application(), [one, Self.library([])])
        let result = try together.load(bias: 0x60_0000) { $0 + 1 }
        let displacement = result.objects[1].displacement
        #expect(result.called == [0x60_4048 + displacement, 0x60_4040 + displacement])
        #expect(result.word(0x4000) == 0x60_4041 + displacement)
        #expect(result.word(0x4000, in: 1) == 0x60_4049 + displacement)
        #expect(result.counts.indirect == 2)
    }

    // MARK: Sizes

    /// A library may be larger than the application, and smaller: each has all of its bytes, up to a word at its end that is relocated.
    @Test func filesOfOtherSizes() throws {
        for size in [8, 0x100, 0x1100, 0x5000] {
            var one = Self.library([])
            one.data = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 7) }
            one.rela = [LinkedRelocation(offset: 0x4000 + UInt64(size) - 8, type: 8, addend: 0x10)]
            let result = try Self.load(Self.application([]), one, Self.library([]))
            let start = Int(result.objects[1].displacement - result.linkStart) + 0x4000
            #expect(Array(result.memory[start..<start + size - 8]) == one.data.dropLast(8))
            #expect(
                result.word(0x4000 + UInt64(size) - 8, in: 1) == result.objects[1].displacement + 0x60_0010, "\(size)")
        }
    }

    /// All files together end below 2^62. What is after the application, of 0x4100 bytes, begins with its page.
    @Test func filesThatAreTooLargeTogether() throws {
        let limit: UInt64 = 1 << 62
        func refusal(_ sizes: [UInt64]) -> Fault? {
            let libraries = sizes.map { size -> [UInt8] in
                var bytes = LinkedFileWriter().bytes
                // p_memsz of the first program header.
                if size > 0x4100 { bytes.put(size, at: 64 + 40) }
                return bytes
            }
            let application = Self.application([], needed: Array(Self.names.prefix(sizes.count)))
            let files = [("app", application.bytes)] + zip(Self.names, libraries).map { ($0, $1) }
            var room = [LinkPlan()]
            return fault { _ = try FilesTogether(files).link(room.mutableSpan) }
        }
        for (sizes, end) in [
            ([limit - 0x5001], nil), ([limit - 0x5000], limit), ([limit], 0x4100),
            ([limit - 0x6000, 0x1000], limit + 0x3100),
            ([0x4100, limit - 0xa001], nil), ([0x4100, limit - 0xa000], limit), ([limit / 2, limit / 2 - 0x5001], nil),
            ([limit / 2, limit / 2 - 0x5000], limit), ([limit - 0x4000, 0], limit + 0x1000), ([1 << 63], 0x4100),
            ([0 &- 0x6000], 0x4100), ([0 &- 0x5000], 0x4100), ([0 &- 0x1000], 0x4100),
        ] as [([UInt64], UInt64?)] {
            #expect(
                refusal(sizes) == end.map { Fault(.imageTooLarge, .none, value: $0, limit: limit) }, "\(sizes)")
        }
    }

    // MARK: Initialisers

    /// DT_INIT before the array, what others need first; finalisers the other way round.
    @Test func initialisers() throws {
        var application = Self.application(["__loader_init_array_start", "__loader_init_array_end"], info: 0x20)
        application.symbols.append(LinkedSymbol(name: "__loader_fini_array_start", value: 0, info: 0x10, shndx: 0))
        application.rela.append(LinkedRelocation(offset: 0x4010, type: 1, symbol: 3, addend: 8))
        func library(_ needed: [String], _ number: UInt64) -> LinkedFileWriter {
            var file = Self.library([])
            file.needed = needed.first
            file.alsoNeeded = Array(needed.dropFirst())
            file.entries = [
                (12, 0x4000 + number), (13, 0x4010 + number), (25, 0x4040), (27, 16), (26, 0x4040), (28, 16),
            ]
            file.rela = [0, 8].map { LinkedRelocation(offset: 0x4040 + $0, type: 8, addend: 0x4020 + $0 + number) }
            return file
        }
        // one and two need each other; two was reached last.
        let result = try Self.load(application, library(["two.so"], 1), library(["one.so"], 2))
        let base = result.objects.map { $0.displacement + 0x60_0000 }
        let start = result.plan.initialisersStart
        #expect(result.word(0x4000) == start + 0x60_0000)
        #expect(result.word(0x4008) == start + 0x60_0000 + 48)
        #expect(result.word(0x4010) == start + 0x60_0000 + 56)
        let expected = [
            base[1] + 0x4001, base[1] + 0x4021, base[1] + 0x4029, base[2] + 0x4002, base[2] + 0x4022, base[2] + 0x402a,
            base[2] + 0x402a, base[2] + 0x4022, base[2] + 0x4012, base[1] + 0x4029, base[1] + 0x4021, base[1] + 0x4011,
        ]
        #expect((0..<12).map { result.word(start + $0 * 8) } == expected)
        #expect(result.counts.initialiserReferences == 1)
    }

    /// However often it is listed, what a library needs is initialised before it: the last of its DT_NEEDED counts as the first does.
    @Test(arguments: [0, 1, 14, 15, 16, 40]) func neededAgainAndAgain(_ count: Int) throws {
        func library(_ needed: [String], _ number: UInt64) -> LinkedFileWriter {
            var file = Self.library([])
            file.alsoNeeded = needed
            file.entries = [(12, 0x4000 + number)]
            return file
        }
        // The last that is found is the first whose turn it is.
        let needed = ["two.so"] + [String](repeating: "two.so", count: count) + ["one.so"]
        let result = try Self.load(
            Self.application([], needed: ["one.so", "two.so", "three.so"]), library([], 1), library([], 2),
            library(needed, 3))
        let start = result.plan.initialisersStart
        let expected = [2, 1, 3].map { result.objects[$0].displacement + 0x60_4000 + UInt64($0) }
        #expect((0..<3).map { result.word(start + $0 * 8) } == expected)
    }

    /// A library without arrays may be linked anywhere: an array that is not there has no place that could be wrong.
    @Test func noInitialisersFarFromZero() throws {
        var application = Self.application(["__loader_init_array_start"], info: 0x20)
        application.needed = "one.so"
        var one = Self.library([])
        one.base = 0x60_0000
        one.entries = [(12, 0x60_4001)]
        let result = try Self.load(application, one, Self.library([]))
        let start = result.plan.initialisersStart
        #expect(result.word(0x4000) == start + 0x60_0000)
        #expect(result.word(start) == result.objects[1].displacement &+ 0xc0_4001)
    }

    @Test func initialisersOutsideTheImage() throws {
        var one = Self.library([])
        one.entries = [(25, 0x40fc), (27, 16)]
        #expect(Self.refusal(Self.application([]), one, Self.library([]))?.rule == .arrayOutsideImage)
        // It may end where the image does, of 0x4100 bytes.
        for (start, size, isInside) in [
            (0x40f0, 16, true), (0x40f8, 8, true), (0x40f8, 16, false), (0x4100, 8, false), (0x40f1, 16, false),
            (0, 0x4100, true), (0, 0x4108, false),
        ] as [(UInt64, UInt64, Bool)] {
            for tags in [(25, 27), (26, 28)] as [(UInt64, UInt64)] {
                one.entries = [(tags.0, start), (tags.1, size)]
                let found = Self.refusal(Self.application([]), one, Self.library([]))?.rule
                #expect(found == (isInside ? nil : .arrayOutsideImage), "\(start) \(size)")
            }
        }
        one.entries = [(25, 0x4000), (27, 0xffff_ffff_ffff_fff8)]
        #expect(Self.refusal(Self.application([]), one, Self.library([]))?.rule == .arrayOutsideImage)
    }

    /// p_align 0 and 1 both ask for nothing, of segments and of thread-local storage.
    @Test(arguments: [0, 1] as [UInt64]) func noAlignment(_ alignment: UInt64) throws {
        var application = Self.application([], needed: ["one.so"])
        application.tls = LinkedTLS(vaddr: 0x4080, filesz: 3, memsz: 5, align: alignment)
        var one = Self.library([])
        one.tls = LinkedTLS(vaddr: 0x4010, filesz: 1, memsz: 2, align: alignment)
        (application.alignment, one.alignment) = (alignment, alignment)
        let result = try Self.load(application, one, Self.library([]))
        #expect(result.objects[0].threadLocalDistance == 5 && result.objects[1].threadLocalDistance == 7)
        #expect(result.plan.templateSize == 7 && result.plan.templateAlignment == 1)
        let alone = application.bytes
        let image = try LinkedImage(ByteView(alone.span.bytes))
        #expect(image.object.threadLocalDistance == 5)
    }
}
