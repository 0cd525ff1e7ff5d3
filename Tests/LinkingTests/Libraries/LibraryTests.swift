// The definition that a symbol of several files refers to, and the largest size of all files together.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LibraryTests {
    /// An application with a word of this type at 0x4000 that refers to `name`; it calls the libraries' initialisers.
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

    static func refusal(_ application: LinkedFileWriter, _ libraries: LinkedFileWriter...) -> FilesTogether.Refusal? {
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

    /// Breadth first: libraries of the application come before libraries of libraries, in any order of the modules.
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
        #expect(result.linkedFiles.map(\.file) == [0, 1, 2, 3])
    }

    /// DT_NULL ends the dynamic section, whatever bytes follow it.
    @Test func nothingIsNeededAfterTheEnd() throws {
        var application = Self.application(needed: ["one.so"])
        application.entries = [(0, 0), (1, 1)]
        #expect(try Self.load(application, Self.library([("wanted", 0x11)])).word(0x4000) == 0x11)
        application.entries = [(1, 1)]
        #expect(Self.refusal(application, Self.library([("wanted", 0x11)]))?.rule == .needsLibrary)
    }

    /// DT_SONAME, however short, or else the file's name.
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

    /// References by a hidden symbol do not reach other files' definitions: undefined and weak, it is 0.
    @Test(arguments: [0, 1, 2] as [UInt8], [0, 1] as [Int]) func undefinedAndHidden(other: UInt8, file: Int) throws {
        var files = [Self.application([]), Self.library([]), Self.library([("wanted", 0x21)])]
        files[file].symbols = [LinkedSymbol(name: "wanted", value: 0, info: 0x20, shndx: 0, other: other)]
        files[file].rela = [LinkedRelocation(offset: 0x4000, type: 1, symbol: 1, addend: 5)]
        let result = try Self.load(files[0], files[1], files[2])
        #expect(result.word(0x4000, in: file) == (other == 0 ? 0x26 : 5))
    }

    @Test func symbolsWithoutAValueAndSectionsAreNoDefinitions() throws {
        var one = Self.library([("wanted", 0x11)], info: 0x13)
        one.symbols.append(LinkedSymbol(name: "wanted", value: 0, info: 0x11, shndx: 1))
        let result = try Self.load(Self.application(), one, Self.library([("wanted", 0x21)]))
        #expect(result.word(0x4000) == 0x21)
    }

    // MARK: A library's own definitions

    /// Symbols of default visibility give way; protected and symbolic ones do not.
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

    /// All files share one STB_GNU_UNIQUE definition, even with DT_SYMBOLIC.
    @Test func uniqueSymbols() throws {
        var library = Self.library([("wanted", 0x21)], info: 0xa1)
        library.rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 1)]
        library.entries = [(16, 0)]
        let result = try Self.load(Self.application(), Self.library([("wanted", 0x11)], info: 0xa1), library)
        #expect(result.word(0x4000, in: 2) == 0x11)
    }

    /// If an undefined function of the application has a value other than 0, that is the address for comparisons, but not for calls.
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
            let called = 0x4060 &+ result.linkedFiles[1].displacement
            #expect(result.word(0x40_4000) == called)
            #expect(result.word(0x4008, in: 1) == 0x40_4050)
            #expect(result.word(0x4030, in: 1) == 0x40_4050)
            #expect(result.word(0x4038, in: 1) == called)
        }
    }

    /// A file whose hash table counts no symbols is read, but defines nothing: the dynamic linker looks up by hash, too.
    @Test func aLibraryWithoutAHashTable() throws {
        var one = Self.library([("wanted", 0x11), ("elsewhere", 0)])
        one.symbols[1] = LinkedSymbol(name: "elsewhere", value: 0, info: 0x10, shndx: 0)
        one.rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 2)]
        one.hasHash = false
        let two = Self.library([("wanted", 0x21), ("elsewhere", 0x22)])
        for base in [0, 0x60_0000] as [UInt64] {
            one.base = base
            one.rela[0].offset = one.dataAddress
            let result = try Self.load(Self.application(), one, two)
            #expect(result.word(0x4000) == 0x21)
            #expect(result.word(one.dataAddress, in: 1) == 0x22)
        }
        #expect(
            Self.refusal(Self.application(), one, Self.library([("elsewhere", 1)]))?.fault
                == Fault(.symbolUndefined, .relocation(table: 7, index: 0), value: 0x4000))
    }

    /// The file of a protected function uses its own address, unless the PLT entry for it leads there.
    @Test func aProtectedFunctionOfTwoFiles() throws {
        var application = Self.application([])
        application.isExecutable = true
        application.base = 0x40_0000
        application.symbols = [LinkedSymbol(name: "wanted", value: 0x40_4050, info: 0x12, shndx: 0)]
        application.rela = [LinkedRelocation(offset: 0x40_4000, type: 7, symbol: 1)]
        var files = [Self.library([]), Self.library([])]
        for index in 0...1 {
            files[index].symbols = [
                LinkedSymbol(name: "wanted", value: 0x4060, info: 0x12, shndx: 1, other: index == 1 ? 3 : 0)
            ]
            files[index].rela = [LinkedRelocation(offset: 0x4000, type: 6, symbol: 1)]
        }
        // The entry leads to the first file's function.
        let result = try Self.together(application, files).load(bias: 0)
        #expect(result.word(0x40_4000) == 0x4060 &+ result.linkedFiles[1].displacement)
        #expect(result.word(0x4000, in: 1) == 0x40_4050)
        #expect(result.word(0x4000, in: 2) == 0x4060 &+ result.linkedFiles[2].displacement)
    }

    // MARK: Sizes

    /// A library goes to the first address after the others that is congruent to its own modulo its alignment.
    @Test(
        arguments: [
            (0x100, 0x20_0000), (0x1f_0000, 0x20_0000), (0x20_0000, 0x60_0000), (0x50_0000, 0x60_0000),
            (0x60_0000, 0xa0_0000),
        ] as [(Int, UInt64)])
    func theFirstPlaceForALibrary(_ size: Int, _ start: UInt64) throws {
        var application = Self.application([], needed: ["one.so"]).bytes
        // p_memsz of the first program header.
        application.put(UInt64(0x4000 + size), at: 64 + 40)
        var one = Self.library([])
        (one.base, one.alignment) = (0x20_0000, 0x40_0000)
        var room = [LinkPlan()]
        let together = FilesTogether([("app", application), ("one.so", one.bytes)])
        let link = try together.link(room.mutableSpan)
        let found = link[1].linkStart &+ link[1].displacement
        #expect(found == start)
    }

    /// A library may be larger or smaller than the application. All of its bytes are there, up to a relocated word at its end.
    @Test func filesOfOtherSizes() throws {
        for size in [8, 0x100, 0x1100, 0x5000] {
            var one = Self.library([])
            one.data = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 7) }
            one.rela = [LinkedRelocation(offset: 0x4000 + UInt64(size) - 8, type: 8, addend: 0x10)]
            let result = try Self.load(Self.application([]), one, Self.library([]))
            let start = Int(result.linkedFiles[1].displacement - result.linkStart) + 0x4000
            #expect(Array(result.memory[start..<start + size - 8]) == one.data.dropLast(8))
            #expect(
                result.word(0x4000 + UInt64(size) - 8, in: 1) == result.linkedFiles[1].displacement + 0x60_0010,
                "\(size)")
        }
    }

    /// All files together end below 2^62. The page after the application, which has 0x4100 bytes, is the first for libraries.
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
}
