// Versions of libraries' symbols, and faults about missing libraries and symbols.

import Bytes
import Diagnostics
import Linking
import TestSupport
import Testing

extension LibraryTests {
    // MARK: Versions

    static func versioned() -> LinkedFileWriter {
        var library = Self.library([("wanted", 0x11), ("wanted", 0x12), ("wanted", 0x13), ("plain", 0x14)])
        library.symbols[0].version = 0x8002
        library.symbols[1].version = 3
        library.symbols[2].version = 0x8004
        library.versions = [
            LinkedVersion(name: "one.so", number: 1, flags: 1), LinkedVersion(name: "V1", number: 2),
            // VER_FLG_WEAK means nothing in a definition; only VER_FLG_BASE marks an entry that is no version.
            LinkedVersion(name: "V2", number: 3, flags: 2), LinkedVersion(name: "V3", number: 4),
        ]
        return library
    }

    @Test(arguments: [("V1", 0x11), ("V2", 0x12), ("V3", 0x13)] as [(String, UInt64)], [false, true])
    func wantedVersions(version: (name: String, value: UInt64), isGNU: Bool) throws {
        var application = Self.application(["wanted", "plain"])
        application.symbols[0].version = 2
        application.versions = [LinkedVersion(name: version.name, number: 2, file: "one.so")]
        var library = Self.versioned()
        library.hasGNUHash = isGNU
        let result = try Self.load(application, library, Self.library([]))
        #expect(result.word(0x4000) == version.value)
        #expect(result.word(0x4008) == 0x14)
    }

