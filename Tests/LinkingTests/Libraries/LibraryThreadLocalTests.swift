// Thread-local storage of an application and its libraries.

import Bytes
import Diagnostics
@testable import Linking
import TestSupport
import Testing

extension LibraryTests {
    /// Blocks lie below TP, each aligned. Modules are numbered in search order, and there is one template.
    @Test func threadLocalStorage() throws {
        var application = Self.application(["own", "first", "second"], type: 18)
        application.symbols[0] = LinkedSymbol(name: "own", value: 4, info: 0x16, shndx: 1)
        application.tls = LinkedTLS(vaddr: 0x4080, filesz: 8, memsz: 0x18, align: 8)
        application.data = Array(0..<0xff)
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "first", value: 2, info: 0x16, shndx: 1)]
        one.tls = LinkedTLS(vaddr: 0x4090, filesz: 4, memsz: 0x20, align: 64)
        one.data = (0..<0xff).map { 0xff - $0 }
        one.rela = [16, 17, 36].enumerated().map {
            LinkedRelocation(offset: 0x4000 + UInt64($0.offset) * 8, type: $0.element, symbol: 1, addend: 1)
        }
        var two = Self.library([])
        two.symbols = [LinkedSymbol(name: "second", value: 1, info: 0x16, shndx: 1)]
        two.tls = LinkedTLS(vaddr: 0x4000, filesz: 0, memsz: 3, align: 2)
        let result = try Self.load(application, one, two)
        // The application's block begins 0x18 below TP. The next needs 0x38, at 0x10 modulo 64: it begins at TP - 0x70. The third,
        // of 3 bytes, fits between the two, at TP - 0x1c.
        #expect(Int64(bitPattern: result.word(0x4000)) == 4 - 0x18)
        #expect(Int64(bitPattern: result.word(0x4008)) == 2 - 0x70)
        #expect(Int64(bitPattern: result.word(0x4010)) == 1 - 0x1c)
        #expect(result.word(0x4000, in: 1) == 2)
        #expect(result.word(0x4008, in: 1) == 3)
        #expect(Int64(bitPattern: result.word(0x4018, in: 1)) == 3 - 0x70)
        // The template's size is a multiple of the largest alignment. Its initialised bytes end with the application's.
        let plan = result.plan
        #expect(plan.templateSize == 0x80 && plan.templateAlignment == 64 && plan.templateStart % 64 == 0)
        #expect(plan.templateFileSize == 0x80 - 0x18 + 8)
        #expect(result.hex(plan.templateStart + 0x80 - 0x70, 4) == "6f 6e 6d 6c")
        #expect(result.hex(plan.templateStart + 0x80 - 0x18, 8) == "80 81 82 83 84 85 86 87")
    }

    /// A block without initialised bytes adds none to the template.
    @Test(arguments: [0, 8] as [UInt64]) func blocksOfZeros(_ initialised: UInt64) throws {
        var (one, two) = (Self.library([]), Self.library([]))
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 0, memsz: 0x20, align: 8)
        two.tls = LinkedTLS(vaddr: 0x4000, filesz: initialised, memsz: 0x10, align: 8)
        let plan = try Self.load(Self.application([]), one, two).plan
        // The second block begins 0x30 below TP, with the template.
        #expect(plan.templateSize == 0x30 && plan.templateFileSize == initialised)
    }

    /// Each block and its alignment are at most 2^46, and so are all blocks before the last one together.
    @Test func blocksThatAreTooLarge() {
        let most: UInt64 = 1 << 46
        /// Size and alignment of each file's block; the index of the refused file, and its size.
        let cases: [(blocks: [(UInt64, UInt64)], refused: (file: Int, size: UInt64)?)] = [
            ([(most, 1)], nil), ([(most + 1, 1)], (0, most + 1)), ([(8, most)], nil), ([(8, most << 1)], (0, 8)),
            ([(8, 1), (most, 1)], nil), ([(8, 1), (most + 1, 1)], (1, most + 1)), ([(8, 1), (7, most << 1)], (1, 7)),
            ([(most, 1), (9, 1)], nil), ([(most, 1), (9, 1), (7, 1)], (2, 7)), ([(most, 1), (most, 1)], nil),
            ([(.max - 0x4000, 1)], (0, .max - 0x4000)), ([(1, 1 << 63)], (0, 1)),
        ]
        for (blocks, refused) in cases {
            let files = blocks.enumerated().map { index, block in
                var file =
                    index == 0
                    ? Self.application([], needed: Array(Self.names.prefix(blocks.count - 1))) : Self.library([])
                file.tls = LinkedTLS(vaddr: 0x4000, filesz: 0, memsz: block.0, align: block.1)
                return (index == 0 ? "app" : Self.names[index - 1], file.bytes)
            }
            var room = [LinkPlan()]
            let found = fault { _ = try FilesTogether(files).link(room.mutableSpan) }
            #expect(
                found == refused.map { Fault(.imageTooLarge, value: $0.size, limit: most).of(file: $0.file) },
                "\(blocks)")
        }
    }

    /// The template begins at a multiple of its alignment, at any distance from the end of the images.
    @Test(arguments: [1, 8, 16, 32, 0x800, 0x1000, 0x2000, 0x8000] as [UInt64], [0x100, 0x1100, 0x2100])
    func theTemplatesAlignment(_ alignment: UInt64, _ size: Int) throws {
        var one = Self.library([])
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 3, memsz: 5, align: alignment)
        one.data = [7, 8, 9] + [UInt8](repeating: 0, count: size)
        let plan = try Self.load(Self.application([], needed: ["one.so"]), one).plan
        #expect(plan.templateAlignment == alignment && plan.templateStart % max(alignment, 16) == 0)
        #expect(plan.templateStart >= plan.dataStart && plan.templateStart - plan.dataStart < max(alignment, 16))
        #expect(plan.templateStart + plan.templateFileSize <= plan.dataEnd)
        #expect(plan.templateSize % alignment == 0 && plan.templateSize >= 5)
    }

    /// If no file defines __tls_get_addr, the loader does; its table has the distances.
    @Test func threadLocalAddress() throws {
        var one = Self.library([])
        one.symbols = [LinkedSymbol(name: "__tls_get_addr", value: 0, info: 0x10, shndx: 0)]
        one.rela = [LinkedRelocation(offset: 0x4000, type: 7, symbol: 1)]
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 0, memsz: 0x30, align: 16)
        let result = try Self.load(Self.application([]), one, Self.library([]))
        let code = result.plan.threadLocalAddress
        #expect(result.word(0x4000, in: 1) == code + 0x60_0000)
        #expect(result.hex(code, 3) == "48 8b 07")
        let table = code &+ 10 &+ UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: result.word(code + 6))))
        #expect(result.word(table) == 0)
        #expect(result.word(table + 8) == 0 &- 0x30)
        let own = try Self.load(Self.application([]), one, Self.library([("__tls_get_addr", 0x77)]))
        #expect(own.word(0x4000, in: 1) == 0x77)
    }

    /// If only the application has a block, its own template is used, and nothing is copied over the loader's additions.
    @Test func theApplicationsBlockAlone() throws {
        var application = Self.application(["__loader_init_array_start", "own"], info: 0x20)
        application.symbols[1] = LinkedSymbol(name: "own", value: 2, info: 0x16, shndx: 1)
        application.rela[1].type = 18
        application.tls = LinkedTLS(vaddr: 0x4040, filesz: 0x80, memsz: 0x200, align: 8)
        application.data = [UInt8](repeating: 0xaa, count: 0x100)
        var one = Self.library([])
        one.entries = [(12, 0x4010)]
        let result = try Self.load(application, one, Self.library([]))
        #expect(!result.plan.hasMergedTemplate)
        #expect(Int64(bitPattern: result.word(0x4008)) == 2 - 0x200)
        #expect(result.word(result.plan.initialisersStart) == 0x60_4010 + result.linkedFiles[1].displacement)
        let added = Int(result.plan.dataStart - result.linkStart)..<Int(result.plan.dataEnd - result.linkStart)
        #expect(!result.memory[added].contains(0xaa))
    }

    /// p_align 0 and 1 both mean no alignment, for segments and for thread-local storage.
    @Test(arguments: [0, 1] as [UInt64]) func noAlignment(_ alignment: UInt64) throws {
        var application = Self.application([], needed: ["one.so"])
        application.tls = LinkedTLS(vaddr: 0x4080, filesz: 3, memsz: 5, align: alignment)
        var one = Self.library([])
        one.tls = LinkedTLS(vaddr: 0x4010, filesz: 1, memsz: 2, align: alignment)
        (application.alignment, one.alignment) = (alignment, alignment)
        let result = try Self.load(application, one, Self.library([]))
        #expect(result.linkedFiles[0].threadLocalDistance == 5 && result.linkedFiles[1].threadLocalDistance == 7)
        #expect(result.plan.templateSize == 7 && result.plan.templateAlignment == 1)
        let alone = application.bytes
        let image = try LinkedImage(ByteView(alone.span.bytes))
        #expect(image.properties.threadLocalDistance == 5)
    }
}
