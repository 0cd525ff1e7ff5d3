// Each relocation number against its vectors, with addends in entries and in place, at places of every kind.

import Architecture
import Diagnostics
import Linking
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(minutesPerTest))) struct VectorTests {
    static let numbers = Vectors.all.flatMap(\.numbers).sorted()

    func group(_ number: UInt32) throws -> VectorGroup {
        try #require(Vectors.all.first { $0.numbers.contains(number) })
    }

    @Test(arguments: numbers) func values(number: UInt32) throws {
        let group = try group(number)
        for (index, vector) in group.vectors.enumerated() {
            let file = Vectors.file(number, vector, isThreadLocal: group.isThreadLocal)
            switch vector.result {
            case .bytes(let expected):
                let result = try load(file)
                #expect(result.hex(Vectors.place, max(group.size, group.size == 0 ? 8 : 0)) == expected, "\(index)")
                #expect(result.hex(Vectors.place - 8, 8) == "ee ee ee ee ee ee ee ee", "what precedes the place")
                #expect(
                    result.hex(Vectors.place + UInt64(group.size), 8) == "ee ee ee ee ee ee ee ee",
                    "what follows the place")
                #expect(result.counts.total == 1)
                #expect(result.counts[number] == 1)
                for (word, expected) in (group.slot?(vector.S) ?? []).enumerated() {
                    #expect(result.word(Vectors.slot + UInt64(word) * 8) == expected, "the slot's word \(word)")
                }
            case .overflow(let value, let limit):
                let fault = try #require(refusal(of: file), "vector \(index)")
                let name = try #require(RelocationType(number)?.name)
                #expect(
                    sentence(fault, file)
                        == "section 5 entry 0: R_X86_64_\(name) at 0x40: the value 0x\(String(value, radix: 16)) of "
                        + "'operand' is beyond what the field can hold, 0x\(String(limit, radix: 16))")
            }
        }
    }

    /// SHT_REL: the same bytes, if the field can hold the addend.
    @Test(arguments: numbers.filter { ![0, 35, 36].contains($0) }) func addendsInPlace(number: UInt32) throws {
        let group = try group(number)
        for vector in group.vectors {
            let addend = Int64(bitPattern: vector.A)
            let limit = Int64(1) << (group.size * 8 - 1 == 63 ? 62 : group.size * 8 - 1)
            guard case .bytes(let expected) = vector.result, group.size == 8 || (addend >= 0 && addend < limit) else {
                continue
            }
            let file = Vectors.file(number, vector, isThreadLocal: group.isThreadLocal, hasAddends: false)
            #expect(try load(file).hex(Vectors.place, group.size) == expected)
        }
    }

    /// No alignment is required. S (or A) moves by as much as P, so values that depend on P stay the same.
    @Test(arguments: numbers.filter { $0 != 0 && $0 != 35 }) func unalignedPlaces(number: UInt32) throws {
        let group = try group(number)
        var vector = try #require(group.vectors.first)
        let expected = try #require(vector.bytes)
        let formula = try #require(RelocationType(number)?.formula)
        let usesPlace: Bool =
            switch formula {
            case .pcRelative, .pltRelative, .gotRelative, .gotFromPlace, .tlsIndexFromPlace, .tlsModuleFromPlace,
                .threadPointerSlotFromPlace, .tlsDescriptorFromPlace:
                true
            default: false
            }
        let addend = vector.A
        for offset in 1...7 as ClosedRange<UInt64> {
            vector.A = usesPlace ? addend &+ offset : addend
            let file = Vectors.file(number, vector, isThreadLocal: group.isThreadLocal, at: 0x40 + offset)
            #expect(try load(file).hex(Vectors.place + offset, group.size) == expected)
        }
    }

    /// The last place that the field fits in, and places that extend past their section.
    @Test(arguments: numbers.filter { $0 != 0 && $0 != 35 }) func placesAtTheEdge(number: UInt32) throws {
        let group = try group(number)
        let name = try #require(RelocationType(number)?.name)
        for excess in 0...UInt64(group.size) {
            let place = 0x100 - UInt64(group.size) + excess
            var vector = group.vectors[0]
            let isRelative = RelocationType(number)?.formula == .pcRelative
            if isRelative { vector.S = 0x60_2000 + place }
            vector.A = 0
            let file = Vectors.file(number, vector, isThreadLocal: group.isThreadLocal, at: place)
            guard excess > 0 else {
                #expect(refusal(of: file) == nil)
                continue
            }
            let fault = try #require(refusal(of: file))
            #expect(
                sentence(fault, file)
                    == "section 5 entry 0: R_X86_64_\(name) against 'operand': the place 0x\(String(place, radix: 16)) is "
                    + "not inside its section, which ends at 0x100")
        }
        for place in [.max, 0xffff_ffff_ffff_fff0, 1 << 63, 0x1_0000_0040] as [UInt64] {
            let file = Vectors.file(number, group.vectors[0], isThreadLocal: group.isThreadLocal, at: place)
            #expect(
                refusal(of: file)
                    == Fault(.relocationOutsideSection, .entry(section: 5, index: 0), value: place, limit: 0x100))
        }
    }

    @Test(arguments: Vectors.onlyInLinkedFiles.keys.sorted()) func onlyInLinkedFiles(number: UInt32) throws {
        let name = try #require(Vectors.onlyInLinkedFiles[number])
        let file = Vectors.file(number, Vector(S: 1, ""))
        #expect(
            sentence(try #require(refusal(of: file)), file)
                == "section 5 entry 0: R_X86_64_\(name) at 0x40 against 'operand': only linkers make this type, \(number): "
                + "it cannot be in an object file")
    }

    @Test(arguments: [52, 250, 251, 256, .max] as [UInt32]) func unknownNumbers(number: UInt32) throws {
        let file = Vectors.file(number, Vector(S: 1, ""))
        #expect(
            sentence(try #require(refusal(of: file)), file)
                == "section 5 entry 0: relocation type \(number) at 0x40 against 'operand' is not one of the "
                + "psABI's (0 to 51)")
    }

    /// Every number has a test.
    @Test func everyNumberIsCovered() {
        let covered = VectorTests.numbers + Vectors.onlyInLinkedFiles.keys
        #expect(covered.sorted() == Array(0...51))
    }
}
