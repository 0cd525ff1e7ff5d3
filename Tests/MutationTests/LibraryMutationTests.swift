// Every byte of the tables that several files share is changed; and the largest cost of symbol searches.

import Diagnostics
import HostileInput
import TestSupport
import Testing

@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct LibraryMutationTests {
    @Test(arguments: [false, true], [0, 1, 2])
    func `an application with two libraries and any table byte changed loads or is refused`(hasGNUHash: Bool, file: Int)
    {
        let set = LibrarySet(hasGNUHash: hasGNUHash).files
        let files = set.map(\.bytes)
        let original = WatchedBoot(files[0], with: Array(files.dropFirst()))
        #expect(original.ending == .loaded, "\(original.report)")
        #expect(original.violations == [])
        var refused: [Rule: Int] = [:]
        var (loaded, violations) = (0, [String]())
        for offset in stride(
            from: set[file].structures.lowerBound, to: set[file].structures.upperBound, by: isSoak ? 1 : 29
        ) {
            for value in MutationTests.values(files[file][offset]).sorted() {
                var changed = files
                changed[file][offset] = value
                let boot = WatchedBoot(changed[0], with: Array(changed.dropFirst()))
                switch boot.ending {
                case .loaded: loaded += 1
                case .refused(let fault): refused[fault.rule, default: 0] += 1
                }
                if !boot.violations.isEmpty {
                    violations.append("byte \(offset) is \(value): \(boot.violations.joined(separator: ", "))")
                }
            }
        }
        print("file \(file): \(loaded) loaded, refused: \(refused.sorted { $0.value > $1.value })")
        #expect(violations == [])
        #expect(loaded > 0 && !refused.isEmpty)
    }

    @Test(arguments: [0, 1, 2]) func `a library cut at any length loads or is refused`(file: Int) {
        let files = LibrarySet(hasGNUHash: true).files.map(\.bytes)
        for length in stride(from: 0, to: files[file].count, by: isSoak ? 1 : 61) {
            var changed = files
            changed[file] = Array(files[file].prefix(length))
            let boot = WatchedBoot(changed[0], with: Array(changed.dropFirst()))
            #expect(boot.violations == [])
            #expect(boot.ending != .loaded)
        }
    }

    /// A chain of DT_HASH that leads back to its start, and names as long as the file.
    @Test func `searches that lead nowhere end`() {
        var set = LibrarySet(hasGNUHash: false).files
        var one = set[1]
        one.symbols += (0..<100).map { LinkedSymbol(name: "filler\($0)", value: 0x4000, shndx: 1) }
        set[1] = one
        var file = one.bytes
        // The last chain word, which is 0, leads to the first symbol.
        let chains = file.word32s(after: [1, UInt32(one.symbols.count + 1), 1])
        file.put(1 as UInt32, at: chains + one.symbols.count * 4)
        let boot = WatchedBoot(set[0].bytes, with: [file, set[2].bytes])
        guard case .refused(let fault) = boot.ending else {
            Issue.record("it was loaded")
            return
        }
        #expect(fault.rule == .symbolSearchTooLong, "\(boot.report)")
    }
}

extension [UInt8] {
    /// The offset after the first occurrence of these words.
    fileprivate func word32s(after words: [UInt32]) -> Int {
        let bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
        for offset in stride(from: 0x1000, to: count - bytes.count, by: 4)
        where Array(self[offset..<offset + bytes.count]) == bytes { return offset + bytes.count }
        return 0
    }
}
