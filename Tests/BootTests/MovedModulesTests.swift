// Modules that are moved away from the image: each file and each name is found in its new place.

import Boot
import Bytes
import Diagnostics
import Firmware
import HermitEntry
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct MovedModulesTests {
    /// An application that is linked at 16 MiB and needs a library; its first word of data refers to the library's definition.
    static let application: [UInt8] = {
        var file = LinkedFileWriter()
        (file.isExecutable, file.base, file.needed) = (true, 0x100_0000, "one.so")
        file.symbols = [LinkedSymbol(name: "wanted", value: 0, info: 0x10, shndx: 0)]
        file.rela = [LinkedRelocation(offset: file.dataAddress, type: 6, symbol: 1)]
        return file.bytes
    }()
    /// The address of that word.
    static let word: UInt64 = 0x100_0000 + LinkedFileWriter.dataOffset

    /// The library; without DT_SONAME it is known by its module's string.
    static func library(_ value: UInt64, soname: String? = nil) -> [UInt8] {
        var file = LinkedFileWriter()
        file.soname = soname
        file.symbols = [LinkedSymbol(name: "wanted", value: value)]
        return file.bytes
    }

    /// Boots the application with libraries, with the modules at these addresses and their strings at the chosen places.
    static func boot(
        _ modules: [(start: UInt64, bytes: [UInt8], string: UInt64, name: String)]
    ) throws(Fault) -> BootedMachine {
        var contents: [(address: UInt64, bytes: [UInt8])] = []
        for module in modules {
            contents.append((module.start, module.bytes))
            if !module.name.isEmpty { contents.append((module.string, Array(module.name.utf8) + [0])) }
        }
        let handoff = Handoff(
            loader: AddressRange(0x10_0000, 0x12_8000), codeEnd: 0x11_0000, hasGigabytePages: false, hasNoExecute: true)
        return try BootedMachine(contents, handoff) { () throws(Fault) in
            var platform = Platform(.multiboot, information: 0x9500)
            try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
            try platform.memoryMap.add(AddressRange(0x10_0000, 0x1000_0000), .available)
            for module in modules {
                let line = AddressRange(
                    at: module.name.isEmpty ? 0 : module.string, size: UInt64(module.name.utf8.count))
                try platform.add(
                    Module(range: AddressRange(at: module.start, size: UInt64(module.bytes.count)), commandLine: line))
            }
            return platform
        }
    }

    /// The image covers everything from 16 MiB on: the application, the library, both or neither. Names lie beside the modules or under
    /// the image.
    @Test(
        arguments: [0x40_0000, 0x100_2000] as [UInt64], [0x60_0000, 0xff_d000, 0x100_7000] as [UInt64])
    func `files and names are found wherever they have been moved`(_ first: UInt64, _ second: UInt64) throws {
        let one = Self.library(0x1234)
        for string in [0x9000, 0x50_0000] as [UInt64] {
            let boot = try Self.boot([
                (first, Self.application, string, "app"), (second, one, string + 0x100, "lib/one.so another.so"),
            ])
            let image = boot.plan.image
            #expect(image.start == 0x100_0000 && image.end > 0x100_8000)
            #expect(boot.number(UInt64.self, at: Self.word) == 0x1234)
            let isMoved = [first, second].contains { AddressRange(at: $0, size: 0x4100).overlaps(image) }
            #expect(boot.plan.movesModules == isMoved)
        }
        // A library with DT_SONAME needs no string.
        let named = try Self.boot([
            (first, Self.application, 0x9000, "app"), (second, Self.library(0x77, soname: "one.so"), 0, ""),
        ])
        #expect(named.number(UInt64.self, at: Self.word) == 0x77)
    }

    /// A resolver is called, alone or with others, and its result is stored.
    @Test(arguments: 0...3) func `resolver functions are called`(_ count: Int) throws {
        var file = LinkedFileWriter()
        file.rela = (0..<count).map {
            LinkedRelocation(offset: file.dataAddress + UInt64($0) * 8, type: 37, addend: 0x4080 + UInt64($0) * 16)
        }
        let boot = try Self.boot([(0x40_0000, file.bytes, 0, "")])
        for index in 0..<4 as Range<UInt64> {
            let word = boot.number(
                UInt64.self, at: boot.plan.image.start + LinkedFileWriter.dataOffset + index * 8)
            #expect(word == (index < count ? boot.plan.bias + 0x4081 + index * 16 : 0))
        }
    }

    /// A library's block of thread-local storage is part of the template in BootInfo.
    @Test(arguments: [false, true]) func `the template is that of all files`(_ hasOwn: Bool) throws {
        var file = LinkedFileWriter()
        file.needed = "one.so"
        if hasOwn { file.tls = LinkedTLS(vaddr: 0x4000, filesz: 4, memsz: 8, align: 8) }
        var one = LinkedFileWriter()
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 3, memsz: 0x30, align: 32)
        one.data = [7, 8, 9] + [UInt8](repeating: 0, count: 0x100)
        let boot = try Self.boot([(0x40_0000, file.bytes, 0x9000, "app"), (0x60_0000, one.bytes, 0x9100, "one.so")])
        // BootInfo of generation 4: the template's address, its sizes and its alignment.
        let info = (0..<4).map { boot.number(UInt64.self, at: boot.state.bootInfo + 48 + $0 * 8) }
        #expect(info[2] == 0x40 && info[3] == 32 && info[0] % 32 == 0)
        // The library's block begins at the lowest multiple of 32 below the application's.
        #expect(boot.bytes(AddressRange(at: info[0], size: 3)) == [7, 8, 9])
        let alone = try Self.boot([(0x40_0000, LinkedFileWriter().bytes, 0, "")])
        #expect((0..<4).allSatisfy { alone.number(UInt64.self, at: alone.state.bootInfo + 48 + $0 * 8) == 0 })
    }

    /// Of two libraries with one name the first counts, even if both have been moved.
    @Test func `modules keep their order when they are moved`() throws {
        for (first, second) in [(0x100_0000, 0x100_8000), (0x100_8000, 0x100_0000)] as [(UInt64, UInt64)] {
            let boot = try Self.boot([
                (0x40_0000, Self.application, 0x9000, "app"), (first, Self.library(1), 0x9100, "one.so"),
                (second, Self.library(2), 0x9200, "one.so"),
            ])
            #expect(boot.number(UInt64.self, at: Self.word) == 1)
        }
    }

    /// An image's files move with its archive, and so do their names, which are in it.
    @Test(arguments: [0x40_0000, 0xff_8000, 0x100_1000, 0x100_9000] as [UInt64])
    func `files of an archive move with it`(_ start: UInt64) throws {
        var image = ImageWriter(Self.application)
        image.files += [("lib/other.so", Self.library(1)), ("lib/one.so", Self.library(0x4321))]
        let archive = image.archive
        let boot = try Self.boot([(start, archive, 0, "")])
        #expect(boot.number(UInt64.self, at: Self.word) == 0x4321)
        #expect(
            boot.plan.movesModules
                == AddressRange(at: start, size: UInt64(archive.count)).overlaps(boot.plan.image))
    }

    /// Even if it is a single character. Sentences name files after the image has taken the archive's old place.
    @Test(arguments: [0x40_0000, 0x100_1000] as [UInt64]) func `names move with their archive`(_ start: UInt64) throws {
        var application = LinkedFileWriter()
        (application.isExecutable, application.base, application.needed) = (true, 0x100_0000, "1")
        application.symbols = [LinkedSymbol(name: "wanted", value: 0, info: 0x10, shndx: 0)]
        application.rela = [LinkedRelocation(offset: application.dataAddress, type: 6, symbol: 1)]
        var image = ImageWriter(application.bytes)
        image.files.append(("1", Self.library(0x4321)))
        let boot = try Self.boot([(start, image.archive, 0, "")])
        #expect(boot.number(UInt64.self, at: Self.word) == 0x4321)
        #expect(boot.strings == [[], Array("1".utf8)])
    }
}
