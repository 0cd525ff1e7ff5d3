// A file with a table of every kind, damaged byte by byte: it loads or is refused, and nothing outside the image changes.

import Diagnostics
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct CorruptionTests {
    /// A file with every kind of table, and the file offsets at which its structures begin and end.
    static let sample: (file: [UInt8], structures: Range<Int>) = {
        var writer = ELFWriter(base: 0)
        let data = writer.append([UInt8](repeating: 0, count: 256))
        let start = writer.next
        let defined = writer.addSymbol("defined", value: data, size: 16)
        let weak = writer.addSymbol("weak", binding: 2, shndx: 0)
        let local = writer.addSymbol("local", value: 8, type: 6)
        var entries = writer.symbolEntries()
        entries += writer.relaEntries([
            Relocation(8, at: data, addend: 0x10), Relocation(1, at: data + 8, symbol: defined, addend: 1),
            Relocation(6, at: data + 16, symbol: weak), Relocation(18, at: data + 24, symbol: local),
            Relocation(36, at: data + 32, symbol: local), Relocation(10, at: data + 48, symbol: defined),
            Relocation(37, at: data + 56, addend: data),
        ])
        entries += writer.relEntries([Relocation(8, at: data + 64), Relocation(2, at: data + 72, symbol: defined)])
        entries += writer.pltEntries([Relocation(7, at: data + 80, symbol: defined)], hasAddends: true)
        entries += writer.relrEntries([data + 96, 0b1011, data + 128])
        writer.setDynamic(entries)
        writer.segments.append(Segment(7, offset: data, vaddr: data, filesz: 32, memsz: 48, align: 16))
        writer.addNotes(hermitNote(4))
        writer.zeroFill = 0x40
        return (writer.bytes, Int(start)..<Int(writer.next))
    }()

    @Test func `the sample loads`() {
        let result = load(Self.sample.file) { $0 }
        #expect(result.fault == nil)
        #expect(result.counts?.total == 7 + 2 + 1 + 4)
        #expect(result.guardsAreIntact)
    }

    @Test func `a file with one changed byte loads or is refused, and nothing outside the image is written`() {
        let (sound, structures) = Self.sample
        var refused = 0
        var loaded = 0
        for offset in Array(0..<64 + 4 * 56) + Array(structures) {
            for value in [0, 1, 0x7f, 0x80, 0xff, sound[offset] ^ 1] as [UInt8] {
                var file = sound
                file[offset] = value
                let result = load(file) { $0 }
                if result.fault == nil { loaded += 1 } else { refused += 1 }
                if !result.guardsAreIntact { Issue.record("offset \(offset) value \(value)") }
            }
        }
        #expect(refused > 500 && loaded > 500)
    }

    @Test func `a file with two changed bytes loads or is refused`() {
        let (sound, structures) = Self.sample
        var random = SeededGenerator(seed: 6)
        for _ in 0..<4000 {
            var file = sound
            for _ in 0..<2 {
                let offset =
                    Bool.random(using: &random)
                    ? Int.random(in: 0..<288, using: &random)
                    : structures.randomElement(using: &random)!
                file[offset] = UInt8.random(in: 0...255, using: &random)
            }
            if !load(file, { $0 }).guardsAreIntact { Issue.record("\(file)") }
        }
    }

    @Test func `a file cut short anywhere is refused`() {
        let sound = Self.sample.file
        for length in 0..<sound.count {
            let result = load(Array(sound[..<length]))
            let expected: Fault =
                switch length {
                case 0: Fault(.emptyFile)
                case 1..<64: Fault(.fileTooShort, .header, value: UInt64(length), limit: 64)
                case 64..<288: Fault(.programHeadersBeyondFile, .header, value: 288, limit: UInt64(length))
                default:
                    Fault(.segmentBeyondFile, .programHeader(0), value: UInt64(sound.count), limit: UInt64(length))
                }
            #expect(result.fault == expected)
        }
    }
}
