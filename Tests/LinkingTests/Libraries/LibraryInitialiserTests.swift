// Initialisers and finalisers of libraries, in their order.

import Bytes
import Diagnostics
@testable import Linking
import TestSupport
import Testing

extension LibraryTests {
    /// DT_INIT comes before the array, and needed libraries before those that need them; finalisers run in reverse order.
    @Test func initialisers() throws {
        var application = Self.application(["__loader_init_array_start", "__loader_init_array_end"], info: 0x20)
        application.symbols.append(LinkedSymbol(name: "__loader_fini_array_start", value: 0, info: 0x10, shndx: 0))
        application.rela.append(LinkedRelocation(offset: 0x4010, type: 1, symbol: 3, addend: 8))
        // The application calls its own initialisers.
        application.entries = [(12, 0x4000), (13, 0x4000), (25, 0x4040), (27, 16), (26, 0x4040), (28, 16)]
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
        // `one` and `two` need each other; `two` was reached last.
        let result = try Self.load(application, library(["two.so"], 1), library(["one.so"], 2))
        let base = result.linkedFiles.map { $0.displacement + 0x60_0000 }
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

    /// A function outside the array, an array, both or neither: each function is called once, and an incomplete word is ignored.
    @Test(arguments: [false, true], [0, 7, 8, 15, 16, 23] as [UInt64]) func functionsAndArrays(
        _ hasSingle: Bool, _ size: UInt64
    ) throws {
        let application = Self.application(
            ["__loader_init_array_start", "__loader_init_array_end", "__loader_fini_array_end"], info: 0x20)
        var one = Self.library([])
        one.entries = [(25, 0x4040), (27, size), (26, 0x4060), (28, size)]
        if hasSingle { one.entries += [(12, 0x4001), (13, 0x4002)] }
        one.rela = [0, 8, 0x20, 0x28].map { LinkedRelocation(offset: 0x4040 + $0, type: 8, addend: 0x4100 + $0) }
        let result = try Self.load(application, one, Self.library([]))
        let base = result.linkedFiles[1].displacement + 0x60_0000
        let words = Int(size / 8)
        let first = (hasSingle ? [base + 0x4001] : []) + (0..<words).map { base + 0x4100 + UInt64($0) * 8 }
        let last = (0..<words).reversed().map { base + 0x4120 + UInt64($0) * 8 } + (hasSingle ? [base + 0x4002] : [])
        let start = result.word(0x4000) - 0x60_0000
        #expect(start == result.plan.initialisersStart)
        #expect(result.word(0x4008) - result.word(0x4000) == UInt64(first.count) * 8)
        #expect(result.word(0x4010) - result.word(0x4000) == UInt64(first.count + last.count) * 8)
        #expect(result.plan.initialiserCount == UInt64(first.count))
        #expect((0..<first.count + last.count).map { result.word(start + UInt64($0) * 8) } == first + last)
    }

    /// A needed library is initialised first, however often it is listed: a repeated DT_NEEDED counts like the first.
    @Test(arguments: [0, 1, 14, 15, 16, 40]) func neededAgainAndAgain(_ count: Int) throws {
        func library(_ needed: [String], _ number: UInt64) -> LinkedFileWriter {
            var file = Self.library([])
            file.alsoNeeded = needed
            file.entries = [(12, 0x4000 + number)]
            return file
        }
        // The last library found is initialised first.
        let needed = ["two.so"] + [String](repeating: "two.so", count: count) + ["one.so"]
        let result = try Self.load(
            Self.application([], needed: ["one.so", "two.so", "three.so"]), library([], 1), library([], 2),
            library(needed, 3))
        let start = result.plan.initialisersStart
        let expected = [2, 1, 3].map { result.linkedFiles[$0].displacement + 0x60_4000 + UInt64($0) }
        #expect((0..<3).map { result.word(start + $0 * 8) } == expected)
    }

    /// Libraries that only libraries need come first too, at any depth.
    @Test func neededByLibrariesAlone() throws {
        func library(_ needed: String?, _ number: UInt64) -> LinkedFileWriter {
            var file = Self.library([])
            file.needed = needed
            file.entries = [(12, 0x4000 + number)]
            return file
        }
        let result = try Self.load(
            Self.application([], needed: ["one.so"]), library("two.so", 1), library("three.so", 2), library(nil, 3))
        let start = result.plan.initialisersStart
        let expected = [3, 2, 1].map { result.linkedFiles[$0].displacement + 0x60_4000 + UInt64($0) }
        #expect((0..<3).map { result.word(start + $0 * 8) } == expected)
    }

    /// Names that only begin like the loader's, or have the same length, are not the loader's.
    @Test(arguments: [
        "__loader_init_array_end_x", "__loader_fini_array_end12", "__loader_init_array_star",
        "__loader_init_array_startx",
        "__loader_init_array_enx", "__loader_xxxx_array_start", "__tls_get_addr_", "__tls_get_add",
    ])
    func namesLikeTheLoaders(_ name: String) {
        let undefined = Fault(.symbolUndefined, .relocation(table: 7, index: 0), value: 0x4000)
        let application = Self.application([name], needed: ["one.so"])
        #expect(Self.refusal(application, Self.library([]))?.fault == undefined)
    }

    /// A library without arrays may be linked anywhere: a missing array has no address to check.
    @Test func noInitialisersFarFromZero() throws {
        var application = Self.application(["__loader_init_array_start"], info: 0x20)
        application.needed = "one.so"
        var one = Self.library([])
        one.base = 0x60_0000
        one.entries = [(12, 0x60_4001)]
        let result = try Self.load(application, one, Self.library([]))
        let start = result.plan.initialisersStart
        #expect(result.word(0x4000) == start + 0x60_0000)
        #expect(result.word(start) == result.linkedFiles[1].displacement &+ 0xc0_4001)
    }

    @Test func initialisersOutsideTheImage() throws {
        var one = Self.library([])
        // The array may end at the end of the image, which has 0x4100 bytes.
        for (start, size, isInside) in [
            (0x40f0, 16, true), (0x40f8, 8, true), (0x40f8, 16, false), (0x4100, 8, false), (0x40f1, 16, false),
            (0, 0x4100, true), (0, 0x4108, false),
        ] as [(UInt64, UInt64, Bool)] {
            for tags in [(25, 27), (26, 28)] as [(UInt64, UInt64)] {
                one.entries = [(tags.0, start), (tags.1, size)]
                let found = Self.refusal(Self.application([]), one, Self.library([]))?.fault
                let outside = Fault(.arrayOutsideImage, value: start, limit: 0x4100).of(file: 1)
                #expect(found == (isInside ? nil : outside), "\(start) \(size)")
            }
        }
        // The number of functions is checked before their address: it is at most the number of bytes in the image, for either kind.
        for tags in [(25, 27), (26, 28)] as [(UInt64, UInt64)] {
            for (size, single, value, limit) in [
                (0x4100 * 8, 0, 0x4000, 0x4100), (0x4100 * 8, 1, 0x4101 * 8, 0x4100),
                (0x4101 * 8, 0, 0x4101 * 8, 0x4100),
                (0xffff_ffff_ffff_fff8, 0, 0xffff_ffff_ffff_fff8, 0x4100),
            ] as [(UInt64, UInt64, UInt64, UInt64)] {
                one.entries = [(tags.0, 0x4000), (tags.1, size), (tags.0 == 25 ? 12 : 13, single)]
                let found = Self.refusal(Self.application([]), one, Self.library([]))?.fault
                #expect(
                    found == Fault(.arrayOutsideImage, value: value, limit: limit).of(file: 1), "\(size) \(single)")
            }
        }
    }
}
