// The ELF file header: every rule, with the exact fault.

import Architecture
import Bytes
import Diagnostics
import ELF
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct FileHeaderTests {
    /// A sound file: a header and one program header.
    static let sound = ELFWriter().bytes

    /// A change of the sound file and the fault that it leads to.
    struct Change: Sendable, CustomTestStringConvertible {
        var offset: Int
        var bytes: [UInt8]
        var fault: Fault
        var testDescription: String { "\(fault.rule)" }
    }

    static let changes: [Change] = [
        Change(offset: 0, bytes: [0x7e], fault: Fault(.notELF, value: 0x464c_457e)),
        Change(offset: 3, bytes: [0x47], fault: Fault(.notELF, value: 0x474c_457f)),
        Change(offset: 4, bytes: [1], fault: Fault(.notClass64, .header, value: 1)),
        Change(offset: 4, bytes: [0], fault: Fault(.notClass64, .header, value: 0)),
        Change(offset: 5, bytes: [2], fault: Fault(.notLittleEndian, .header, value: 2)),
        Change(offset: 6, bytes: [0], fault: Fault(.badIdentVersion, .header, value: 0)),
        Change(offset: 16, bytes: [4, 0], fault: Fault(.coreFile, .header)),
        Change(offset: 16, bytes: [0, 0], fault: Fault(.unknownFileType, .header, value: 0)),
        Change(offset: 16, bytes: [0, 0xfe], fault: Fault(.unknownFileType, .header, value: 0xfe00)),
        Change(offset: 18, bytes: [0xb7, 0], fault: Fault(.wrongMachine, .header, value: 183)),
        Change(offset: 20, bytes: [2], fault: Fault(.badVersion, .header, value: 2)),
        Change(offset: 52, bytes: [63, 0], fault: Fault(.badHeaderSize, .header, value: 63, limit: 64)),
        Change(offset: 54, bytes: [55, 0], fault: Fault(.badProgramHeaderSize, .header, value: 55, limit: 56)),
        Change(offset: 54, bytes: [57, 0], fault: Fault(.badProgramHeaderSize, .header, value: 57, limit: 56)),
        Change(
            offset: 32, bytes: littleEndian(UInt64(961 - 56)),
            fault: Fault(.programHeadersBeyondFile, .header, value: 961, limit: 960)),
        Change(
            offset: 32, bytes: littleEndian(UInt64.max - 10),
            fault: Fault(.programHeadersBeyondFile, .header, value: .max, limit: 960)),
        Change(
            offset: 56, bytes: littleEndian(UInt16(17)),
            fault: Fault(.programHeadersBeyondFile, .header, value: 64 + 17 * 56, limit: 960)),
        Change(offset: 56, bytes: [0xff, 0xff], fault: Fault(.noSectionHeaderForCount, .header)),
    ]

    @Test(arguments: changes) func `a broken rule is reported`(_ change: Change) {
        var file = Self.sound
        file.replaceSubrange(change.offset..<change.offset + change.bytes.count, with: change.bytes)
        #expect(fault { _ = try FileHeader(ByteView(file.span.bytes)) } == change.fault)
    }

    @Test func `every field is read from its offset`() throws {
        var file = Self.sound
        file.put(UInt8(3), at: 7)
        file.put(UInt16(2), at: 16)
        file.put(UInt64(0x1122_3344_5566_7788), at: 24)
        file.put(UInt64(72), at: 32)
        file.put(UInt64(0x99aa_bbcc_ddee_ff00), at: 40)
        file.put(UInt32(0x1234_5678), at: 48)
        file.put(UInt16(15), at: 56)
        file.put(UInt16(0xabcd), at: 60)
        file.put(UInt16(0x4321), at: 62)
        let header = try FileHeader(ByteView(file.span.bytes))
        #expect(header.osABI == 3)
        #expect(header.type == .executable)
        #expect(header.entry == 0x1122_3344_5566_7788)
        #expect(header.programHeaderOffset == 72)
        #expect(header.programHeaderCount == 15)
        #expect(header.sectionHeaderOffset == 0x99aa_bbcc_ddee_ff00)
        #expect(header.flags == 0x1234_5678)
        #expect(header.sectionHeaderCount == 0xabcd)
        #expect(header.sectionNameIndex == 0x4321)
    }

    @Test func `a file cut short is reported at every length up to the end of the program headers`() {
        for length in 0..<120 {
            let cut = Array(Self.sound[..<length])
            let expected =
                switch length {
                case 0: Fault(.emptyFile)
                case 1..<64: Fault(.fileTooShort, .header, value: UInt64(length), limit: 64)
                default: Fault(.programHeadersBeyondFile, .header, value: 120, limit: UInt64(length))
                }
            #expect(fault { _ = try FileHeader(ByteView(cut.span.bytes)) } == expected)
        }
        #expect(fault { _ = try FileHeader(ByteView(Array(Self.sound[..<120]).span.bytes)) } == nil)
    }

    @Test func `a wrong beginning is not an ELF file, however short`() {
        let cases: [([UInt8], UInt64)] = [([0x4d, 0x5a], 0x5a4d), ([0x7f, 0x46], 0x467f), ([0], 0)]
        for (bytes, value) in cases {
            #expect(fault { _ = try FileHeader(ByteView(bytes.span.bytes)) } == Fault(.notELF, value: value))
        }
    }

    @Test func `without program headers their size does not matter`() throws {
        var file = Self.sound
        file.put(UInt16(0), at: 54)
        file.put(UInt16(0), at: 56)
        file.put(UInt64.max, at: 32)
        #expect(try FileHeader(ByteView(file.span.bytes)).programHeaderCount == 0)
    }

    /// A file that counts its program headers in section header 0.
    static func extended(count: UInt32) -> [UInt8] {
        var file = sound.putting(UInt16(0xffff), at: 56).putting(UInt64(sound.count), at: 40)
        file += [UInt8](repeating: 0, count: 64).putting(count, at: 44)
        return file
    }

    @Test func `PN_XNUM takes the count from section header 0`() throws {
        #expect(try FileHeader(ByteView(Self.extended(count: 3).span.bytes)).programHeaderCount == 3)
        #expect(try FileHeader(ByteView(Self.extended(count: 0).span.bytes)).programHeaderCount == 0)
    }

    @Test func `PN_XNUM with more headers than the file holds is reported`() {
        let file = Self.extended(count: 0xffff_ffff)
        #expect(
            fault { _ = try FileHeader(ByteView(file.span.bytes)) }
                == Fault(
                    .programHeadersBeyondFile, .header, value: 64 + 0xffff_ffff * 56, limit: UInt64(file.count)))
    }

    @Test func `PN_XNUM with section header 0 cut off is reported`() {
        let file = Array(Self.extended(count: 1).dropLast())
        #expect(
            fault { _ = try FileHeader(ByteView(file.span.bytes)) }
                == Fault(.noSectionHeaderForCount, .header, value: UInt64(file.count + 1), limit: UInt64(file.count)))
    }
}
