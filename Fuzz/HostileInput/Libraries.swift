// An application and shared objects that fuzzing and mutation change.

import TestSupport

/// An application with two libraries that need each other, and every kind of reference between files.
public struct LibrarySet: Sendable {
    /// The application, then the libraries.
    package private(set) var files: [LinkedFileWriter]

    /// The set, with hash tables of one kind or the other.
    public init(hasGNUHash: Bool) {
        var application = LinkedFileWriter()
        application.needed = "one.so"
        application.alsoNeeded = ["two.so"]
        application.symbols = [
            LinkedSymbol(name: "versioned", value: 0, info: 0x12, shndx: 0, version: 2),
            LinkedSymbol(name: "chosen", value: 0, info: 0x10, shndx: 0),
            LinkedSymbol(name: "variable", value: 0, info: 0x16, shndx: 0),
            LinkedSymbol(name: "weak", value: 0, info: 0x20, shndx: 0),
            LinkedSymbol(name: "__loader_init_array_start", value: 0, info: 0x20, shndx: 0),
            LinkedSymbol(name: "copied", value: 0x4080, size: 16, shndx: 1),
            LinkedSymbol(name: "interposed", value: 0x4090, size: 8, shndx: 1),
        ]
        application.versions = [LinkedVersion(name: "V2", number: 2, file: "one.so")]
        application.rela = [
            LinkedRelocation(offset: 0x4000, type: 6, symbol: 1), LinkedRelocation(offset: 0x4008, type: 7, symbol: 2),
            LinkedRelocation(offset: 0x4010, type: 18, symbol: 3), LinkedRelocation(offset: 0x4018, type: 1, symbol: 4),
            LinkedRelocation(offset: 0x4020, type: 6, symbol: 5), LinkedRelocation(offset: 0x4080, type: 5, symbol: 6),
        ]
        application.tls = LinkedTLS(vaddr: 0x40a0, filesz: 8, memsz: 24, align: 16)

        var one = LinkedFileWriter()
        one.soname = "one.so"
        one.needed = "two.so"
        one.symbols = [
            LinkedSymbol(name: "interposed", value: 0, info: 0x10, shndx: 0),
            LinkedSymbol(name: "__tls_get_addr", value: 0, info: 0x10, shndx: 0),
            LinkedSymbol(name: "versioned", value: 0x4010, info: 0x12, shndx: 1, version: 0x8002),
            LinkedSymbol(name: "versioned", value: 0x4020, info: 0x12, shndx: 1, version: 3),
            LinkedSymbol(name: "chosen", value: 0x4030, info: 0x1a, shndx: 1, version: 2),
            LinkedSymbol(name: "guarded", value: 0x4040, info: 0x12, shndx: 1, other: 3, version: 2),
            LinkedSymbol(name: "variable", value: 4, info: 0x16, shndx: 1, version: 2),
        ]
        one.versions = [
            LinkedVersion(name: "one.so", number: 1, flags: 1), LinkedVersion(name: "V1", number: 2),
            LinkedVersion(name: "V2", number: 3),
        ]
        one.rela = [
            LinkedRelocation(offset: 0x4050, type: 1, symbol: 1), LinkedRelocation(offset: 0x4058, type: 7, symbol: 2),
            LinkedRelocation(offset: 0x4060, type: 6, symbol: 6), LinkedRelocation(offset: 0x4068, type: 36, symbol: 7),
            LinkedRelocation(offset: 0x4078, type: 8, addend: 0x4010),
        ]
        one.tls = LinkedTLS(vaddr: 0x4088, filesz: 8, memsz: 40, align: 32)
        one.entries = [(12, 0x4010), (25, 0x4078), (27, 8), (26, 0x4078), (28, 8)]

        var two = LinkedFileWriter()
        two.soname = "two.so"
        two.needed = "one.so"
        two.symbols = [
            LinkedSymbol(name: "versioned", value: 0, info: 0x12, shndx: 0, version: 2),
            LinkedSymbol(name: "copied", value: 0x4040, size: 16, shndx: 1),
            LinkedSymbol(name: "weak", value: 0x4050, info: 0x21, shndx: 1),
        ]
        two.versions = [LinkedVersion(name: "V1", number: 2, file: "one.so")]
        two.rela = [
            LinkedRelocation(offset: 0x4040, type: 6, symbol: 1), LinkedRelocation(offset: 0x4048, type: 6, symbol: 2),
        ]
        two.entries = [(30, 2), (13, 0x4010)]
        files = [application, one, two]
        for index in files.indices {
            files[index].hasGNUHash = hasGNUHash
            // Symbols without a version of their own have the base version.
            if files[index].versions.isEmpty {
                files[index].versions = [LinkedVersion(name: "base", number: 1, flags: 1)]
            }
        }
    }
}

extension FuzzTarget {
    private static let sets = [false, true].map { hasGNUHash in
        LibrarySet(hasGNUHash: hasGNUHash).files.map { (bytes: $0.bytes, structures: $0.structures) }
    }

    /// The first byte chooses the kind of hash table; then follow a file, an offset in its structures or in its header, and a byte or a
    /// word to write there.
    static func libraries(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let set = sets[Int(source.byte() & 1)]
        var files = set.map(\.bytes)
        for _ in 0..<64 where !source.isEmpty {
            let choice = source.byte()
            let index = Int(choice & 3) % files.count
            let structures = set[index].structures
            let range = choice & 0x40 == 0 ? structures : 0..<0x140
            let offset = range.lowerBound + Int(source.number(upTo: 0xffff)) % (range.count - 8)
            if choice & 0x80 == 0 {
                files[index][offset] = source.byte()
            } else {
                files[index].put(source.address(), at: offset & ~7)
            }
        }
        return WatchedBoot(files[0], with: Array(files.dropFirst())).violations
    }

    /// No change, then one change of each kind.
    static var librarySeeds: [[UInt8]] {
        var seeds: [[UInt8]] = [[0], [1]]
        for kind in 0..<2 as Range<UInt8> {
            for file in 0..<3 as Range<UInt8> {
                seeds.append([kind, file, 8, 1, 5])
                seeds.append([kind, 0x80 | file, 40, 0, 3, 1, 2, 3, 4, 5, 6, 7])
                seeds.append([kind, 0x40 | file, 16, 0, 3])
            }
        }
        return seeds
    }
}
