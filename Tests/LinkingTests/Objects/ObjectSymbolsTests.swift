// The symbol table of an object file at its largest size.

@testable import Linking
import Bytes
import Diagnostics
import ELF
import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ObjectSymbolsTests {
    /// A name begins in the string table, after its first byte.
    @Test func aNameIsInItsTable() throws {
        let file = object([]) { $0.symbols.append(ObjectSymbol(name: "last", value: 1)) }.bytes
        let view = ByteView(file.span.bytes)
        let symbols = try ObjectImage(view, FileHeader(view)).symbols
        // "", "_start", "last".
        let size: UInt32 = 1 + 7 + 5
        let start = symbols.nameOffset(ofName: 1) - 1
        for (name, isThere) in [
            (0, false), (1, true), (size - 1, true), (size, false), (size + 1, false), (.max, false),
        ]
            as [(UInt32, Bool)]
        {
            let found = symbols.nameOffset(ofName: name)
            #expect(found == (isThere ? start + UInt64(name) : 0), "\(name)")
        }
        #expect(Array(file[Int(start)..<Int(start) + 13]) == Array("\0_start\0last\0".utf8))
    }

    /// The symbols end with the file; 32 bits count all but one of them.
    @Test(arguments: [((1 << 32) - 1, false), (1 << 32, true)] as [(UInt64, Bool)])
    func aSymbolsIndexHas32Bits(_ count: UInt64, _ isTooLarge: Bool) throws {
        // Untouched pages are zeros, and cost nothing.
        let size = 0x1000 + Int(count) * 24
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let memory = try #require(mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0))
        try #require(memory != MAP_FAILED)
        defer { munmap(memory, size) }
        // Sections: null, and symbols whose names are in a missing section.
        var bytes = Array(ObjectFile(sections: [], symbols: []).bytes[..<64])
        bytes.put(64 as UInt64, at: 40)
        bytes.put(2 as UInt16, at: 60)
        bytes.put(0 as UInt16, at: 62)
        bytes += [UInt8](repeating: 0, count: 128)
        bytes.put(2 as UInt32, at: 128 + 4)
        bytes.put(0x1000 as UInt64, at: 128 + 24)
        bytes.put(count * 24, at: 128 + 32)
        bytes.put(7 as UInt32, at: 128 + 40)
        bytes.put(24 as UInt64, at: 128 + 56)
        bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        let view = ByteView(UnsafeRawBufferPointer(start: memory, count: size).bytes)
        let fault = fault { _ = try ObjectImage(view, FileHeader(view)) }
        let expected =
            isTooLarge
            ? Fault(.sectionTooLarge, .sectionHeader(1), value: 0x1000, limit: count * 24)
            : Fault(.badSectionLink, .sectionHeader(1), value: 7, limit: 2)
        #expect(fault == expected)
    }
}
