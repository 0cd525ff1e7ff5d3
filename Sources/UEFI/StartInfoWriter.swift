// Writes a start info, in the format of PVH (Xen, public/arch-x86/hvm/start_info.h), that hands the firmware's facts to the loader.

public import Bytes
import Firmware
public import Memory

/// The source of the command line, which decides which words others may have added to it.
enum CommandLineSource: Sendable {
    /// The load options: boot loaders, the shell and QEMU add words.
    case loadOptions
    /// A file that a user wrote.
    case file
}

/// Writes a start info, version 1, with its modules, strings and memory map, into one block of memory: the structure, the list of
/// modules, then texts, and the memory map at the end, after it is final.
public struct StartInfoWriter: ~Copyable, ~Escapable {
    /// The largest number of modules: the loader's own limit.
    public static var moduleCapacity: UInt64 { UInt64(Platform.moduleCapacity) }
    /// The offsets of the list of modules and of the texts in the block.
    private static var modules: UInt64 { PVH.StartInfo.sizeFromUEFI }
    private static var texts: UInt64 { modules &+ moduleCapacity &* PVH.ModuleEntry.size }

    /// The alignment of the memory map after the texts.
    private static var alignment: UInt64 { 8 }

    /// The number of bytes that it needs, with `texts` bytes of texts and `regions` regions.
    public static func size(texts: UInt64, regions: UInt64) -> UInt64 {
        StartInfoWriter.texts &+ texts &+ alignment &+ regions &* PVH.MemoryMapEntry.size
    }

    private var region: ByteRegion
    private let start: UInt64
    private var end: UInt64
    private var count: UInt64 = 0

    /// Begins a start info in `region`, whose addresses are physical. `confidentialBlob` is the address of SEV-SNP's, 0 for none.
    @_lifetime(copy region)
    public init(_ region: consuming ByteRegion, rsdp: UInt64, confidentialBlob: UInt64 = 0) {
        start = region.address
        end = start &+ StartInfoWriter.texts
        self.region = region
        self.region.clear(start, size: min(self.region.count, StartInfoWriter.texts))
        self.region.store(PVH.StartInfo.magicValue, in: PVH.StartInfo.magic, of: start)
        self.region.store(PVH.StartInfo.versionWithMemoryMap, in: PVH.StartInfo.version, of: start)
        self.region.store(rsdp, in: PVH.StartInfo.rsdpPaddr, of: start)
        self.region.store(confidentialBlob, in: PVH.StartInfo.confidentialBlob, of: start)
    }

    /// The number of modules.
    public var moduleCount: UInt64 { count }

    /// Adds a module without a string; false if there are too many.
    @_lifetime(self: copy self)
    public mutating func addModule(_ file: AddressRange) -> Bool { add(file, string: 0) }

    /// Adds a module with the name `name`; false if there are too many, or there is no room for the name.
    @_lifetime(self: copy self)
    public mutating func addModule(_ file: AddressRange, name: FirmwareText) -> Bool {
        let string = end
        guard let nameEnd = name.write(to: &region, at: end), region.store(UInt8(0), at: nameEnd) else { return false }
        end = nameEnd &+ 1
        return add(file, string: string)
    }

    @_lifetime(self: copy self)
    private mutating func add(_ file: AddressRange, string: UInt64) -> Bool {
        guard count < StartInfoWriter.moduleCapacity else { return false }
        let entry = start &+ StartInfoWriter.modules &+ count &* PVH.ModuleEntry.size
        region.store(file.start, in: PVH.ModuleEntry.paddr, of: entry)
        region.store(file.size, in: PVH.ModuleEntry.moduleSize, of: entry)
        region.store(string, in: PVH.ModuleEntry.cmdlinePaddr, of: entry)
        count &+= 1
        region.store(start &+ StartInfoWriter.modules, in: PVH.StartInfo.modlistPaddr, of: start)
        region.store(UInt32(truncatingIfNeeded: count), in: PVH.StartInfo.nrModules, of: start)
        return true
    }

    /// Makes the load options the command line, if they are a line; false if there is no room.
    @_lifetime(self: copy self)
    public mutating func setCommandLine(_ options: FirmwareText) -> Bool {
        guard options.isLine else { return true }
        guard let lineEnd = options.write(to: &region, at: end) else { return false }
        return finishLine(AddressRange(end, lineEnd), .loadOptions)
    }

