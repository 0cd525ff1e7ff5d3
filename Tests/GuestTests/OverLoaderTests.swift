// Applications linked where the loader itself runs: the loader's last step moves them there.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct OverLoaderTests {
    static let isBuilt = Project.exists(Project.loader)

    /// The loader lies from 1 MiB on. The images cover its beginning, its end, or all of it.
    static let ranges: [(base: UInt64, size: Int)] = [
        (0x10_0000, 0x1_0000), (0x10_8000, 0x8_0000), (0x10_0000, 0x8_0000),
    ]

    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ranges, Start.allCases)
    func `an application over the loader arrives whole, with zeros after it`(
        _ range: (base: UInt64, size: Int), _ start: Start
    ) async throws {
        let file = try TemporaryFile(Self.application(at: range.base, size: range.size))
        let outcome = try await Guest(initrd: file.url, loader: start.loader()).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("over the loader\n"), outcome.comment)
    }

    /// An invalid opcode, and a page fault, whose gate comes later and for which the CPU pushes an error code.
    static let exceptions: [[UInt8]] = [
        // std; ud2
        [0xfd, 0x0f, 0x0b],
        // std; mov $0x700000000000, %rax; mov (%rax), %al
        [0xfd, 0x48, 0xb8, 0, 0, 0, 0, 0, 0x70, 0, 0, 0x8a, 0x00],
    ]

    /// An application that raises an exception at once: the code that would report it is gone, but the machine still ends.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"), arguments: ranges,
        [(exceptions[0], Start.multiboot), (exceptions[1], .multiboot), (exceptions[0], .pvh)])
    func `an exception of an application over the loader ends the machine`(
        _ range: (base: UInt64, size: Int), _ end: (code: [UInt8], start: Start)
    ) async throws {
        var writer = ELFWriter(type: 2, base: range.base)
        writer.append([UInt8](repeating: 0xcc, count: range.size))
        writer.entry = writer.append(end.code)
        let file = try TemporaryFile(Data(writer.bytes))
        var guest = Guest(initrd: file.url, loader: try end.start.loader())
        let outcome = try await guest.boot()
        #expect(outcome.status == 47, outcome.comment)
        #expect(
            outcome.errors == ["CPU exception; the loader is no longer there: link the image above it to see where"],
            outcome.comment)
        let terminal = try StuckTerminal()
        guest.serial = terminal.arguments
        let silent = try await guest.boot()
        #expect(silent.status == 47, silent.comment)
    }

    /// Prints a line, sums its own bytes, checks 64 KiB after them for zeros, and ends the machine with 3 if all is well and 1 if not.
    private static func application(at base: UInt64, size: Int) -> Data {
        var writer = ELFWriter(type: 2, base: base)
        writer.zeroFill = 0x1_0000
        let line = Array("over the loader\r\n".utf8)
        let text = writer.append(line)
        let words = writer.append((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 167 >> 3) })
        var sum: UInt32 = 0
        for index in stride(from: 0, to: size, by: 4) {
            sum &+= (0..<4).reduce(0) {
                $0 | UInt32(UInt8(truncatingIfNeeded: (index + $1) &* 167 >> 3)) << (8 * UInt32($1))
            }
        }
        let code: [[UInt8]] = [
            [0xba, 0xf8, 0x03, 0, 0],  // mov $0x3f8, %edx
            [0xbe] + littleEndian(UInt32(text)),  // mov $text, %esi
            [0xb9] + littleEndian(UInt32(line.count)),  // mov $count, %ecx
            [0xac, 0xee, 0xe2, 0xfc],  // lodsb; out %al, (%dx); loop
            [0xbe] + littleEndian(UInt32(words)),  // mov $words, %esi
            [0xb9] + littleEndian(UInt32(size / 4)),  // mov $count, %ecx
            [0x31, 0xdb],  // xor %ebx, %ebx
            [0xad, 0x01, 0xc3, 0xe2, 0xfb],  // lodsl; add %eax, %ebx; loop
            [0x81, 0xfb] + littleEndian(sum),  // cmp $sum, %ebx
            [0x75, 18],  // jne fail
        ]
        writer.entry = writer.append(code.flatMap { $0 })
        let end = writer.next + 23
        let rest: [[UInt8]] = [
            [0xbf] + littleEndian(UInt32(end)),  // mov $end, %edi
            [0xb9] + littleEndian(UInt32(writer.zeroFill)),  // mov $size, %ecx
            [0x31, 0xc0, 0xf3, 0xae],  // xor %eax, %eax; repe scasb
            [0xb0, 1, 0x74, 2],  // mov $1, %al; je done
            [0xb0, 0],  // fail: mov $0, %al
            [0xe6, 0xf4, 0xf4],  // done: out %al, $0xf4; hlt
        ]
        writer.append(rest.flatMap { $0 }, align: 1)
        return Data(writer.bytes)
    }
}
