// The loader's additions to an object file: slots and stubs in the GOT, the code of TLS descriptors, and the executable pages.

@testable import Linking
import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct GeneratedCodeTests {
    /// A file with 64 bytes of code, 64 of data, and `_start` and other symbols.
    private func file(
        _ symbols: [TestSupport.ObjectSymbol] = [], _ relocations: [Relocation] = [], flags: UInt64 = 3
    ) -> [UInt8] {
        ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0xf4, count: 64)),
                ObjectSection(
                    name: ".data", flags: flags, align: 8, bytes: [UInt8](repeating: 0, count: 64),
                    relocations: relocations),
            ], symbols: [TestSupport.ObjectSymbol(name: "_start", info: 0x12, section: 1)] + symbols
        ).bytes
    }

    private func function(_ name: String, _ value: UInt64) -> TestSupport.ObjectSymbol {
        TestSupport.ObjectSymbol(name: name, value: value, info: 0x1a, section: 1)
    }

    /// The parts of a file's image, and whether each address is in code.
    private func parts(_ file: [UInt8]) throws -> (parts: [ImagePart], code: [Bool]) {
        let view = ByteView(file.span.bytes)
        let image = try ObjectImage(view, try FileHeader(view))
        var walk = ImageParts()
        var list: [ImagePart] = []
        while walk.advance(in: image) { list.append(walk.part) }
        var code: [Bool] = []
        for address in 0..<image.layout.programEnd { code.append(image.isCode(address)) }
        return (list, code)
    }

    /// Each STT_GNU_IFUNC symbol has one stub beside the slots, which all references use. Its resolver is called once, if there is a
    /// reference.
    @Test func stubs() throws {
        let bytes = file(
            [function("first", 8), function("second", 16), function("nobody's", 24)],
            [
                Relocation(1, at: 0, symbol: 2), Relocation(1, at: 8, symbol: 3),
                Relocation(1, at: 16, symbol: 2, addend: 1),
                Relocation(9, at: 24, symbol: 3, addend: 24), Relocation(9, at: 28, symbol: 1, addend: 28),
            ])
        let result = try load(bytes) { $0 &+ 0x1000 }
        #expect(result.resolvers == [0x60_0008, 0x60_0010])
        #expect(result.counts.indirect == 2 && result.counts.total == 5)
        let data: UInt64 = 0x1000
        let stubs = [result.word(data), result.word(data + 8)].map { $0 &- 0x60_0000 }
        #expect(result.word(data + 16) == stubs[0] + 0x60_0001)
        // A stub jumps through the word before it.
        for (index, stub) in stubs.enumerated() {
            #expect(result.word(stub) == Thunks.indirectJump && result.word(stub - 8) == 0x60_1008 + UInt64(index) * 8)
        }
        // One slot holds the second function's stub, another the address of `_start`; they do not overlap.
        let slots = [24, 28].map { data + UInt64(result.memory.number(UInt32.self, at: Int(data + $0))) }
        #expect(result.word(slots[0]) == stubs[1] + 0x60_0000 && result.word(slots[1]) == 0x60_0000)
        let taken = stubs.map { $0 - 8..<$0 + 8 } + slots.map { $0..<$0 + 8 }
        for (index, range) in taken.enumerated() {
            for other in taken[..<index] { #expect(!range.overlaps(other), "\(taken)") }
        }
    }

    /// The code for descriptors has pages of its own: one function for variables, one for undefined variables.
    @Test func descriptorCode() throws {
        let symbols = [
            TestSupport.ObjectSymbol(name: "variable", value: 4, info: 0x16, section: 3),
            TestSupport.ObjectSymbol(name: "nobody's", info: 0x26, section: 0),
        ]
        var object = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0xf4, count: 64)),
                ObjectSection(
                    name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 64),
                    relocations: [Relocation(36, at: 0, symbol: 2), Relocation(36, at: 16, symbol: 3)]),
                ObjectSection(name: ".tbss", type: 8, flags: 0x403, align: 8, zeros: 0x10),
                ObjectSection(name: ".bss", type: 8, flags: 3, align: 8, zeros: 0x18),
            ], symbols: [TestSupport.ObjectSymbol(name: "_start", info: 0x12, section: 1)] + symbols)
        let result = try load(object.bytes)
        let (parts, code) = try parts(object.bytes)
        let data = try #require(parts.first { $0.isWritable }).start
        let functions = [result.word(data), result.word(data + 16)].map { $0 &- 0x60_0000 }
        let words = Thunks.descriptorFunctions
        for (index, function) in functions.enumerated() {
            #expect((0..<2).map { result.word(function + UInt64($0) * 8) } == (0..<2).map { words[index * 2 + $0] })
            #expect(
                parts.contains { $0.start <= function && function + 16 <= $0.end && $0.isExecutable && !$0.isWritable })
        }
        #expect(Int64(bitPattern: result.word(data + 8)) == 4 - 0x10)
        // The additions begin a page, so that no data is executable and no code writable.
        let last = try #require(parts.last)
        #expect(last.isExecutable && !last.isWritable && last.start % 0x1000 == 0)
        #expect(code[63] && !code[64] && !code[Int(data)])
        // Without descriptors the additions are data.
        object.sections[1].relocations = []
        let plain = try #require(try self.parts(object.bytes).parts.last)
        #expect(!plain.isExecutable && plain.isWritable)
    }

    /// A section that is both writable and executable makes all data executable, up to the page where zeros begin.
    @Test func writtenCode() throws {
        for (flags, isCode) in [(3, false), (7, true), (2, false), (0x13, false), (0x17, true)] as [(UInt64, Bool)] {
            let (parts, code) = try parts(file(flags: flags))
            let data = parts[2]
            let isData = flags & 1 != 0
            #expect(data.isExecutable == isCode && data.isWritable)
            #expect(data.end - data.start == (isData ? 0x1000 : 0))
            for (address, found) in code.enumerated() {
                let isInData = UInt64(address) >= data.start && UInt64(address) < data.end
                #expect(found == (address < 64 || isCode && isInData), "\(flags) \(address)")
            }
        }
    }

    /// The null symbol means address 0, size 0, and the beginning of the block.
    @Test func theNullSymbol() throws {
        var object = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0xf4, count: 64)),
                ObjectSection(
                    name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 64),
                    relocations: [
                        Relocation(1, at: 0, addend: 0x1234), Relocation(10, at: 8, addend: 5),
                        Relocation(33, at: 16, addend: 7),
                        Relocation(18, at: 24, addend: 3), Relocation(17, at: 32, addend: 3), Relocation(16, at: 40),
                        Relocation(0, at: 48),
                    ]),
                ObjectSection(name: ".tdata", flags: 0x403, align: 8, bytes: [UInt8](repeating: 1, count: 0x18)),
            ], symbols: [TestSupport.ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        let result = try load(object.bytes)
        let data = try #require(try parts(object.bytes).parts.first { $0.isWritable }).start + 0x18
        #expect(result.word(data) == 0x1234 && result.word(data + 8) == 5 && result.word(data + 16) == 7)
        #expect(Int64(bitPattern: result.word(data + 24)) == 3 - 0x18)
        #expect(result.word(data + 32) == 3 && result.word(data + 40) == 1 && result.word(data + 48) == 0)
        // An undefined symbol is a fault, and so is a symbol of a missing section.
        object.sections[1].relocations = [Relocation(1, at: 0, symbol: 2)]
        let place = FaultLocation.entry(section: 4, index: 0)
        #expect(refusal(of: object.bytes) == Fault(.symbolIndexOutsideTable, place, value: 2, limit: 2))
        for (section, isThere) in [(3, true), (7, true), (8, false), (9, false)] as [(UInt32, Bool)] {
            var other = object
            other.symbols.append(TestSupport.ObjectSymbol(name: "odd", info: 0x11, section: section))
            // Sections: null, three, .rela.data, .symtab, .strtab, .shstrtab.
            let unknown =
                isThere
                ? Fault(.symbolNotLoaded, place, value: UInt64(section))
                : Fault(.symbolSectionUnknown, place, value: UInt64(section), limit: 8)
            #expect(
                refusal(of: other.bytes) == (section == 3 ? Fault(.symbolThreadLocal, place) : unknown), "\(section)")
        }
    }

    /// R_X86_64_NONE is ignored, at any place and for any symbol.
    @Test func nothing() throws {
        let data = try load(
            file([], [Relocation(0, at: 0), Relocation(0, at: 64), Relocation(0, at: .max, symbol: 1)]))
        #expect(data.counts.total == 3 && data.memory[0x1000..<0x1040].allSatisfy { $0 == 0 })
        #expect(try load(file([], [Relocation(0, at: 1 << 40, symbol: 77)])).counts[0] == 1)
        #expect(
            refusal(of: file([], [Relocation(1, at: 57, symbol: 1)]))
                == Fault(.relocationOutsideSection, .entry(section: 3, index: 0), value: 57, limit: 64))
        #expect(refusal(of: file([], [Relocation(1, at: 56, symbol: 1)])) == nil)
    }

    /// The template of thread-local storage is relocated up to the end of its bytes; its zeros have no memory.
    @Test func theTemplate() throws {
        func object(_ type: UInt32, _ offset: UInt64) -> [UInt8] {
            var object = ObjectFile(
                sections: [
                    ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0xf4, count: 64)),
                    ObjectSection(name: ".tdata", flags: 0x403, align: 8, bytes: [UInt8](repeating: 1, count: 0x18)),
                    ObjectSection(
                        name: ".tother", type: type, flags: 0x403, align: 8,
                        bytes: type == 8 ? [] : [UInt8](repeating: 2, count: 0x20), zeros: 0x20),
                ], symbols: [TestSupport.ObjectSymbol(name: "_start", value: 4, info: 0x12, section: 1)])
            object.sections[2].relocations = [Relocation(1, at: offset, symbol: 1)]
            return object.bytes
        }
        for offset in [0, 8, 24] as [UInt64] {
            let result = try load(object(1, offset))
            #expect(result.word(result.template.start + 0x18 + offset) == 0x60_0004)
            #expect(result.template.size == 0x38 && result.block.size == 0x38)
            let outside = Fault(.relocationOutsideSection, .entry(section: 4, index: 0), value: offset, limit: 0)
            #expect(refusal(of: object(8, offset)) == outside)
        }
        #expect(
            refusal(of: object(1, 25))
                == Fault(.relocationOutsideSection, .entry(section: 4, index: 0), value: 25, limit: 0x20))
        // Only sections with bytes or zeros in the image are listed as places.
        for (type, count) in [(1, 3), (8, 2)] as [(UInt32, Int)] {
            let bytes = object(type, 0)
            let view = ByteView(bytes.span.bytes)
            let image = try ObjectImage(view, try FileHeader(view))
            var places: [UInt32] = []
            try image.forEachPlace { section, _ in places.append(section) }
            #expect(places == Array(1...UInt32(count)))
        }
    }

    /// Memory that is too small is refused, and nothing after it is written.
    @Test func noRoom() throws {
        let bytes = file()
        let size = Int(try plannedSize(bytes))
        for room in [0, 1, 64, 0x1000, size - 1, size] {
            var memory = [UInt8](repeating: 0xee, count: room + 16)
            let found = fault {
                let view = ByteView(bytes.span.bytes)
                let image = try ObjectImage(view, try FileHeader(view))
                var span = memory.mutableSpan
                var whole = span.mutableBytes
                var region = ByteRegion(whole._mutatingExtracting(0..<room), at: 0)
                try image.load(into: &region)
            }
            #expect(found == (room == size ? nil : Fault(.imageTooLarge, value: UInt64(size), limit: UInt64(room))))
            #expect(memory.suffix(16).allSatisfy { $0 == 0xee })
        }
    }

    /// Details are looked up only in existing tables.
    @Test func detailsOfNoEntry() {
        let bytes = file([], [Relocation(1, at: 8, symbol: 1)])
        let view = ByteView(bytes.span.bytes)
        for (section, index, isThere) in [
            (3, 0, true), (3, 1, false), (2, 0, false), (6, 0, false), (7, 0, false), (8, 0, false),
            (0xffff_ffff, 0, false),
        ] as [(UInt64, UInt64, Bool)] {
            let details = FaultDetails(of: Fault(.relocationOverflow, .entry(section: section, index: index)), in: view)
            #expect(details.address == (isThere ? 8 : 0) && (details.nameOffset != 0) == isThere, "\(section)")
        }
    }

    /// Alignments that are powers of two, and addresses up to the highest.
    @Test func placing() {
        let limit: UInt64 = 1 << 47
        for (address, size, alignment, start) in [
            (0, 0, 0, 0), (5, 3, 1, 5), (5, 3, 8, 8), (8, 3, 8, 8), (9, 0, 16, 16), (0, limit, 1, 0),
            (1, limit - 1, 1, 1),
            (1, limit, 1, nil), (0, limit + 1, 1, nil), (0, .max, 1, nil), (limit, 0, 1, limit), (limit, 1, 1, nil),
            (1, 0, limit, limit), (1, 1, limit, nil), (0, 0, limit, 0), (0, 0, limit << 1, nil), (0, 0, 1 << 63, nil),
        ] as [(UInt64, UInt64, UInt64, UInt64?)] {
            var cursor = PlacementCursor()
            cursor.address = address
            var found: UInt64?
            let fault = fault { found = try cursor.place(size, alignment, else: .sectionAlignment, .sectionHeader(1)) }
            #expect(found == start, "\(address) \(size) \(alignment)")
            guard start == nil else {
                #expect(cursor.address == start! + size && cursor.alignment == max(alignment, 1))
                continue
            }
            // If neither size alone is too large, the fault has their sum, else the larger one.
            let isEach = size <= limit && alignment <= limit
            #expect(
                fault
                    == Fault(
                        .sectionTooLarge, .sectionHeader(1), value: address, limit: isEach ? size : max(size, alignment)
                    ))
        }
        for alignment in [3, 6, 0x1001, .max] as [UInt64] {
            var cursor = PlacementCursor()
            let fault = fault { _ = try cursor.place(0, alignment, else: .commonAlignment, .sectionHeader(1)) }
            #expect(fault == Fault(.commonAlignment, .sectionHeader(1), value: alignment))
        }
    }
}