    /// Makes the text of a file, up to a NUL, the command line; false if there is no room.
    @_lifetime(self: copy self)
    public mutating func setCommandLine(file: ByteView) -> Bool {
        let size = file.stringLength(at: 0, limit: file.count) ?? file.count
        // The byte order mark that some editors put before UTF-8 is not part of the text.
        let isMarked = file.byte(at: 0) == 0xef && file.byte(at: 1) == 0xbb && file.byte(at: 2) == 0xbf
        let text = file.part(at: isMarked ? 3 : 0, size: isMarked ? size &- 3 : size)
        guard region.copy(text, to: end) else { return false }
        return finishLine(AddressRange(at: end, size: text.count), .file)
    }

    /// Makes `text`, which has been written, one line, without the words that others have added.
    @_lifetime(self: copy self)
    private mutating func finishLine(_ text: AddressRange, _ source: CommandLineSource) -> Bool {
        for address in text.start..<text.end where byte(address) < 0x20 { region.store(UInt8(ascii: " "), at: address) }
        var line = trimmed(text)
        if source == .loadOptions { line = withoutAddedWords(line) }
        guard region.store(UInt8(0), at: line.end) else { return false }
        if !line.isEmpty { region.store(line.start, in: PVH.StartInfo.cmdlinePaddr, of: start) }
        end = max(text.end, line.end) &+ 1
        return true
    }

    /// The line without the last word, in which OVMF offers QEMU's initrd, and without the first word of GRUB (`BOOT_IMAGE=…`) or of the
    /// shell (this program's path): the loader's options must be the first words.
    private func withoutAddedWords(_ line: AddressRange) -> AddressRange {
        var line = line
        let initrd: StaticString = "initrd=initrd"
        let size = UInt64(initrd.utf8CodeUnitCount)
        if line.size >= size, matches(line.end &- size, ByteView(initrd)),
            line.size == size || byte(line.end &- size &- 1) == UInt8(ascii: " ")
        {
            line = trimmed(AddressRange(line.start, line.end &- size))
        }
        var wordEnd = line.start
        while wordEnd < line.end, byte(wordEnd) != UInt8(ascii: " ") { wordEnd &+= 1 }
        let word = AddressRange(line.start, wordEnd)
        let isAdded =
            word.size >= 11 && matches(word.start, ByteView("BOOT_IMAGE="))
            || word.size >= 4 && matches(word.end &- 4, ByteView(".efi"), letterCase: 0x20)
        return isAdded ? trimmed(AddressRange(wordEnd, line.end)) : line
    }

    /// Whether `text` is at `address`; letters compare with the bits of `letterCase` set.
    private func matches(_ address: UInt64, _ text: borrowing ByteView, letterCase: UInt8 = 0) -> Bool {
        for index in 0..<text.count
        where byte(address &+ index) | letterCase != text.byte(at: index).map({ $0 | letterCase }) {
            return false
        }
        return true
    }

    private func trimmed(_ line: AddressRange) -> AddressRange {
        var (start, end) = (line.start, line.end)
        while start < end, byte(start) == UInt8(ascii: " ") { start &+= 1 }
        while start < end, byte(end &- 1) == UInt8(ascii: " ") { end &-= 1 }
        return AddressRange(start, end)
    }

    private func byte(_ address: UInt64) -> UInt8 { region.load(UInt8.self, at: address) ?? 0 }

    /// Writes the memory map. Neighbours of one kind become one region: firmware has a hundred descriptors. False if there is no room.
    @_lifetime(self: copy self)
    public mutating func finish(_ memory: FirmwareMemory) -> Bool {
        let map = (end &+ (StartInfoWriter.alignment &- 1)) & ~(StartInfoWriter.alignment &- 1)
        var (address, regions) = (map, UInt64(0))
        var last: MemoryRegion?
        for index in 0..<memory.count {
            let next = memory[index]
            if let before = last, before.kind == next.kind, before.range.end == next.range.start {
                last = MemoryRegion(range: AddressRange(before.range.start, next.range.end), kind: next.kind)
                continue
            }
            if let before = last {
                guard put(before, at: address) else { return false }
                address &+= PVH.MemoryMapEntry.size
                regions &+= 1
            }
            last = next
        }
        if let last {
            guard put(last, at: address) else { return false }
            regions &+= 1
        }
        region.store(map, in: PVH.StartInfo.memmapPaddr, of: start)
        return region.store(
            UInt32(truncatingIfNeeded: regions), in: PVH.StartInfo.memmapEntries, of: start)
    }

    @_lifetime(self: copy self)
    private mutating func put(_ memory: MemoryRegion, at address: UInt64) -> Bool {
        region.store(memory.range.start, in: PVH.MemoryMapEntry.addr, of: address)
        region.store(memory.range.size, in: PVH.MemoryMapEntry.regionSize, of: address)
        // With the reserved word after it.
        return region.store(UInt64(memory.kind.rawValue), at: address &+ PVH.MemoryMapEntry.type.offset)
    }
}