    /// A reference without a version finds the base version and the first one, or else the only default one.
    @Test func noVersionWanted() throws {
        #expect(try Self.load(Self.application(), Self.versioned(), Self.library([])).word(0x4000) == 0x11)
        var library = Self.versioned()
        library.symbols.removeFirst()
        #expect(try Self.load(Self.application(), library, Self.library([])).word(0x4000) == 0x12)
        library.symbols[1].version = 4
        #expect(
            Self.refusal(Self.application(), library, Self.library([]))?.fault
                == Fault(.symbolUndefined, .relocation(table: 7, index: 0), value: 0x4000))
    }

    /// Versions are equal if hash and name are equal: a definition with another version's hash does not match.
    @Test func aVersionsHash() throws {
        var application = Self.application()
        application.symbols[0].version = 2
        application.versions = [LinkedVersion(name: "V2", number: 2, file: "one.so")]
        let sound = Self.versioned().bytes
        let hash = LinkedVersion.hash("V2")
        // vd_hash of the third definition.
        let place = try #require((0x1000..<0x4000).first { sound.number(UInt32.self, at: $0) == hash })
        for (change, isFound) in [(0, true), (1, false), (1 << 31, false)] as [(UInt32, Bool)] {
            let library = sound.putting(hash ^ change, at: place)
            let files = [("app", application.bytes), ("one.so", library), ("two.so", Self.library([]).bytes)]
            #expect(FilesTogether(files).refusal()?.fault == (isFound ? nil : Fault(.versionMissing, value: 2)))
        }
    }

    /// DT_VERSYM lies in the file completely: two bytes for each symbol.
    @Test(arguments: [(0, true), (1, false), (2, false), (100, false)] as [(UInt64, Bool)])
    func versionsAtTheFilesEnd(_ missing: UInt64, _ fits: Bool) throws {
        var library = Self.versioned()
        // Its last entry for the library's four symbols and the null symbol.
        let table = library.end - 10 + missing
        library.data = [UInt8](repeating: 0, count: 0x100)
        for (index, version) in [0x8002, 3, 0x8004, 1].enumerated() where missing == 0 {
            library.data.put(UInt16(version), at: 0x100 - 8 + index * 2)
        }
        library.entries = [(0x6fff_fff0, table)]
        let found = Self.refusal(Self.application(), library, Self.library([]))
        let outside = Fault(.dynamicAddressOutsideFile, .dynamic(0x6fff_fff0), value: table, limit: 10)
        #expect(found?.fault == (fits ? nil : outside.of(file: 1)))
    }

    /// Without DT_VERSYM a file requires no version, whatever versions it lists. The number is the one that lies at offset 0.
    @Test(arguments: [(true, 0x12), (false, 0x11)] as [(Bool, UInt64)])
    func versionsWithoutATable(_ hasTable: Bool, _ value: UInt64) throws {
        var application = Self.application()
        application.symbols[0].version = 0x25a5
        application.versions = [LinkedVersion(name: "V2", number: 0x25a5, file: "one.so")]
        if !hasTable { application.entries = [(0x6fff_fff0, 0)] }
        #expect(try Self.load(application, Self.versioned(), Self.library([])).word(0x4000) == value)
    }

    /// A file without versions matches every version.
    @Test func unversionedLibrary() throws {
        var application = Self.application()
        application.symbols[0].version = 2
        application.versions = [LinkedVersion(name: "V9", number: 2, file: "one.so")]
        #expect(try Self.load(application, Self.library([("wanted", 0x11)]), Self.library([])).word(0x4000) == 0x11)
    }

    @Test func missingVersion() throws {
        var application = Self.application(["other", "wanted"])
        application.symbols[1].version = 2
        application.versions = [LinkedVersion(name: "V9", number: 2, file: "one.so")]
        let refusal = try #require(Self.refusal(application, Self.versioned(), Self.library([])))
        #expect(refusal.fault == Fault(.versionMissing, value: 2))
        #expect(refusal.sentence.hasPrefix("'wanted', 'V9' and 'one.so': "))
        // A weak version may be missing; then the symbol is undefined.
        application.versions[0].flags = 2
        application.symbols[0].info = 0x20
        let weak = try #require(Self.refusal(application, Self.versioned(), Self.library([])))
        #expect(weak.fault == Fault(.symbolVersionMissing, .relocation(table: 7, index: 1), value: 0x4008))
        #expect(weak.sentence.contains("undefined: 'wanted', 'V9' and 'one.so', needed at 0x4008"))
    }

    /// If no symbol has the missing version, or only a local one, the fault names no symbol.
    @Test func aMissingVersionOfNoSymbol() throws {
        var application = Self.application(["other"], info: 0x20)
        application.versions = [LinkedVersion(name: "V9", number: 2, file: "one.so")]
        for version in [0, 1, 3, 0x8003] as [UInt16] {
            application.symbols[0].version = version
            let refusal = try #require(Self.refusal(application, Self.versioned(), Self.library([])))
            #expect(refusal.fault == Fault(.versionMissing, value: 2))
            #expect(!refusal.sentence.contains("V9") && !refusal.sentence.contains("' and '"), "\(refusal.sentence)")
        }
        // Bit 15 marks a hidden version; it is not part of the version's number.
        for version in [2, 0x8002] as [UInt16] {
            application.symbols[0].version = version
            let refusal = try #require(Self.refusal(application, Self.versioned(), Self.library([])))
            #expect(refusal.sentence.hasPrefix("'other', 'V9' and 'one.so': "))
        }
    }

    /// If the files are refused for another reason, no names are looked up: they would be arbitrary.
    @Test func detailsOfAnotherFault() {
        var application = Self.application()
        application.symbols[0].version = 2
        application.versions = [LinkedVersion(name: "V9", number: 2, file: "one.so")]
        let fault = Fault(.symbolVersionMissing, .relocation(table: 7, index: 0))
        for (libraries, count) in [([Self.versioned()], 0), ([Self.library([]), Self.library([])], 2)]
            as [([LinkedFileWriter], UInt64)]
        {
            let together = Self.together(application, libraries)
            var room = [LinkPlan()]
            let details = FaultDetails(of: fault, in: together.files, linkPlan: room.mutableSpan)
            #expect(details.furtherNames.count == count)
        }
    }

    /// An entry's item or the next entry lies outside the table, or goes back.
    @Test(arguments: [(0x1000, 0, 0x1000), (20, 4, 0), (20, 0xf0, 0xf0)] as [(UInt32, UInt32, UInt64)])
    func malformedVersions(item: UInt32, next: UInt32, told: UInt64) throws {
        var library = Self.library([("wanted", 0x11)])
        library.entries = [(0x6fff_fffc, 0x4000)]
        // vd_version, vd_flags, vd_ndx, vd_cnt; vd_hash, vd_aux, vd_next.
        for (index, half) in ([1, 0, 2, 1] as [UInt16]).enumerated() { library.data.put(half, at: index * 2) }
        for (index, word) in [0, item, next].enumerated() { library.data.put(word, at: 8 + index * 4) }
        let refusal = try #require(Self.refusal(Self.application(), library, Self.library([])))
        #expect(
            refusal.fault
                == Fault(.versionTableMalformed, .dynamic(0x6fff_fffc), value: told, limit: 0x100).of(file: 1))
        #expect(
            refusal.sentence
                == "dynamic entry 0x6ffffffc: the version entry at 0x\(String(told, radix: 16)) does not fit in its table of "
                + "0x100 bytes")
    }

    // MARK: Missing

    @Test func missingLibraries() throws {
        let application = Self.application(needed: ["one.so", "lib/two.so.1", "two.so.2", "one.so"])
        let refusal = try #require(Self.refusal(application, Self.library([])))
        #expect(refusal.rule == .needsLibrary)
        #expect(refusal.sentence == "it needs libraries that no module provides: 'lib/two.so.1' and 'two.so.2'")
        var one = Self.library([])
        one.needed = "nowhere.so"
        let indirect = try #require(Self.refusal(Self.application(needed: ["one.so"]), one))
        #expect(indirect.file == 1)
        #expect(indirect.sentence == "it needs libraries that no module provides: 'nowhere.so'")
    }

    /// A sentence lists up to four names.
    @Test(arguments: [(1, "'a.so'"), (2, "'a.so' and 'b.so'"), (4, "'a.so', 'b.so', 'c.so' and 'd.so'")])
    func missingLibrariesAreListed(_ count: Int, _ list: String) throws {
        let names = ["a.so", "b.so", "c.so", "d.so", "e.so", "f.so", "g.so"]
        let five = "'a.so', 'b.so', 'c.so', 'd.so' and 'e.so'"
        for (count, list) in [(count, list), (5, five), (6, five), (7, five)] {
            let refusal = try #require(Self.refusal(Self.application(needed: Array(names.prefix(count)))))
            #expect(refusal.sentence == "it needs libraries that no module provides: " + list)
        }
    }

    @Test func undefinedSymbolsAreListed() throws {
        let application = Self.application(["here", "a", "b", "weak", "c"])
        var changed = application
        changed.symbols[3].info = 0x20
        let refusal = try #require(Self.refusal(changed, Self.library([("here", 1)]), Self.library([("b", 1)])))
        #expect(refusal.fault == Fault(.symbolUndefined, .relocation(table: 7, index: 1), value: 0x4008))
        #expect(refusal.sentence == "DT_RELA entry 1: undefined: 'a' and 'c', needed at 0x4008")
    }

    @Test func aFixedFileIsNoLibrary() throws {
        var one = Self.library([])
        one.isExecutable = true
        one.base = 0x40_0000
        let refusal = try #require(Self.refusal(Self.application(), one, Self.library([])))
        #expect(refusal.fault == Fault(.notSharedObject, .header).of(file: 1))
    }

    // MARK: Tables that are checked when they are needed

    /// Entries at the end of the dynamic section, which override earlier ones: the fault, and the entry that it is reported for.
    static let damages: [(entries: [(UInt64, UInt64)], place: UInt64, rule: Rule)] = [
        ([(6, 1 << 40)], 6, .dynamicAddressOutsideFile), ([(11, 25)], 11, .badEntrySize),
        ([(4, 1 << 40)], 4, .dynamicAddressOutsideFile), ([(4, 0x4080)], 4, .hashTableMalformed),
        ([(0x6fff_fef5, 1 << 40)], 0x6fff_fef5, .dynamicAddressOutsideFile),
        // Zeros, as `strip` leaves them for a removed table.
        ([(0x6fff_fef5, 0x4000)], 0x6fff_fef5, .hashTableMalformed),
        ([(0x6fff_fff0, 1 << 40)], 0x6fff_fff0, .dynamicAddressOutsideFile),
        ([(0x6fff_fffc, 1 << 40)], 0x6fff_fffc, .dynamicAddressOutsideFile),
        ([(0x6fff_fffe, 1 << 40)], 0x6fff_fffe, .dynamicAddressOutsideFile),
        ([(0x6fff_fffe, 0x4080)], 0x6fff_fffe, .versionTableMalformed),
        ([(5, 1 << 40)], 5, .dynamicAddressOutsideFile),
    ]

    @Test(arguments: damages.indices, 0..<3) func tablesOfSymbolsAreCheckedWhenTheyAreNeeded(index: Int, file: Int)
        throws
    {
        let damage = Self.damages[index]
        var files = [Self.application([]), Self.library([]), Self.library([("wanted", 0x21)])]
        for index in files.indices {
            files[index].data = [UInt8](repeating: 0, count: 0x80) + [UInt8](repeating: 0xff, count: 0x80)
            files[index].rela = [LinkedRelocation(offset: 0x4048, type: 8, addend: 0x4000)]
        }
        files[file].entries = damage.entries
        // The string table has the names of the libraries that the application needs.
        let isNeeded = file == 0 && damage.place == 5
        if !isNeeded {
            let result = try Self.load(files[0], files[1], files[2])
            #expect(result.word(0x4048) == 0x60_4000)
        }
        // The second file needs a symbol of the third; the search begins with the first.
        files[1].symbols = [LinkedSymbol(name: "wanted", value: 0, info: 0x10, shndx: 0)]
        files[1].rela.append(LinkedRelocation(offset: 0x4050, type: 6, symbol: 1))
        let refusal = try #require(Self.refusal(files[0], files[1], files[2]))
        #expect(refusal.rule == damage.rule && refusal.file == file, "\(refusal)")
        #expect(Self.refusedAt(files) == .dynamic(damage.place), "\(refusal)")
    }

    private static func refusedAt(_ files: [LinkedFileWriter]) -> FaultLocation? {
        let together = Self.together(files[0], Array(files.dropFirst()))
        do throws(Fault) {
            _ = try together.load(bias: 0x60_0000)
            return nil
        } catch { return error.location }
    }

    /// Entries of DT_VERNEED that all share the same items: each pair of entry and item takes a step.
    @Test(arguments: [(1, 1), (1, 8), (8, 1), (8, 8), (12, 12)]) func listsThatShareTheirItems(count: Int, items: Int) {
        var one = Self.library([("wanted", 0x11)])
        var table = LittleEndianOutput()
        for index in 0..<count {
            for half in [1, UInt16(items)] as [UInt16] { table.u16(half) }
            for word in [0, UInt32((count - index) * 16), index + 1 == count ? 0 : 16] as [UInt32] { table.u32(word) }
        }
        for index in 0..<items {
            table.u32(0)
            // Weak versions may be missing.
            for half in [2, UInt16(index + 2)] as [UInt16] { table.u16(half) }
            for word in [0, index + 1 == items ? 0 : 16] as [UInt32] { table.u32(word) }
        }
        one.data = table.bytes
        one.entries = [(0x6fff_fffe, 0x4000)]
        let found = Self.refusal(Self.application(), one, Self.library([]))?.rule
        // Together they may list no more items than the table has room for.
        let fits = count * items * 16 <= table.bytes.count
        #expect(found == (fits ? .needsLibrary : .versionTableMalformed))
    }
}
