// Copies of variables that libraries define (R_X86_64_COPY), and of pointers that resolver functions choose.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

extension LibraryTests {
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
        // The original is relocated before it is copied.
        one.rela = [
            LinkedRelocation(offset: 0x4000, type: 8, addend: 0x4044),
            LinkedRelocation(offset: 0x4018, type: 6, symbol: 1),
        ]
        one.data = Array(0..<0xff)
        let result = try Self.load(application, one, Self.library([]))
        #expect(result.word(0x4000) == 0x60_4044 + result.linkedFiles[1].displacement)
        #expect(result.hex(0x4010, 5) == "08 09 0a 0b ee")
        #expect(result.hex(0x4020, 3) == "10 11 ee")
        #expect(result.hex(0x4030, 2) == "ee ee")
        #expect(result.counts[5] == 4)
        #expect(result.counts.resizedCopies == 2)
        // All files see the application's copy.
        #expect(result.word(0x4018, in: 1) == 0x60_4000)
    }

    /// Resolver functions run once everything else is relocated and copied. An original that a resolver fills is copied once more.
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
        let place = FaultLocation.relocation(table: 7, index: 0)
        #expect(Self.refusal(application, Self.library([]))?.fault == Fault(.copyWithoutSource, place))
        var one = Self.library([])
        // The library lies in the pages after the application's.
        one.symbols = [LinkedSymbol(name: "same", value: 0x40fc, size: 8, shndx: 1)]
        #expect(
            Self.refusal(application, one)?.fault
                == Fault(.copyOutsideImage, place, value: 0x60_90fc, limit: 0x60_9100))
        application.rela[0].offset = 0x40fc
        one.symbols[0].value = 0x4000
        #expect(
            Self.refusal(application, one)?.fault
                == Fault(.relocationOutsideImage, place, value: 0x40fc, limit: 0x4100))
        // Thread-local variables cannot be copied: each thread has one. Undefined symbols have no original.
        application.rela[0].offset = 0x4000
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 8, memsz: 8, align: 8)
        one.symbols[0] = LinkedSymbol(name: "same", value: 0, size: 8, info: 0x16, shndx: 1)
        #expect(Self.refusal(application, one)?.fault == Fault(.symbolThreadLocal, place))
        for symbol in [0, 2, .max] as [UInt32] {
            application.rela[0].symbol = symbol
            #expect(Self.refusal(application, one)?.fault == Fault(.copyWithoutSource, place), "\(symbol)")
        }
    }

    /// A library may copy from another that comes first. A copy of its own symbol is a fault; if the reference is weak, nothing happens.
    @Test func aLibrarysOwnCopy() throws {
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "same", value: 0x4010, size: 8, shndx: 1)]
        one.rela = [LinkedRelocation(offset: 0x4010, type: 5, symbol: 1)]
        one.data = (0..<0x100).map { UInt8($0) }
        #expect(
            Self.refusal(Self.application([]), one, Self.library([]))?.fault
                == Fault(.copyWithoutSource, .relocation(table: 7, index: 0)).of(file: 1))
        one.symbols[0].info = 0x21
        let weak = try Self.load(Self.application([]), one, Self.library([]))
        #expect(weak.word(0x4010, in: 1) == 0x1716_1514_1312_1110)
        var two = Self.library([])
        two.symbols = [LinkedSymbol(name: "same", value: 0x4000, size: 8, shndx: 1)]
        two.data = [UInt8](repeating: 0x77, count: 0x100)
        // The first definition after the application's counts, even if it is the library's own.
        for (first, second, index) in [(two, one, 2), (one, two, 1)] {
            let result = try Self.load(Self.application([]), first, second)
            #expect(result.word(0x4010, in: index) == (index == 2 ? 0x7777_7777_7777_7777 : 0x1716_1514_1312_1110))
        }
    }

    /// An original may be any bytes of its image, up to the last of 0x4100, at any link address of the library.
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
            // A symbol with the value 0 counts as undefined.
            LinkedSymbol(name: "same", value: max(base &+ original.offset, 1), size: original.size, shndx: 1)
        ]
        one.data = [UInt8](repeating: 0, count: 0xf8) + [1, 2, 3, 4, 5, 6, 7, 8]
        guard original.isInside else {
            let bias = 0x60_5000 &- base
            #expect(
                Self.refusal(application, one)?.fault
                    == Fault(
                        .copyOutsideImage, .relocation(table: 7, index: 0), value: one.symbols[0].value &+ bias,
                        limit: base + 0x4100 &+ bias))
            return
        }
        let result = try Self.load(application, one)
        if original.offset == 0x40f8 { #expect(result.hex(0x4000, 9) == "01 02 03 04 05 06 07 08 00") }
    }

    @Test func chosenFunctions() throws {
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "wanted", value: 0x4040, info: 0x1a, shndx: 1)]
        one.rela = [LinkedRelocation(offset: 0x4000, type: 37, addend: 0x4048)]
        let together = Self.together(Self.application(), [one, Self.library([])])
        let result = try together.load(bias: 0x60_0000) { $0 + 1 }
        let displacement = result.linkedFiles[1].displacement
        #expect(result.called == [0x60_4048 + displacement, 0x60_4040 + displacement])
        #expect(result.word(0x4000) == 0x60_4041 + displacement)
        #expect(result.word(0x4000, in: 1) == 0x60_4049 + displacement)
        #expect(result.counts.indirect == 2)
    }
}
