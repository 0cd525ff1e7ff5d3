// Each relocation number against its vectors, in every table that can hold it, at places of every kind.

import Architecture
import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

/// The table that holds the relocation under test.
enum TableForm: CaseIterable {
    case rela, rel, pltWithAddends, plt

    var hasAddends: Bool { self == .rela || self == .pltWithAddends }
    var tag: UInt64 {
        switch self {
        case .rela: 7
        case .rel: 17
        case .pltWithAddends, .plt: 23
        }
    }
}

/// A file with one relocation and its symbol.
func file(_ group: VectorGroup, _ vector: Vector, _ form: TableForm = .rela, at place: UInt64 = Vectors.place)
    -> [UInt8]
{
    var file = LinkedFileWriter()
    file.data = [UInt8](repeating: 0xee, count: 0x100)
    file.tls = Vectors.tls
    var relocation = LinkedRelocation(offset: place, type: group.number, symbol: 0, addend: vector.A)
    if let kind = group.symbol {
        file.symbols = [
            LinkedSymbol(
                name: "operand", value: vector.S, size: vector.Z, info: kind == .threadLocal ? 0x16 : 0x11,
                shndx: kind == .threadLocal ? 3 : 0xfff1)
        ]
        relocation.symbol = 1
    }
    switch form {
    case .rela: file.rela = [relocation]
    case .rel: file.rel = [relocation]
    case .pltWithAddends: file.plt = [relocation]
    case .plt:
        file.plt = [relocation]
        file.pltHasAddends = false
    }
    if !form.hasAddends, place >= file.dataAddress, place < file.end {
        // The addend in place; a descriptor's is its second word.
        var addend = LittleEndianOutput()
        addend.u64(vector.A)
        let start = Int(place - file.dataAddress) + (group.size == 16 ? 8 : 0)
        let size = min(min(group.size, 8), file.data.count - start)
        if size > 0 { file.data.replaceSubrange(start..<start + size, with: addend.bytes.prefix(size)) }
    }
    return file.bytes
}

