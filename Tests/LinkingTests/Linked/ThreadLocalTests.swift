// The place of the TLS block: any size, any alignment, any p_vaddr modulo it.

import Boot
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ThreadLocalTests {
    /// The smallest distance that holds the block and keeps its first byte congruent to p_vaddr, found by trying.
    static func distance(vaddr: UInt64, memsz: UInt64, align: UInt64) -> UInt64 {
        var distance = memsz
        while (0 &- distance) % align != vaddr % align { distance += 1 }
        return distance
    }

    @Test(arguments: [1, 2, 4, 8, 16, 64, 128, 4096] as [UInt64])
    func everyResidue(align: UInt64) throws {
        for residue in stride(from: 0, to: align, by: max(1, Int(align / 16))) {
            for memsz in [1, 7, 8, 9, 0x81, 0xfff, 0x1000, 0x1001] as [UInt64] {
                var file = LinkedFileWriter()
                file.data = [UInt8](repeating: 0xee, count: 0x3000)
                file.tls = LinkedTLS(vaddr: 0x5000 + residue, filesz: 1, memsz: memsz, align: align)
                file.symbols = [LinkedSymbol(name: "variable", value: 3, info: 0x16, shndx: 1)]
                file.rela = [
                    LinkedRelocation(offset: 0x4000, type: 18, symbol: 1, addend: 4),
                    LinkedRelocation(offset: 0x4010, type: 36, symbol: 0, addend: 0),
                ]
                let distance = ThreadLocalTests.distance(vaddr: 0x5000 + residue, memsz: memsz, align: align)
                let bytes = file.bytes
                let result = try relocate(bytes, bias: 0x60_0000)
                var expected = LittleEndianOutput()
                expected.u64(7 &- distance)
                #expect(result.hex(0x4000, 8) == hexadecimal(expected.bytes))
                expected.bytes = []
                expected.u64(0 &- distance)
                #expect(result.hex(0x4018, 8) == hexadecimal(expected.bytes))

                // A kernel's use of BootInfo: the block is at TP - roundup(memsz, align), and the template is copied to its
                // start. The variable's template must end up `distance` below TP.
                let application = try Application(ByteView(bytes.span.bytes))
                let info = application.tls(bias: 0x60_0000)
                let told = try #require(info)
                let block = (told.memsz + align - 1) / align * align
                #expect(block - (0x60_5000 + residue - told.start) == distance)
                #expect(told.filesz == 0x60_5000 + residue - told.start + 1)
                #expect(told.align == align)
                if residue == 0 {
                    #expect(told == TLSInfo(start: 0x60_5000, filesz: 1, memsz: memsz, align: align))
                }
            }
        }
    }

    /// BootInfo's template begins at a multiple of its alignment; it is a fault if that is before the image.
    @Test func templateBeforeTheImage() throws {
        var file = LinkedFileWriter()
        file.isExecutable = true
        file.base = 0x40_1000
        file.tls = LinkedTLS(vaddr: 0x40_5010, filesz: 8, memsz: 8, align: 0x1000)
        var bytes = file.bytes
        let info = try Application(ByteView(bytes.span.bytes)).tls(bias: 0)
        #expect(info?.start == 0x40_5000)
        file.tls?.align = 0x20_0000
        bytes = file.bytes
        #expect(
            fault { _ = try Application(ByteView(bytes.span.bytes)) }
                == Fault(.tlsBeforeImage, value: 0x40_5010, limit: 0x20_0000))
    }

    /// The loader's code after the image is part of the image in BootInfo; it has a page of its own if the last page is full.
    @Test(
        arguments: [(0x100, 0x4100), (0xfe0, 0x4fe0), (0xfe1, 0x5000), (0x1000, 0x5000), (0x0f1, 0x4100)]
            as [(Int, UInt64)])
    func descriptorCode(size: Int, address: UInt64) throws {
        var file = LinkedFileWriter()
        file.tls = Vectors.tls
        file.data = [UInt8](repeating: 0xee, count: size)
        file.rela = [LinkedRelocation(offset: 0x4000, type: 36)]
        let result = try relocate(file.bytes, bias: 0x60_0000)
        #expect(UInt64(result.memory.count) == address + 32)
        // mov 8(%rax), %rax; ret
        #expect(result.hex(address, 5) == "48 8b 40 08 c3")
        // mov 8(%rax), %rax; sub %fs:0, %rax; ret
        #expect(result.hex(address + 16, 14) == "48 8b 40 08 64 48 2b 04 25 00 00 00 00 c3")
        #expect(result.memory[Int(file.end)..<Int(address)].allSatisfy { $0 == 0 })
        file.rela[0].type = 18
        #expect(try relocate(file.bytes, bias: 0).memory.count == 0x4000 + size)
    }
}
