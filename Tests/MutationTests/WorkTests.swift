// Work is bounded: files that list the same bytes repeatedly are refused, not read repeatedly.

import Architecture
import Memory
import Boot
import Firmware
import Bytes
import Diagnostics
import Foundation
import HostileInput
import Linking
import TestSupport
import Testing

@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct WorkTests {
    /// The processor time of `body` for `more`, as a multiple of that for `less`: the shortest of three runs of each, in
    /// turn.
    static func growth<Input>(_ less: Input, _ more: Input, _ body: (borrowing Input) -> Void) -> Double {
        var times = [Double](repeating: .infinity, count: 2)
        for _ in 0..<3 {
            times[0] = min(times[0], time { body(less) })
            times[1] = min(times[1], time { body(more) })
        }
        return times[1] / times[0]
    }

    private static func time(_ body: () -> Void) -> Double {
        var (start, end) = (timespec(), timespec())
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
        body()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
    }

    /// 8 MB of notes of 12 bytes each, which 40,000 PT_NOTE segments share.
    @Test func `shared notes are read once`() {
        var file = SmallFile().bytes
        let notes = file.count
        for _ in 0..<700_000 { file += [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0] }
        let size = file.count - notes
        let headers = file.count
        let count = Int(file.number(UInt16.self, at: 56))
        file += file[64..<64 + 56 * count]
        for _ in 0..<40_000 {
            let words: [UInt64] = [4, UInt64(notes), 0, 0, UInt64(size), UInt64(size), 4]
            file += words.flatMap { littleEndian($0) }
        }
        file.put(UInt64(headers), at: 32)
        file.put(UInt16(count + 40_000), at: 56)
        let boot = WatchedBoot(file)
        guard case .refused(let fault) = boot.ending else {
            Issue.record("it was loaded")
            return
        }
        #expect(fault.rule == .bytesListedTwice && fault.location == .programHeader(UInt64(count) + 1))
        #expect(boot.violations == [])
    }

    /// 20,000 relocation sections that share 100,000 relocations.
    @Test func `an object file's relocations are read once`() {
        var file = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 255, 0, 0, 0, 0, 0, 0, 0, 0] as [UInt8]
        file += [UInt8](repeating: 0, count: 48)
        let names = file.count
        file += Array("\0_start\0".utf8) + [UInt8](repeating: 0, count: 8)
        let code = file.count
        file += [0xf4, 0xeb, 0xfd, 0, 0, 0, 0, 0]
        let symbols = file.count
        file += [UInt8](repeating: 0, count: 24)
        file +=
            littleEndian(UInt32(1)) + [0x12, 0] + littleEndian(UInt16(1)) + littleEndian(UInt64(0))
            + littleEndian(UInt64(3))
        let notes = file.count
        file += hermitNote(4)
        let noteSize = file.count - notes
        let relocations = file.count
        file += [UInt8](repeating: 0, count: 24 * 100_000)
        while file.count % 8 != 0 { file.append(0) }
        let headers = file.count
        func section(
            _ type: UInt32, _ flags: UInt64, _ offset: Int, _ size: Int, _ link: UInt32, _ info: UInt32, _ unit: UInt64
        ) {
            file += littleEndian(UInt32(0)) + littleEndian(type) + littleEndian(flags) + littleEndian(UInt64(0))
            file += littleEndian(UInt64(offset)) + littleEndian(UInt64(size)) + littleEndian(link) + littleEndian(info)
            file += littleEndian(UInt64(4)) + littleEndian(unit)
        }
        section(0, 0, 0, 0, 0, 0, 0)
        section(1, 6, code, 8, 0, 0, 0)
        section(3, 0, names, 8, 0, 0, 0)
        section(2, 0, symbols, 48, 2, 1, 24)
        section(7, 2, notes, noteSize, 0, 0, 0)
        for _ in 0..<20_000 { section(4, 0, relocations, 24 * 100_000, 3, 1, 24) }
        file.put(UInt16(1), at: 16)
        file.put(UInt16(62), at: 18)
        file.put(UInt32(1), at: 20)
        file.put(UInt64(headers), at: 40)
        for (index, half) in [64, 0, 0, 64, 20_005, 0].enumerated() { file.put(UInt16(half), at: 52 + 2 * index) }
        let boot = WatchedBoot(file)
        guard case .refused(let fault) = boot.ending else {
            Issue.record("it was loaded")
            return
        }
        #expect(fault.rule == .bytesListedTwice && fault.location == .sectionHeader(6), "\(boot.report)")
    }

    /// As many sections as the shared name has bytes, and a symbol named after them.
    @Test func `names are not compared to their ends`() {
        func file(_ size: Int) -> [UInt8] {
            let name = String(repeating: "n", count: 10 * size)
            var file = ObjectFile(
                sections: [
                    ObjectSection(name: ".text", flags: 6, bytes: [0xf4, 0, 0, 0, 0, 0, 0, 0]),
                    ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 0)),
                    ObjectSection(name: name, bytes: [1]),
                ],
                symbols: [
                    ObjectSymbol(name: "_start", info: 0x12, section: 1),
                    ObjectSymbol(name: "__start_" + name, info: 0x10, section: 0),
                ])
            file.sections[0].relocations = [Relocation(1, at: 0, symbol: 2)]
            file.sections += [ObjectSection](repeating: ObjectSection(name: "", bytes: [1]), count: size)
            var bytes = file.bytes
            let headers = Int(bytes.number(UInt64.self, at: 40))
            let shared = bytes.number(UInt32.self, at: headers + 3 * 64)
            for index in 4..<size + 4 { bytes.put(shared, at: headers + index * 64) }
            return bytes
        }
        let growth = Self.growth(file(5_000), file(10_000)) { file in
            guard case .refused(let fault) = WatchedBoot(file).ending else {
                Issue.record("it was loaded")
                return
            }
            #expect(fault.rule == .symbolUndefined)
        }
        #expect(growth < 3)
    }

    /// Arrays of functions with 32 priorities in each direction, with names of the greatest length, and names of sections: one, and 64.
    @Test func `priorities are not read for every search`() {
        func file(_ names: Int) -> [UInt8] {
            var file = ObjectFile(
                sections: [
                    ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0, count: 8 * 64)),
                    ObjectSection(name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 0)),
                ],
                symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
            for number in 0..<64 {
                file.sections.append(ObjectSection(name: "set\(number)", bytes: [1]))
                file.symbols.append(ObjectSymbol(name: "__start_set\(number)", info: 0x10, section: 0))
                let symbol = UInt32(number % names) + 2
                file.sections[0].relocations.append(Relocation(1, at: UInt64(number) * 8, symbol: symbol))
            }
            for number in 0..<2_000 {
                let priority = String(number / 2 % 32)
                let name = "." + String(repeating: "n", count: 62 - priority.count) + "." + priority
                file.sections.append(
                    ObjectSection(
                        name: name, type: number % 2 == 0 ? 14 : 15, align: 8, bytes: [UInt8](repeating: 0, count: 8)))
            }
            return file.bytes
        }
        let growth = Self.growth(file(1), file(64)) { file in
            let boot = WatchedBoot(file)
            guard case .loaded = boot.ending else {
                Issue.record("it was refused")
                return
            }
            #expect(boot.violations == [])
        }
        #expect(growth < 3)
    }

    /// Arrays of functions with 64 priorities, and a stack with one address in an unused stretch of the code, or full of them.
    @Test func `sections are not walked through for every word of the stack`() throws {
        var file = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [0xf4]),
                ObjectSection(name: ".text.more", flags: 6, align: 0x1000, bytes: [0xf4]),
            ],
            symbols: [ObjectSymbol(name: "_start", info: 0x12, section: 1)])
        for number in 0..<5_000 {
            file.sections.append(
                ObjectSection(
                    name: ".init_array.\(number % 64)", type: 14, align: 8, bytes: [UInt8](repeating: 0, count: 8)))
        }
        let contents = file.bytes
        func memory(_ count: Int) -> [UInt8] {
            var memory = [UInt8](repeating: 0, count: 0x8000) + contents
            memory.put(0x2003 as UInt64, at: 0x1000)
            memory.put(0x3003 as UInt64, at: 0x2000)
            memory.put(0x83 as UInt64, at: 0x3000)
            for index in 0..<count { memory.put(0x20_0800 as UInt64, at: 0x4000 + 8 * index) }
            return memory
        }
        var record = BootRecord()
        (record.image, record.bias) = (AddressRange(0x20_0000, 0x40_0000), 0x20_0000)
        record.module = AddressRange(at: 0x8000, size: UInt64(contents.count))
        record.isKnown = true
        let report = CPUException(
            vector: 6, errorCode: 0, instructionPointer: 0x20_0000, stackPointer: 0x4000, faultAddress: 0,
            pageTable: 0x1000, features: 0, registers: InlineArray<15, UInt64>(repeating: 0))
        let growth = Self.growth(memory(1), memory(512)) { memory in
            var (record, sink) = (record, TextCollector())
            report.write(&record, PhysicalMemory(ByteView(memory.span.bytes), origin: 0), to: &sink)
            #expect(sink.text.contains("in the image, section 1, _start+0x0"))
        }
        #expect(growth < 3)
    }

    /// Symbol tables that share their symbols, none of them below the address.
    @Test func `symbols are searched once`() {
        func file(_ count: Int) -> [UInt8] {
            var file = SmallFile().bytes
            while file.count % 8 != 0 { file.append(0) }
            let symbols = file.count
            for _ in 0..<count {
                file += littleEndian(UInt32(1)) + [2, 0, 1, 0] + littleEndian(UInt64.max) + littleEndian(UInt64(0))
            }
            let size = file.count - symbols
            let headers = file.count
            for _ in 0..<count {
                file += littleEndian(UInt32(0)) + littleEndian(UInt32(2)) + [UInt8](repeating: 0, count: 16)
                file += littleEndian(UInt64(symbols)) + littleEndian(UInt64(size)) + littleEndian(UInt64(0))
                file += littleEndian(UInt64(8)) + littleEndian(UInt64(24))
            }
            file.put(UInt64(headers), at: 40)
            file.put(UInt16(count), at: 60)
            return file
        }
        let growth = Self.growth(file(10_000), file(20_000)) { file in
            guard let image = try? LinkedImage(ByteView(file.span.bytes)) else {
                Issue.record("it was refused")
                return
            }
            #expect(image.locate(0x1000) == nil)
        }
        #expect(growth < 3)
    }
}