/// Whether the field itself can hold A, so that the vector applies to tables without addends.
func addendFits(_ group: VectorGroup, _ vector: Vector) -> Bool {
    let addend = Int64(bitPattern: vector.A)
    return switch group.size {
    case 1: addend >= -0x80 && addend < 0x80
    case 2: addend >= -0x8000 && addend < 0x8000
    case 4:
        group.number == 10 || group.number == 32
            ? addend >= 0 && addend < 0x1_0000_0000 : addend == Int64(Int32(truncatingIfNeeded: addend))
    default: true
    }
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct VectorTests {
    static let returned: @Sendable (UInt64) -> UInt64? = { $0 &+ 0x1111_0000_0000 }

    @Test(arguments: Vectors.all.map(\.number), TableForm.allCases)
    func values(number: UInt32, form: TableForm) throws {
        let group = try #require(Vectors.all.first { $0.number == number })
        for (index, vector) in group.vectors.enumerated() where form.hasAddends || addendFits(group, vector) {
            let bytes = file(group, vector, form)
            switch vector.result {
            case .bytes(let expected):
                let result = try relocate(bytes, bias: Vectors.bias, resolve: VectorTests.returned)
                let size = max(group.size, number == 0 ? 8 : 0)
                #expect(result.hex(Vectors.place, size) == expected, "\(group.name), vector \(index), \(form)")
                #expect(result.hex(Vectors.place - 8, 8) == "ee ee ee ee ee ee ee ee", "what precedes the place")
                #expect(
                    result.hex(Vectors.place + UInt64(size), 8) == "ee ee ee ee ee ee ee ee", "what follows the place")
                #expect(result.counts.total == 1)
                #expect(result.counts[number] == 1)
                #expect(result.counts.indirect == (number == 37 ? 1 : 0))
            case .overflow(let value, let limit):
                let fault = try #require(refusal(of: bytes), "\(group.name), vector \(index), \(form)")
                let place = FaultLocation.relocation(table: form.tag, index: 0)
                #expect(fault == Fault(.relocationOverflow, place, value: value, limit: limit))
                #expect(
                    sentence(fault, bytes).hasSuffix(
                        "R_X86_64_\(group.name) at 0x4040: the value 0x\(String(value, radix: 16)) of 'operand' is "
                            + "beyond what the field can hold, 0x\(String(limit, radix: 16))"))
            }
        }
    }

    /// The psABI requires no alignment. Values that depend on P differ at other places, so only the others are compared.
    @Test(arguments: Vectors.all.filter { $0.size > 0 && ![2, 13, 15, 24].contains($0.number) }.map(\.number))
    func unalignedPlace(number: UInt32) throws {
        let group = try #require(Vectors.all.first { $0.number == number })
        let expected = try #require(group.vectors[0].bytes)
        for offset in 1...7 as ClosedRange<UInt64> {
            let bytes = file(group, group.vectors[0], at: Vectors.place + offset)
            let result = try relocate(bytes, bias: Vectors.bias, resolve: VectorTests.returned)
            #expect(result.hex(Vectors.place + offset, group.size) == expected)
        }
    }

    /// P-relative values at unaligned places: S + A - P with S = P + 0x11.
    @Test(
        arguments: [(2, "11 00 00 00"), (13, "11 00"), (15, "11"), (24, "11 00 00 00 00 00 00 00")]
            as [(UInt32, String)])
    func unalignedRelativePlace(number: UInt32, expected: String) throws {
        let group = try #require(Vectors.all.first { $0.number == number })
        for offset in 1...7 as ClosedRange<UInt64> {
            let bytes = file(group, Vector(S: 0x60_4051 + offset, expected), at: Vectors.place + offset)
            #expect(try relocate(bytes, bias: Vectors.bias).hex(Vectors.place + offset, group.size) == expected)
        }
    }

    /// The last place that the field fits in, and places that it does not: across the end, and across the start. The image
    /// of a file with a TLS descriptor ends after the descriptor's code.
    @Test(arguments: Vectors.all.filter { $0.size > 0 }.map(\.number), TableForm.allCases)
    func placeAtTheEdge(number: UInt32, form: TableForm) throws {
        let group = try #require(Vectors.all.first { $0.number == number })
        // S = P keeps P-relative values in range, and no field is smaller than 0.
        let end: UInt64 = number == 36 ? 0x4120 : 0x4100
        for excess in 0...UInt64(group.size) {
            let place = end - UInt64(group.size) + excess
            var vector = group.vectors[0]
            if [2, 13, 15, 24].contains(number) { vector.S = Vectors.bias + place }
            vector.A = number == 37 ? 0x4010 : 0
            let bytes = file(group, vector, form, at: place)
            let fault = refusal(of: bytes, resolve: VectorTests.returned)
            if excess == 0 {
                // Without an addend in the entry, 0xee bytes may be a resolver's address; nothing else depends on them.
                #expect(fault == nil || number == 37 && !form.hasAddends && fault?.rule == .resolverOutsideImage)
            } else {
                let entry = FaultLocation.relocation(table: form.tag, index: 0)
                #expect(fault == Fault(.relocationOutsideImage, entry, value: place, limit: end))
            }
        }
        for place in [.max, 0xffff_ffff_ffff_fff0, 0x1_0000_4040, 1 << 63] as [UInt64] {
            var vector = group.vectors[0]
            if [2, 13, 15, 24].contains(number) { vector.S = Vectors.bias &+ place }
            vector.A = 0
            #expect(
                refusal(of: file(group, vector, form, at: place))
                    == Fault(.relocationOutsideImage, .relocation(table: form.tag, index: 0), value: place, limit: end))
        }
    }

    /// An entry without an addend has no value until its place has been read: outside the image that is the fault, and not a value that
    /// does not fit.
    @Test(arguments: [2, 10, 11, 12, 13, 14, 15] as [UInt32], [TableForm.rel, .plt])
    func placeBeforeValue(number: UInt32, form: TableForm) throws {
        let group = try #require(Vectors.all.first { $0.number == number })
        let vector = Vector(S: 1 << 40, "")
        let last = 0x4100 - UInt64(group.size)
        let entry = FaultLocation.relocation(table: form.tag, index: 0)
        #expect(refusal(of: file(group, vector, form, at: last))?.rule == .relocationOverflow)
        for place in last + 1...0x4100 {
            #expect(
                refusal(of: file(group, vector, form, at: place))
                    == Fault(.relocationOutsideImage, entry, value: place, limit: 0x4100))
        }
    }

    @Test(arguments: Vectors.onlyInObjects.keys.sorted())
    func onlyInObjects(number: UInt32) throws {
        let name = try #require(Vectors.onlyInObjects[number])
        let group = VectorGroup(number: number, name: name, size: 8, vectors: [])
        for form in TableForm.allCases {
            let bytes = file(group, Vector(S: 0x4000, ""), form)
            let fault = try #require(refusal(of: bytes))
            let place = FaultLocation.relocation(table: form.tag, index: 0)
            #expect(fault == Fault(.relocationOnlyInObjects, place, value: UInt64(number)))
            #expect(
                sentence(fault, bytes).hasSuffix(
                    "entry 0: R_X86_64_\(name) at 0x4040 against 'operand': linkers resolve this type, \(number): "
                        + "it cannot be in a linked file"))
        }
    }

    @Test(arguments: [52, 53, 99, 250, 251, 256, 0x8000_0000, .max] as [UInt32])
    func unknownNumbers(number: UInt32) throws {
        let bytes = file(VectorGroup(number: number, name: "", size: 8, vectors: []), Vector(S: 1, ""))
        let fault = try #require(refusal(of: bytes))
        #expect(
            sentence(fault, bytes)
                == "DT_RELA entry 0: relocation type \(number) at 0x4040 against 'operand' is not one of the "
                + "psABI's (0 to 51)")
    }

    @Test func copy() throws {
        let bytes = file(VectorGroup(number: 5, name: "COPY", size: 8, vectors: []), Vector(S: 1, Z: 8, ""))
        #expect(
            sentence(refusal(of: bytes), bytes)
                == "DT_RELA entry 0: R_X86_64_COPY at 0x4040: no other file defines 'operand', so there is nothing to copy"
        )
    }

    /// Every number has a test, and the engine's names are the psABI's.
    @Test func everyNumberIsCovered() {
        for number in 0...51 as ClosedRange<UInt32> {
            let group = Vectors.all.first { $0.number == number }
            let name = group?.name ?? Vectors.onlyInObjects[number] ?? (number == 5 ? "COPY" : nil)
            #expect(name != nil, "number \(number)")
            #expect(RelocationType(number)?.name.description == name)
            #expect(RelocationType(number)?.occursInLinkedFiles == (Vectors.onlyInObjects[number] == nil))
        }
        #expect(RelocationType(52) == nil)
    }
}
