// The order of initialisers and finalisers, with the linkers as witnesses.

import Commands
import Diagnostics
import Foundation
import Linking
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(minutesPerTest))) struct InitialiserPriorityTests {
    /// A section of an array; its words are numbers, so that the array shows the order.
    struct Array: Sendable {
        var name: String, type: UInt32
        var words: [UInt64]
        var align: UInt64 = 8
    }

    private static func object(_ arrays: [Array], hasTemplate: Bool = false) -> ObjectFile {
        var data = ObjectSection(name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 32))
        data.relocations = (0..<4).map { Relocation(1, at: UInt64($0) * 8, symbol: UInt32($0 + 2)) }
        let names = ["__init_array_start", "__init_array_end", "__fini_array_start", "__fini_array_end"]
        return ObjectFile(
            sections: [ObjectSection(name: ".text", flags: 6, bytes: [0xf4]), data]
                + (hasTemplate
                    ? [ObjectSection(name: ".tdata", flags: 0x403, align: 8, bytes: [UInt8](repeating: 1, count: 24))]
                    : [])
                + arrays.map {
                    ObjectSection(
                        name: $0.name, type: $0.type, align: $0.align, bytes: $0.words.flatMap { littleEndian($0) })
                },
            symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)]
                + names.map { ObjectSymbol(name: $0, info: 0x10, section: 0) })
    }

    /// Both arrays as the loader lays them out.
    private static func ours(
        _ arrays: [Array], hasTemplate: Bool = false
    ) throws -> (initial: [UInt64], final: [UInt64]) {
        let result = try load(object(arrays, hasTemplate: hasTemplate).bytes, bias: 0)
        var bounds: [UInt64] = []
        for index in 0..<4 { bounds.append(result.word(dataStart(result) + UInt64(index) * 8)) }
        let words = { (start: UInt64, end: UInt64) in
            stride(from: start, to: end, by: 8).map { result.word($0) }
        }
        return (words(bounds[0], bounds[1]), words(bounds[2], bounds[3]))
    }

    /// The address of .data: its first word is the address of the first array, which lies before it.
    private static func dataStart(_ result: LoadedObject) -> UInt64 {
        // After the code's page come the template and the arrays; only one word holds the address of their beginning.
        stride(from: 0x1000 as UInt64, to: UInt64(result.memory.count) - 8, by: 8).first {
            result.word($0) >= 0x1000 && result.word($0) <= $0
        }!
    }

    private static let initArray: UInt32 = 14, finiArray: UInt32 = 15

    /// Names of up to 64 bytes have a number; longer ones come after all that have one.
    @Test(arguments: [63, 64, 65, 66]) func aNumberEndsANameOf64Bytes(_ count: Int) throws {
        let name = ".init_array." + String(repeating: "0", count: count - 13) + "7"
        try #require(name.utf8.count == count)
        let found = try Self.ours([
            Array(name: ".init_array.9", type: Self.initArray, words: [0x901]),
            Array(name: name, type: Self.initArray, words: [0x701]),
        ])
        #expect(found.initial == (count > 64 ? [0x901, 0x701] : [0x701, 0x901]))
    }

    static let samples: [[Array]] = [
        [],
        [Array(name: ".init_array", type: initArray, words: [101, 102])],
        [
            Array(name: ".init_array", type: initArray, words: [101, 102]),
            Array(name: ".init_array.200", type: initArray, words: [103]),
            Array(name: ".fini_array", type: finiArray, words: [201]),
            Array(name: ".init_array.00100", type: initArray, words: [104, 105]),
            Array(name: ".init_array.65535", type: initArray, words: [106]),
            Array(name: ".fini_array.7", type: finiArray, words: [202, 203]),
            Array(name: ".init_array.101", type: initArray, words: [107]),
            Array(name: ".init_array.0", type: initArray, words: [108]),
            Array(name: ".fini_array.65000", type: finiArray, words: [204]),
            Array(name: ".fini_array.11", type: finiArray, words: [205]),
            Array(name: ".init_array.99", type: initArray, words: [109, 110, 111]),
        ],
    ]

    /// The old arrays that GNU ld merges into the new ones; lld leaves them uncalled.
    static let old: [Array] = [
        Array(name: ".ctors", type: 1, words: [101, 102]),
        Array(name: ".init_array.200", type: initArray, words: [103]),
        Array(name: ".dtors.65500", type: 1, words: [201, 202]),
        Array(name: ".ctors.65434", type: 1, words: [104, 105, 106]),
        Array(name: ".init_array", type: initArray, words: [107]),
        Array(name: ".fini_array.30", type: finiArray, words: [203]),
        Array(name: ".ctors.00001", type: 1, words: [108]),
        Array(name: ".dtors", type: 1, words: [204]),
        Array(name: ".init_array.3", type: initArray, words: [109]),
        Array(name: ".fini_array", type: finiArray, words: [205]),
    ]

    /// The result of `linker` for the same file, with its own script.
    private func theirs(
        _ arrays: [Array], _ linker: String, hasTemplate: Bool = false
    ) async throws -> (initial: [UInt64], final: [UInt64]) {
        let folder = try Folder()
        try folder.write("a.o", Self.object(arrays, hasTemplate: hasTemplate).bytes)
        try await make([linker, "-static", "-o", folder.path("a.out"), folder.path("a.o")])
        let file = try folder.read("a.out")
        let headers = Int(file.number(UInt64.self, at: 40))
        func words(_ type: UInt32) -> [UInt64] {
            for index in 0..<Int(file.number(UInt16.self, at: 60)) {
                let header = headers + 64 * index
                guard file.number(UInt32.self, at: header + 4) == type else { continue }
                let start = Int(file.number(UInt64.self, at: header + 24))
                let size = Int(file.number(UInt64.self, at: header + 32))
                return stride(from: start, to: start + size, by: 8).map { file.number(UInt64.self, at: $0) }
            }
            return []
        }
        return (words(14), words(15))
    }

    @Test(.disabled(if: isCheck, "not in make check"), arguments: ["ld", "ld.lld"], samples)
    func asLinkersOrderThem(_ linker: String, _ arrays: [Array])
        async throws
    {
        let witness = try await theirs(arrays, linker)
        // One sample exists only for the linker's answer to it.
        guard !arrays.isEmpty else {
            #expect(witness.initial.isEmpty && witness.final.isEmpty)
            return
        }
        let ours = try Self.ours(arrays)
        #expect(ours.initial == witness.initial)
        #expect(ours.final == witness.final)
        #expect(ours.initial.count + ours.final.count == arrays.reduce(0) { $0 + $1.words.count })
    }

    /// Random arrays: new ones, and for GNU ld old ones, with or without a number.
    @Test(.disabled(if: isCheck, "not in make check"), arguments: ["ld", "ld.lld"])
    func madeUpOrders(_ linker: String) async throws {
        for seed in Seeds.chosen() {
            var random = SeededGenerator(seed: seed)
            // For equal numbers, GNU ld sorts by the digits as written, lld by place in the file.
            let isPadded = Bool.random(using: &random)
            var arrays: [Array] = []
            for number in 0..<UInt64.random(in: 1...12, using: &random) {
                let isFirst = Bool.random(using: &random)
                let isOld = linker == "ld" && Int.random(in: 0...2, using: &random) == 0
                var name = isOld ? (isFirst ? ".ctors" : ".dtors") : (isFirst ? ".init_array" : ".fini_array")
                let last: UInt16 = Bool.random(using: &random) ? 20 : .max
                let priority = "\(UInt16.random(in: 0...last, using: &random))"
                if Int.random(in: 0...3, using: &random) > 0 {
                    name += "." + (isPadded ? String(repeating: "0", count: 5 - priority.count) : "") + priority
                }
                arrays.append(
                    Array(
                        name: name, type: isOld ? 1 : isFirst ? Self.initArray : Self.finiArray,
                        words: (0..<UInt64.random(in: 1...3, using: &random)).map { 100 + number * 10 + $0 }))
            }
            let witness = try await theirs(arrays, linker)
            let ours = try Self.ours(arrays)
            #expect(ours.initial == witness.initial, "seed \(seed): \(arrays)")
            #expect(ours.final == witness.final, "seed \(seed): \(arrays)")
        }
    }

    /// Arrays of addresses with an alignment of more than a word: the padding between them counts, but not the padding before the first.
    /// An array of the other kind follows, and a thread-local template that ends at no multiple precedes.
    static let aligned: [[Array]] = [
        [Array(name: ".init_array", type: initArray, words: [101, 102, 103, 104], align: 32)],
        [
            Array(name: ".init_array", type: initArray, words: [101], align: 8),
            Array(name: ".init_array", type: initArray, words: [102, 103], align: 64),
            Array(name: ".init_array", type: initArray, words: [104], align: 16),
            Array(name: ".fini_array", type: finiArray, words: [201, 202], align: 16),
        ],
        [
            Array(name: ".fini_array.5", type: finiArray, words: [201], align: 8),
            Array(name: ".fini_array.4", type: finiArray, words: [202], align: 128),
            Array(name: ".init_array.9", type: initArray, words: [101], align: 32),
            Array(name: ".init_array.3", type: initArray, words: [102], align: 8),
            Array(name: ".init_array.9", type: initArray, words: [103], align: 8),
            Array(name: ".init_array.7", type: initArray, words: [104, 105, 106], align: 64),
        ],
    ]

    @Test(arguments: ["ld", "ld.lld"], aligned) func asLinkersAlignThem(_ linker: String, _ arrays: [Array])
        async throws
    {
        let witness = try await theirs(arrays, linker, hasTemplate: true)
        let ours = try Self.ours(arrays, hasTemplate: true)
        #expect(ours.initial == witness.initial)
        #expect(ours.final == witness.final)
    }

    /// GNU ld aligns the words that it makes from old arrays likewise.
    @Test func oldArraysAreAlignedLikewise() async throws {
        let arrays = [
            Array(name: ".ctors.65530", type: 1, words: [101, 102], align: 64),
            Array(name: ".init_array", type: Self.initArray, words: [103]),
        ]
        let witness = try await theirs(arrays, "ld", hasTemplate: true)
        #expect(try Self.ours(arrays, hasTemplate: true).initial == witness.initial)
        #expect(witness.initial == [102, 101, 103])
    }

    @Test func oldArraysAsGNULinkerTurnsThem() async throws {
        let witness = try await theirs(Self.old, "ld")
        let ours = try Self.ours(Self.old)
        #expect(ours.initial == witness.initial)
        #expect(ours.final == witness.final)
        #expect(ours.initial == [109, 106, 105, 104, 103, 108, 102, 101, 107])
    }

    /// As in lld: names without a number at their end come last, in the file's order; larger numbers follow.
    @Test func namesWithoutANumber() throws {
        let names = [
            ".init_array.foo", ".init_array.70000", ".init_array.", ".init_array.12x", ".init_array.5", ".init_array",
            ".init_array.4294967296000", ".init_array.1.2", ".other",
            ".init_array." + String(repeating: "0", count: 60) + "1",
        ]
        let arrays = names.enumerated().map { Array(name: $1, type: Self.initArray, words: [UInt64($0)]) }
        #expect(try Self.ours(arrays).initial == [7, 4, 0, 2, 3, 5, 6, 8, 9, 1])
    }

    /// Only names of up to 64 bytes have a number.
    @Test(arguments: [(63, true), (64, true), (65, false)] as [(Int, Bool)]) func longNames(
        _ length: Int, _ isRead: Bool
    ) throws {
        let name = ".init_array." + String(repeating: "0", count: length - 13) + "1"
        let arrays = [
            Array(name: ".init_array.2", type: Self.initArray, words: [2]),
            Array(name: name, type: Self.initArray, words: [1]),
        ]
        #expect(try Self.ours(arrays).initial == (isRead ? [1, 2] : [2, 1]))
    }

    /// The largest numbers: old arrays count down from 65535, and larger numbers do not count.
    @Test func theLargestNumbers() throws {
        for (kind, type) in [("ctors", Self.initArray), ("dtors", Self.finiArray)] {
            let new = type == Self.initArray ? "init_array" : "fini_array"
            let names = [
                "\(kind).65536", "\(new).65536", "\(kind)", "\(new).1", "\(kind).65534", "\(kind).65535", "\(kind).0",
                "\(new).65535", "\(kind).00000", "\(new).65534", "\(kind).1", "\(new).0", "\(kind).4294967295",
                "\(kind).65535x",
            ]
            let arrays = names.enumerated().map {
                Array(name: "." + $1, type: $1.hasPrefix(kind) ? 1 : type, words: [UInt64($0)])
            }
            let ours = try Self.ours(arrays)
            let expected: [UInt64] = [5, 11, 3, 4, 9, 10, 6, 7, 8, 0, 1, 2, 12, 13]
            #expect((type == Self.initArray ? ours.initial : ours.final) == expected)
        }
    }

    /// Old arrays have exactly their name, or more after a dot: a missing, changed or additional letter makes another name.
    @Test(
        arguments: [
            ".ctors", ".dtors", ".ctors.", ".ctors.x", ".dtors.1.2", "ctors", ".ctor", ".ctorx", ".ctorxs", ".ctoxs",
            ".xtors",
            ".btors", ".ctorss", ".ctors_", ".ctors0", ".dtor", ".dtorsx", ".dtors-1", ".CTORS", "..ctors", "",
        ])
    func namesOfOldArrays(_ name: String) throws {
        let ours = try Self.ours([
            Array(name: name, type: 1, words: [1]), Array(name: ".init_array", type: Self.initArray, words: [2]),
            Array(name: ".fini_array", type: Self.finiArray, words: [3]),
        ])
        let isWhole = ["ctors", "dtors"].contains { name == "." + $0 || name.hasPrefix(".\($0).") }
        #expect(ours.initial.contains(1) == (isWhole && name.hasPrefix(".c")))
        #expect(ours.final.contains(1) == (isWhole && name.hasPrefix(".d")))
    }

    /// Only the names decide, but only for writable sections with bytes.
    @Test(
        arguments: [(1, 3, true), (1, 2, false), (1, 6, false), (7, 3, false), (8, 3, false), (0x7000_0001, 3, false)]
            as [(UInt32, UInt64, Bool)])
    func oldArraysAreData(_ type: UInt32, _ flags: UInt64, _ isArray: Bool) throws {
        var file = Self.object([Array(name: ".ctors", type: 1, words: [1, 2])])
        (file.sections[2].type, file.sections[2].flags, file.sections[2].zeros) = (type, flags, 16)
        let result = try load(file.bytes, bias: 0)
        let data = stride(from: 0 as UInt64, to: UInt64(result.memory.count) - 8, by: 8).map { result.word($0) }
        // The words of the old arrays are reversed.
        #expect(zip(data, data.dropFirst()).contains { $0 == (2, 1) } == isArray)
        #expect(zip(data, data.dropFirst()).contains { $0 == (1, 2) } == (!isArray && type != 8))
    }

    /// An incomplete word has no place.
    @Test func aPartOfAWord() throws {
        var file = Self.object([Array(name: ".ctors", type: 1, words: [1, 2, 3])])
        file.sections[2].bytes += [9, 9, 9, 9]
        let result = try load(file.bytes, bias: 0)
        let words = stride(from: 0x1000 as UInt64, to: 0x1020, by: 8).map { result.word($0) }
        #expect(words == [3, 2, 1, 0x0909_0909])
    }

    /// A number consists of digits and follows a dot.
    @Test(
        arguments: [
            ("1", true), ("01", true), ("1:", false), ("1/", false), (":1", false), ("/1", false), ("1.", false),
            ("x1", false),
            ("-1", false), ("x.1", true), (".1", true), ("", false), ("9999999999", true), ("99999999999", false),
            ("00000000000000000000000001", true), ("10000000000", false), ("40000000000", false),
        ])
    func numbers(_ text: String, _ isNumber: Bool) throws {
        let arrays = [
            Array(name: ".init_array", type: Self.initArray, words: [1]),
            Array(name: ".init_array." + text, type: Self.initArray, words: [2]),
        ]
        // A large number comes after the array without one, as in linkers.
        let isLarge = text == "9999999999"
        #expect(try Self.ours(arrays).initial == (isNumber && !isLarge ? [2, 1] : [1, 2]), "\(text)")
    }

    @Test func asManyPrioritiesAsThereMayBe() throws {
        let sections = { (count: Int) in
            (0..<count).map {
                Array(
                    name: ".init_array.\(($0 * 37) % count)", type: Self.initArray, words: [UInt64(($0 * 37) % count)])
            }
        }
        #expect(try Self.ours(sections(64)).initial == (0..<64).map { UInt64($0) })
        // The first section of the last priority.
        let refused = refusal(of: Self.object(sections(65)).bytes)
        #expect(refused == Fault(.tooManyPriorities, .sectionHeader(10), limit: 64))
    }

    /// Each section has its own alignment, and its words are relocated in their final places.
    @Test func alignmentAndRelocation() throws {
        var file = Self.object([
            Array(name: ".init_array.2", type: Self.initArray, words: [1]),
            Array(name: ".init_array.1", type: Self.initArray, words: [2, 3]),
            Array(name: ".ctors", type: 1, words: [0, 0]),
        ])
        file.sections[2].align = 64
        file.sections[4].relocations = [
            Relocation(1, at: 0, symbol: 1, addend: 0x10), Relocation(1, at: 8, symbol: 1, addend: 0x20),
        ]
        let result = try load(file.bytes, bias: 0)
        let words = stride(from: 0x1000 as UInt64, to: 0x1058, by: 8).map { result.word($0) }
        #expect(words == [2, 3, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x10])
    }
}
