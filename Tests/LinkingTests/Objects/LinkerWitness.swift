// The linkers as witnesses: an object file linked with the loader's addresses for its sections, compared with ours.

import Architecture
import Bytes
import Commands
import Diagnostics
import ELF
import Foundation
import TestSupport

@testable import Linking

/// A linked file's memory, by run-time address.
struct LinkedMemory {
    private var segments: [(address: UInt64, bytes: [UInt8])] = []

    init(_ file: [UInt8]) throws {
        let view = ByteView(file.span.bytes)
        let headers = try ProgramHeaders(view, try FileHeader(view))
        for index in 0..<headers.count where headers[index].type == 1 {
            let segment = headers[index]
            let bytes = Array(file[Int(segment.offset)..<Int(segment.offset + segment.filesz)])
            let zeros = [UInt8](repeating: 0, count: Int(segment.memsz - segment.filesz))
            segments.append((segment.vaddr, bytes + zeros))
        }
    }

    func bytes(_ address: UInt64, _ count: Int) -> ArraySlice<UInt8>? {
        for segment in segments where address >= segment.address {
            let start = Int(address - segment.address)
            if start + count <= segment.bytes.count { return segment.bytes[start..<start + count] }
        }
        return nil
    }

    func word(_ address: UInt64) -> UInt64? { bytes(address, 8).map { Array($0).number(UInt64.self, at: 0) } }
}

/// The result of comparing one file.
struct Comparison {
    var bytes = 0, words: [UInt32: Int] = [:], slots = 0
    /// Words against symbols whose places linkers choose otherwise: common symbols, STT_GNU_IFUNC functions, linkers' names.
    var elsewhere = 0
    var differences: [String] = []

    static func += (left: inout Comparison, right: Comparison) {
        left.bytes += right.bytes
        left.words.merge(right.words, uniquingKeysWith: +)
        left.slots += right.slots
        left.elsewhere += right.elsewhere
        left.differences += right.differences
    }

    var summary: String {
        let types = words.sorted { $0.key < $1.key }.map { type, count in
            "\(count) \(RelocationType(type)?.name.description ?? "?")"
        }
        return
            "\(bytes) bytes equal; words: \(types.joined(separator: ", ")), \(slots) of them through equal slots of the GOT; "
            + "\(elsewhere) not compared"
    }
}

/// The comparison.
enum LinkerWitness {
    /// The address of the image.
    static let base: UInt64 = 0x20_0000

    /// Compares our result for `file` with that of `linker`.
    static func compare(_ file: [UInt8], linkedBy linker: String) async throws -> Comparison {
        let folder = try Folder()
        let object = try folder.write("object.o", file), scriptFile = try folder.write("script.ld", script(file))
        try await make([
            linker, "-static", "--no-relax", "-z", "norelro", "-T", scriptFile.path, "-o", folder.path("linked"),
            object.path,
        ])
        return try compare(file, LinkedMemory(folder.read("linked")))
    }

    /// The file without SHF_MERGE and SHF_STRINGS: linkers merge strings, which moves them.
    static func withoutMerging(_ file: [UInt8]) -> [UInt8] {
        var file = file
        let start = Int(file.number(UInt64.self, at: 40))
        for index in 0..<Int(file.number(UInt16.self, at: 60)) {
            let flags = start + index * 64 + 8
            file.put(file.number(UInt64.self, at: flags) & ~0x30, at: flags)
        }
        return file
    }

    /// A linker script with the loader's addresses for the sections.
    private static func script(_ file: [UInt8]) throws -> String {
        let view = ByteView(file.span.bytes)
        let image = try ObjectImage(view, try FileHeader(view))
        var lines: [String] = []
        var placed = image.walk()
        while try placed.next(in: image.sections) {
            guard placed.size > 0 else { continue }
            let name = text(file, at: image.sections.nameOffset(placed.index))
            let start = placed.address
            lines.append("  \(name) 0x\(String(start + base, radix: 16)) : { *(\(name)) }")
        }
        lines += [
            "  .common 0x600000 : { *(COMMON) }", "  .got 0x700000 : { *(.got) }",
            "  .got.plt : { *(.got.plt) *(.igot) *(.igot.plt) }", "  .iplt : { *(.plt) *(.iplt) }",
            "  .rela.dyn : { *(.rela.dyn) *(.rela.plt) *(.rela.iplt) }", "  /DISCARD/ : { *(.comment) *(.eh_frame) }",
        ]
        // Words against these are not compared.
        let names = ["__executable_start", "__init_array_start", "__init_array_end", "_end"].map {
            "\($0) = \(base);\n"
        }
        return "ENTRY(_start)\n\(names.joined())SECTIONS {\n" + lines.joined(separator: "\n") + "\n}\n"
    }

