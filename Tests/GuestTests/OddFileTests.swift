// Sound files in unusual forms, as other linkers and tools leave them: they boot.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct OddFileTests {
    /// A position-independent kernel with R_X86_64_RELATIVE only.
    private static let fixture = Project.fixture("gen4-identity-pie")
    static let isBuilt = FileManager.default.fileExists(atPath: fixture.path)

    /// The fixture's bytes, and the offset of the first program header of each type.
    private func file() throws -> (bytes: [UInt8], headers: [UInt32: Int]) {
        let bytes = [UInt8](try Data(contentsOf: Self.fixture))
        var headers: [UInt32: Int] = [:]
        for index in 0..<Int(bytes.number(UInt16.self, at: 56)) {
            let offset = Int(bytes.number(UInt64.self, at: 32)) + index * 56
            let type = bytes.number(UInt32.self, at: offset)
            if headers[type] == nil { headers[type] = offset }
        }
        return (bytes, headers)
    }

    private func boot(_ bytes: [UInt8]) async throws {
        let copy = try TemporaryFile(Data(bytes))
        let outcome = try await Guest(initrd: copy.url).boot()
        #expect(outcome.status == 3, outcome.comment)
    }

    /// No relocation looks up a symbol, so faults in symbol tables do not matter: DT_HASH, DT_STRTAB, DT_SYMTAB, DT_SYMENT, DT_GNU_HASH.
    @Test(.enabled(if: isBuilt, "make fixtures")) func tablesThatNothingNeeds() async throws {
        var (bytes, headers) = try file()
        let start = Int(bytes.number(UInt64.self, at: try #require(headers[2]) + 8))
        var changed = 0
        var entry = start
        while bytes.number(UInt64.self, at: entry) != 0 {
            if [4, 5, 6, 11, 0x6fff_fef5].contains(bytes.number(UInt64.self, at: entry)) {
                bytes.put(0x7777_7777_7777 as UInt64, at: entry + 8)
                changed += 1
            }
            entry += 16
        }
        #expect(changed >= 4)
        try await boot(bytes)
    }

    /// p_align of a PT_NOTE whose notes are padded to 4.
    @Test(.enabled(if: isBuilt, "make fixtures"), arguments: [0, 8, 16] as [UInt64])
    func notesOfAnyAlignment(_ alignment: UInt64) async throws {
        var (bytes, headers) = try file()
        bytes.put(alignment, at: try #require(headers[4]) + 48)
        try await boot(bytes)
    }

    /// A segment without bytes that points past the end of the file, instead of PT_GNU_STACK.
    @Test(.enabled(if: isBuilt, "make fixtures"), arguments: [1, 4, 0x6474_e553] as [UInt32])
    func emptyRanges(_ type: UInt32) async throws {
        var (bytes, headers) = try file()
        let place = try #require(headers[0x6474_e551])
        bytes.put(type, at: place)
        bytes.put(UInt64(bytes.count) + 0x1000, at: place + 8)
        for field in [32, 40] { bytes.put(0 as UInt64, at: place + field) }
        try await boot(bytes)
    }
}
