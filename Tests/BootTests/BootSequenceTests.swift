// The sequence of a boot: its first requirements, and the limits of an image that is built elsewhere.

import Boot
import Diagnostics
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct BootSequenceTests {
    /// Boots `file` at 2 MiB by a loader that lies at `loader`.
    private func refusal(_ file: [UInt8]?, loader: UInt64 = 0x10_0000) -> Fault? {
        let handoff = Handoff(
            loader: AddressRange(at: loader, size: 0x2_0000), codeEnd: loader + 0x1_0000, hasGigabytePages: false,
            hasNoExecute: true)
        let line = Array("loader.base=0x200000".utf8)
        return fault {
            _ = try BootedMachine([(0x5000, line), (0x80_0000, file ?? [])], handoff) { () throws(Fault) in
                var platform = Platform(.pvh, information: 0x9500)
                try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available)
                try platform.memoryMap.add(AddressRange(0x10_0000, 0x400_0000), .available)
                if let file {
                    let module = AddressRange(at: 0x80_0000, size: UInt64(file.count))
                    try platform.add(Module(range: module, commandLine: AddressRange(0, 0)))
                }
                platform.commandLine = AddressRange(at: 0x5000, size: UInt64(line.count))
                return platform
            }
        }
    }

    @Test func `without a module there is nothing to boot`() {
        #expect(refusal(nil) == Fault(.noModule))
        #expect(refusal([]) == Fault(.emptyFile))
        #expect(refusal(LinkedFileWriter().bytes) == nil)
    }

    /// If the root pointer is copied to low memory, the word at 0x40e leads there, as to an EBDA; otherwise it is unchanged.
    @Test(arguments: [true, false]) func `a kernel finds the copy of the root pointer`(_ hasLowMemory: Bool) throws {
        let pointer = Array("RSD PTR ".utf8) + [1] + Array("BOCHS ".utf8) + [2] + (1...20).map { UInt8($0) }
        var writer = ELFWriter()
        writer.append([0xf4])
        writer.addNotes(hermitNote(4) + abiTag(0, 10, 0))
        let file = writer.bytes
        let handoff = Handoff(
            loader: AddressRange(0x10_0000, 0x12_0000), codeEnd: 0x11_0000, hasGigabytePages: false, hasNoExecute: true)
        let contents: [(address: UInt64, bytes: [UInt8])] = [(0x13_0010, pointer), (0x80_0000, file)]
        let boot = try BootedMachine(contents, handoff) { () throws(Fault) in
            var platform = Platform(.multiboot2, information: 0x9500)
            if hasLowMemory { try platform.memoryMap.add(AddressRange(0, 0x9_f000), .available) }
            try platform.memoryMap.add(AddressRange(0xe_0000, 0x400_0000), .available)
            let module = AddressRange(at: 0x80_0000, size: UInt64(file.count))
            try platform.add(Module(range: module, commandLine: AddressRange(0, 0)))
            try platform.reservations.add(AddressRange(0x13_0000, 0x13_1000), .firmware)
            platform.rsdp = 0x13_0010
            return platform
        }
        let page = boot.plan.rootPointer
        #expect(page.size == 0x1000 && (page.end <= 0xa_0000) == hasLowMemory)
        #expect(boot.bytes(AddressRange(at: page.start, size: 36)) == pointer)
        #expect(boot.number(UInt16.self, at: 0x40e) == (hasLowMemory ? UInt16(page.start >> 4) : 0))
    }

    /// An image over the loader is built elsewhere and moved last: its functions cannot be called before.
    @Test func `no function is called of an image that is built elsewhere`() {
        var linked = LinkedFileWriter()
        linked.rela = [LinkedRelocation(offset: 0x4008, type: 37, addend: 0x4090)]
        let object = ObjectFile(
            sections: [
                ObjectSection(name: ".text", flags: 6, bytes: [UInt8](repeating: 0xf4, count: 64)),
                ObjectSection(
                    name: ".note", type: 7, flags: 2, align: 4, bytes: hermitNote(4) + abiTag(0, 13, 0)),
                ObjectSection(
                    name: ".data", align: 8, bytes: [UInt8](repeating: 0, count: 8),
                    relocations: [Relocation(1, at: 0, symbol: 2)]),
            ],
            symbols: [
                ObjectSymbol(name: "_start", info: 0x12, section: 1),
                ObjectSymbol(name: "choose", value: 0x20, info: 0x1a, section: 1),
            ])
        let resolver = Fault(.resolverOutOfPlace, .relocation(table: 7, index: 0), value: 0x20_4090)
        for (file, fault) in [(linked.bytes, resolver), (object.bytes, Fault(.resolverOutOfPlace))] {
            #expect(refusal(file) == nil)
            #expect(refusal(file, loader: 0x20_0000) == fault)
        }
    }
}