    private static func text(_ file: [UInt8], at offset: UInt64) -> String {
        String(decoding: file[Int(offset)...].prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func compare(_ file: [UInt8], _ linked: LinkedMemory) throws -> Comparison {
        let view = ByteView(file.span.bytes)
        let image = try ObjectImage(view, try FileHeader(view))
        var memory = [UInt8](repeating: 0, count: Int(image.size))
        var span = memory.mutableSpan
        var region = ByteRegion(span.mutableBytes, at: 0)
        try image.load(into: &region)
        _ = try image.relocate(in: &region, bias: base)
        var result = Comparison()
        // The places of relocations, by section: offset, size and operand.
        var starts: [UInt32: UInt64] = [:]
        var placed = image.walk()
        while try placed.next(in: image.sections) {
            guard !placed.group.isZero else { continue }
            starts[placed.index] = placed.address
        }
        var free: Set<UInt64> = []
        // The GOT's run-time address, derived from the first relocation by way of it.
        var ourTable: UInt64 = 0, theirTable: UInt64 = 0
        var relocations = ObjectRelocationCursor(image.sections)
        while try relocations.nextSection(of: image.sections) {
            guard let start = starts[relocations.target] else { continue }
            while try relocations.next() {
                let entry = relocations.entry
                guard let meaning = RelocationType(entry.type) else { continue }
                let place = start + entry.offset
                let size = Int(meaning.field.size)
                let ours = memory[Int(place)..<Int(place) + size]
                guard let theirs = linked.bytes(place + base, size) else {
                    result.differences.append("nothing at \(String(place, radix: 16))")
                    continue
                }
                let name = image.symbols[entry.symbol].map { text(file, at: image.symbols.nameOffset(of: $0)) } ?? ""
                if isElsewhere(image, entry) {
                    result.elsewhere += 1
                    // For an undefined symbol, GNU ld makes the instruction load 0, which takes three bytes more.
                    let lead: UInt64 = meaning.formula == .gotRelative ? 3 : 0
                    free.formUnion((0..<UInt64(size) + lead).map { place + $0 - lead })
                    continue
                }
                let isThroughGOT: Bool
                switch meaning.formula {
                case .gotRelative:
                    // A call of __tls_get_addr that was replaced has no slot.
                    isThroughGOT = name != "__tls_get_addr"
                    guard isThroughGOT else { break }
                    let after = { (bytes: ArraySlice<UInt8>) in place &+ base &+ 4 &+ signed(bytes) }
                    let ourSlot = memory.number(UInt64.self, at: Int(after(ours) - base))
                    if linked.word(after(theirs)) == ourSlot {
                        result.slots += 1
                        result.words[entry.type, default: 0] += 1
                    } else {
                        result.differences.append("the slot of \(name) at \(String(place, radix: 16))")
                    }
                case .threadPointerSlotFromPlace, .tlsDescriptorFromPlace:
                    // Linkers make the instruction load the slot's contents here.
                    isThroughGOT = true
                    let isDescriptor = meaning.formula == .tlsDescriptorFromPlace
                    let slot = place &+ 4 &+ signed(ours) &+ (isDescriptor ? 8 : 0)
                    if memory.number(UInt64.self, at: Int(slot)) == signed(theirs) {
                        result.words[entry.type, default: 0] += 1
                    } else {
                        result.differences.append("the offset of \(name) at \(String(place, radix: 16))")
                    }
                    free.formUnion([place - 3, place - 2, place - 1])
                case .none where entry.type == 35:
                    // The call by the descriptor.
                    isThroughGOT = false
                    free.formUnion([place, place + 1])
                case .gotOffset, .symbolFromGOT, .pltFromGOT, .gotFromPlace:
                    // The GOT itself lies elsewhere; the words reached by way of it must be equal.
                    isThroughGOT = true
                    let base = place &+ base &- (entry.addend ?? 0)
                    let value = signed(ours), other = signed(theirs)
                    if meaning.formula == .gotFromPlace {
                        ourTable = base &+ value
                        theirTable = base &+ other
                        break
                    }
                    let isEqual =
                        meaning.formula == .gotOffset
                        ? linked.word(theirTable &+ other)
                            == memory.number(UInt64.self, at: Int(ourTable &+ value &- Self.base))
                        : ourTable &+ value == theirTable &+ other
                    if isEqual {
                        result.words[entry.type, default: 0] += 1
                    } else {
                        result.differences.append("\(meaning.name) of \(name) at \(String(place, radix: 16))")
                    }
                default:
                    isThroughGOT = false
                    if Array(ours) == Array(theirs) {
                        result.words[entry.type, default: 0] += 1
                    } else {
                        result.differences.append(
                            "\(meaning.name) of \(name) at \(String(place, radix: 16)): \(Array(ours)), \(Array(theirs))"
                        )
                    }
                }
                if isThroughGOT { free.formUnion((0..<UInt64(size)).map { place + $0 }) }
            }
        }
        // Every other byte must be equal, too: rewritten code, and bytes without relocations.
        for (index, start) in starts {
            for offset in 0..<image.sections[index].size where !free.contains(start + offset) {
                guard linked.bytes(start + offset + base, 1)?.first != memory[Int(start + offset)] else {
                    result.bytes += 1
                    continue
                }
                result.differences.append("the byte at \(String(start + offset, radix: 16))")
            }
        }
        return result
    }

    /// A word of 4 or 8 bytes.
    private static func signed(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        let bytes = Array(bytes)
        guard bytes.count == 4 else { return bytes.number(UInt64.self, at: 0) }
        return UInt64(bitPattern: Int64(Int32(bitPattern: bytes.number(UInt32.self, at: 0))))
    }

    private static func isElsewhere(_ image: borrowing ObjectImage, _ entry: RelocationEntry) -> Bool {
        var found = ObjectSymbol()
        guard found.read(entry.symbol, of: image.symbols), entry.symbol != 0 else { return false }
        let symbol = found.entry
        if symbol.isIndirectFunction { return true }
        let formula = RelocationType(entry.type)?.formula
        if formula == .gotFromPlace { return false }
        if symbol.isUndefined, symbol.isWeak, formula == .gotRelative { return true }
        switch found.definition {
        case .common: return true
        case .undefined:
            let linkerSymbol = LinkerSymbol(named: symbol.name, in: image)
            return linkerSymbol != nil && linkerSymbol != .blockBase
        default: return false
        }
    }
}
