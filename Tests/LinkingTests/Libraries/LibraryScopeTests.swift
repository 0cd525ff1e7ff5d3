// The limits of an application and its libraries: files that nothing needs, symbols of one file, the end of memory.

@testable import Linking
import Bytes
import Diagnostics
import TestSupport
import Testing

extension LibraryTests {
    // MARK: Files that nothing needs

    /// A file that nothing needs defines nothing, needs nothing, and has neither a block nor functions to call. It is given before, between
    /// or after the needed files.
    @Test(arguments: 0..<3) func aFileThatNothingNeeds(_ place: Int) throws {
        var other = Self.library([("wanted", 0x99), ("weak", 0x99)])
        other.soname = "other.so"
        other.needed = "nowhere.so"
        other.tls = LinkedTLS(vaddr: 0x4000, filesz: 8, memsz: 0x40, align: 16)
        other.entries = [(12, 0x4000), (13, 0x4000)]
        var one = Self.library([("block", 4)], info: 0x16)
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 8, memsz: 0x20, align: 8)
        one.entries = [(12, 0x4008)]
        var application = Self.application(
            ["weak", "block", "__loader_init_array_start", "__loader_init_array_end"], info: 0x20)
        (application.needed, application.alsoNeeded) = ("one.so", ["two.so"])
        application.rela[1].type = 18
        var files = [("one.so", one.bytes), ("two.so", Self.library([]).bytes)]
        files.insert(("other.so", other.bytes), at: place)
        let result = try FilesTogether([("app", application.bytes)] + files).load(bias: 0x60_0000)
        #expect(result.linkedFiles.count == 3)
        #expect(result.word(0x4000) == 0)
        #expect(Int64(bitPattern: result.word(0x4008)) == 4 - 0x20)
        #expect(result.word(0x4018) - result.word(0x4010) == 8)
        #expect(result.plan.templateSize == 0x20 && result.plan.templateAlignment == 8)
        // Its definitions do not count.
        application.symbols[0].info = 0x10
        application.symbols[0].name = "wanted"
        let refusal = FilesTogether([("app", application.bytes)] + files).refusal()
        #expect(refusal?.rule == .symbolUndefined)
    }

    /// A required version cannot be missing from a file that is not loaded.
    @Test func aVersionOfAFileThatNobodyNeeds() throws {
        var application = Self.application(["wanted"], needed: ["two.so"])
        application.versions = [LinkedVersion(name: "V9", number: 2, file: "one.so")]
        let result = try Self.load(application, Self.versioned(), Self.library([("wanted", 0x21)]))
        #expect(result.word(0x4000) == 0x21)
    }

    /// As many files as there is room for are all loaded; further ones are not taken.
    @Test func sixteenFiles() throws {
        let names = (1...15).map { "l\($0).so" }
        var application = Self.application(names.map { "s" + $0 }, needed: names)
        application.data = [UInt8](repeating: 0, count: 0x100)
        let libraries = names.enumerated().map { ($1, Self.library([("s" + $1, UInt64($0) + 1)]).bytes) }
        let result = try FilesTogether([("app", application.bytes)] + libraries).load(bias: 0)
        #expect((0..<15).map { result.word(0x4000 + $0 * 8) } == Array(1...15))
        #expect(result.linkedFiles.map(\.file) == Array(0...15))
        let bytes: [UInt8] = []
        var files = NamedFiles(ByteView(bytes.span.bytes))
        for number in 0..<20 as Range<UInt64> { files.append(NamedFile(start: number, size: 1)) }
        let (count, last) = (files.count, files[15].start)
        #expect(count == 16 && last == 15)
    }

    // MARK: Symbols of one file

    /// A local or hidden symbol's address is relative to its own file, for each file; an absolute symbol's is its value.
    @Test(arguments: [(0x01, 0), (0x02, 0), (0x11, 1), (0x11, 2), (0x11, 3)] as [(UInt8, UInt8)])
    func ownAddresses(_ info: UInt8, _ other: UInt8) throws {
        func library(_ value: UInt64) -> LinkedFileWriter {
            var file = Self.library([])
            file.symbols = [
                LinkedSymbol(name: "own", value: value, info: info, shndx: 1, other: other),
                LinkedSymbol(name: "number", value: value, info: info, other: other),
            ]
            file.rela = [
                LinkedRelocation(offset: 0x4000, type: 1, symbol: 1, addend: 3),
                LinkedRelocation(offset: 0x4008, type: 6, symbol: 2),
            ]
            return file
        }
        let result = try Self.load(Self.application([]), library(0x4010), library(0x4020))
        for (index, value) in [(1, 0x4010), (2, 0x4020)] as [(Int, UInt64)] {
            #expect(result.word(0x4000, in: index) == 0x60_0000 + result.linkedFiles[index].displacement + value + 3)
            #expect(result.word(0x4008, in: index) == value)
        }
    }

    /// A symbol of another file counts only if its whole name, with its NUL, is in the string table.
    @Test func aNameWithoutItsEnd() throws {
        // A NUL, `wanted` and its NUL, then `one.so`'s own name.
        for (size, isFound) in [(8, true), (7, false), (6, false), (1, false)] as [(UInt64, Bool)] {
            var one = Self.library([("wanted", 0x11)])
            one.entries = [(10, size)]
            let found = Self.refusal(Self.application(), one, Self.library([]))?.rule
            #expect(found == (isFound ? nil : .symbolUndefined), "\(size)")
        }
    }

    /// A reference without a version finds a hidden version only if it is the only one, unless it is the file's own.
    @Test func aHiddenVersionAlone() throws {
        for (other, isFound) in [(0, true), (3, true), (1, false), (2, false)] as [(UInt8, Bool)] {
            var one = Self.library([("wanted", 0x11)], other: other)
            one.symbols[0].version = 3
            one.versions = [LinkedVersion(name: "V1", number: 2), LinkedVersion(name: "V2", number: 3)]
            let found = Self.refusal(Self.application(), one, Self.library([]))?.rule
            #expect(found == (isFound ? nil : .symbolUndefined), "\(other)")
        }
    }

    // MARK: Memory

    /// Either all files have room, or the first part without room is refused. Nothing before or after the memory is touched.
    @Test(arguments: [0, 0x60_0000] as [UInt64]) func noRoomForLibraries(_ base: UInt64) throws {
        var application = Self.application()
        application.base = base
        application.rela[0].offset = application.dataAddress
        let together = Self.together(application, [Self.library([("wanted", 0x11)]), Self.library([])])
        let whole = try together.load(bias: 0)
        let size = UInt64(whole.memory.count)
        let ends = whole.linkedFiles.map { $0.linkStart &+ $0.displacement &+ $0.memorySize &- base }
        for room in [0, 1, ends[0] - 1, ends[0], ends[1] - 1, ends[1], ends[2], size - 1, size] {
            var memory = [UInt8](repeating: 0xee, count: Int(room) + 64)
            let fault = fault {
                var plans = [LinkPlan()]
                let link = try together.link(plans.mutableSpan)
                var span = memory.mutableSpan
                var whole = span.mutableBytes
                var region = ByteRegion(whole._mutatingExtracting(32..<32 + Int(room)), at: link[0].linkStart)
                _ = try link.load(together.view, bias: 0, into: &region, mayResolve: true) { _, _ in nil }
            }
            #expect(fault == (room == size ? nil : Fault(.imageTooLarge, value: size, limit: room)), "\(room)")
            #expect(memory.prefix(32).allSatisfy { $0 == 0xee } && memory.suffix(32).allSatisfy { $0 == 0xee })
            if room == size { #expect(Array(memory[32..<32 + Int(size)]) == whole.memory) }
        }
    }

    /// Each block of thread-local storage goes where glibc puts it: into the gap that alignment has left, if the gap is large enough,
    /// or else below all others. The model keeps every byte that is taken.
    @Test func blocksOfThreadLocalStorage() throws {
        var random = SeededGenerator(seed: 31)
        var (filled, below) = (0, 0)
        for _ in 0..<100 {
            func block() -> LinkedTLS {
                let align: UInt64 = [1, 2, 4, 8, 16, 32, 64].randomElement(using: &random)!
                let size = UInt64.random(in: 1...90, using: &random)
                return LinkedTLS(
                    vaddr: 0x4000 + UInt64.random(in: 0..<64, using: &random), filesz: 0, memsz: size, align: align)
            }
            let names = ["one.so", "two.so", "three.so", "four.so"]
            var application = Self.application([], needed: names)
            if Bool.random(using: &random) { application.tls = block() }
            var libraries: [LinkedFileWriter] = names.map { _ in Self.library([]) }
            for index in libraries.indices where Int.random(in: 0..<5, using: &random) > 0 {
                libraries[index].tls = block()
            }
            let result = try Self.together(application, libraries).load(bias: 0)
            // The gap and the end of the taken bytes, as distances below TP.
            var (gap, end) = (0..<0 as Range<UInt64>, 0 as UInt64)
            var modules: UInt64 = 0
            for (linked, file) in zip(result.linkedFiles, [application] + libraries) {
                guard let tls = file.tls else {
                    #expect(linked.threadLocalModule == 0)
                    continue
                }
                modules += 1
                // The smallest distance from `used` on at which the block's first byte is congruent to its address.
                func place(_ used: UInt64) -> UInt64 {
                    ((used + tls.memsz)...).first { (0 &- $0) % tls.align == tls.vaddr % tls.align }!
                }
                var distance = place(gap.lowerBound)
                if distance <= gap.upperBound {
                    gap = distance..<gap.upperBound
                    filled += 1
                } else {
                    distance = place(end)
                    if distance - end - tls.memsz > UInt64(gap.count) { gap = end..<distance - tls.memsz }
                    end = distance
                    below += 1
                }
                #expect(linked.threadLocalDistance == distance && linked.threadLocalModule == modules)
            }
            let alignment = ([application] + libraries).compactMap { $0.tls?.align }.max() ?? 0
            guard alignment > 0 else { continue }
            #expect(result.plan.templateAlignment == alignment)
            #expect(result.plan.templateSize == (end + alignment - 1) / alignment * alignment)
        }
        #expect(filled > 20 && below > 100)
    }
}
