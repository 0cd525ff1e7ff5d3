// The machine that a file would boot on, as QEMU describes it to the loader: selected by `--machine` and `--memory`.

import Architecture
import Memory
import ArgumentParser
import Firmware
import Bytes
import Diagnostics
import ELF
import Glibc

/// QEMU's x86-64 machines.
enum MachineKind: String, CaseIterable, ExpressibleByArgument, Codable {
    case pc, q35, microvm
}

/// How the loader is started there, and who is rehearsed as its starter: QEMU by the first two, GRUB, Firecracker and OVMF by the others.
enum StartProtocol: String, CaseIterable, ExpressibleByArgument, Codable {
    case multiboot, pvh, multiboot2, linux, uefi
}

/// A machine with its firmware's memory map, the loader and one module in place. Addresses and numbers were read out of
/// guests of QEMU 8 to 10 with SeaBIOS and qboot.
struct HostMachine {
    var kind = MachineKind.pc
    var memory = MemorySize(bytes: 1 << 30)
    var startProtocol = StartProtocol.multiboot
    var commandLine = ""
    /// The path of the loader, which QEMU puts in front of the command line under Multiboot.
    var loaderPath = "loader"
    /// Further modules: their paths and contents.
    var modules: [(path: String, input: InputFile)] = []
    /// The path of the application, which is the module's command line under Multiboot.
    var applicationPath = "application"
    /// Options for the loader, words that begin with `loader.`; they follow the application's name under Multiboot, and come
    /// first on the command line under PVH and Linux's protocol.
    var loaderOptions = ""
    /// The number used in place of the CPU's random one, with `loader.kaslr`.
    var seed: UInt64 = 0
    /// The address of ACPI's root pointer; nil for the usual place of QEMU's firmware.
    var rsdp: UInt64?
    /// Whether the CPU can mark pages as not to be executed.
    var hasNoExecute = true
    /// The loader's own bytes, from the loader's file. Without a file they are assumed to be a little more than it has today.
    var loader = AddressRange(LowMemory.end, 0x15_0000)
    /// The address after its code.
    var loaderCodeEnd: UInt64 = 0x12_8000
    /// Whether both are assumed, because no file was found.
    var isLoaderAssumed = true
    /// The application's file, if its bytes can be mapped rather than copied.
    var input: InputFile?

    /// The Hermit image that is booted, if the application is its kernel.
    var image: ImageFile?
    /// Whether the user gave the amount of memory.
    var isMemoryGiven = false

    /// The same machine, with the application at `path`, which is `input`. Unless the user gave an amount of memory, it has as much as an
    /// image requires.
    func booting(_ path: String, _ input: InputFile? = nil) -> HostMachine {
        var host = self
        host.applicationPath = path
        host.image = input?.image
        host.input = host.image?.packed ?? input
        if let image = host.image, !isMemoryGiven, image.memory > memory.bytes, image.memory <= 1 << 46 {
            let mebibyte = MemorySize.mebibyte
            host.memory = MemorySize(bytes: (image.memory + mebibyte - 1) / mebibyte * mebibyte)
        }
        return host
    }

    /// The name of the file at `index`: the application's, or a module's; nil for one that is in an image.
    func name(ofFile index: Int) -> String? {
        index == 0 ? applicationPath : index <= modules.count ? modules[index - 1].path : nil
    }

    /// 4 GiB: RAM that has no place below the devices continues there.
    static let highMemoryStart: UInt64 = 1 << 32

    /// RAM below 4 GiB. `pc` keeps 1 GiB of addresses free from 3.5 GiB of RAM on, `microvm` from 3 GiB on, `q35` 2 GiB
    /// from 2.75 GiB on.
    var lowMemoryEnd: UInt64 {
        let (most, end): (UInt64, UInt64) =
            switch kind {
            case .pc: (0xe000_0000, 0xc000_0000)
            case .q35: (0xb000_0000, 0x8000_0000)
            case .microvm: (0xc000_0000, 0xc000_0000)
            }
        return memory.bytes >= most ? end : memory.bytes
    }

    /// The memory map, in the firmware's order.
    var regions: [(range: AddressRange, kind: MemoryKind)] {
        // SeaBIOS's extended BIOS data area.
        let extendedData = LowMemory.conventionalEnd - 1024
        var list: [(AddressRange, MemoryKind)] = [
            (AddressRange(0, extendedData), .available),
            (AddressRange(extendedData, LowMemory.conventionalEnd), .reserved),
        ]
        if kind == .microvm { list.append((AddressRange(0xd_0000, 0xf_0000), .acpiNonVolatile)) }
        list.append((AddressRange(0xf_0000, LowMemory.end), .reserved))
        // SeaBIOS keeps the end of low memory for ACPI tables.
        let tables: UInt64 = kind == .microvm ? 0 : kind == .pc ? 0x2_0000 : 0x2_1000
        list.append((AddressRange(LowMemory.end, lowMemoryEnd - tables), .available))
        if tables > 0 { list.append((AddressRange(lowMemoryEnd - tables, lowMemoryEnd), .reserved)) }
        if kind == .q35 {
            list.append((AddressRange(0xb000_0000, 0xc000_0000), .reserved))
            list.append((AddressRange(0xfed1_c000, 0xfed2_0000), .reserved))
        }
        if kind != .microvm { list.append((AddressRange(0xfffc_0000, HostMachine.highMemoryStart), .reserved)) }
        if memory.bytes > lowMemoryEnd {
            list.append((AddressRange(at: HostMachine.highMemoryStart, size: memory.bytes - lowMemoryEnd), .available))
        }
        // HyperTransport's range on AMD processors, which qemu64 is.
        if kind != .microvm { list.append((AddressRange(0xfd_0000_0000, 0x100_0000_0000), .reserved)) }
        return list
    }

    /// The memory map's entries: start, size and type. qboot ends its own with an empty one.
    var mapEntries: [(start: UInt64, size: UInt64, type: UInt32)] {
        regions.map { ($0.range.start, $0.range.size, $0.kind.rawValue) } + (kind == .microvm ? [(0, 0, 0)] : [])
    }

    /// The address at which the firmware puts ACPI's root pointer: it depends on the firmware's tables, and these on the machine's devices.
    var rootPointer: UInt64 {
        if let rsdp { return rsdp }
        return switch kind {
        case .pc: memory.bytes > lowMemoryEnd ? 0xf_59b0 : 0xf_59d0
        case .q35: memory.bytes > lowMemoryEnd ? 0xf_59c0 : 0xf_59e0
        case .microvm: 0xf_34d0
        }
    }

    /// The kernel's command line with the loader's options in front, without the byte that ends it: for protocols with one string.
    var lineWithOptions: [UInt8] {
        Array([loaderOptions, commandLine].filter { !$0.isEmpty }.joined(separator: " ").utf8)
    }
}

extension HostMachine {
    /// Throws `initrdTooLarge` if QEMU would not open `file` or a module: it keeps their sizes in an int.
    func requireSmallFiles(_ file: ByteView) throws(Refusal) {
        let files = [(file.count, applicationPath)] + modules.map { (UInt64($0.input.bytes.byteCount), $0.path) }
        for (size, name) in files where size >= 1 << 31 {
            throw Refusal(
                .initrdTooLarge, "\(printable(name)) has \(size) bytes, and QEMU opens no -initrd of 2 GiB or more",
                "remove its debugging information (strip), or data that the application does not need")
        }
    }

    /// Uses the loader in `file`: the memory of its PT_LOAD segments, in whole pages, and the end of its code. False if QEMU could not
    /// start it: it starts fixed images between 1 MiB and 4 GiB.
    mutating func use(loader file: ByteView) -> Bool {
        guard let header = try? FileHeader(file), header.type == .executable,
            let segments = try? ProgramHeaders(file, header)
        else { return false }
        var codeEnd: UInt64 = 0
        var range: AddressRange?
        for index in 0..<segments.count where segments.type(index) == ProgramHeader.Kind.load {
            let segment = segments[index]
            let own = AddressRange(at: segment.vaddr, size: segment.memsz)
            range = AddressRange(min(range?.start ?? own.start, own.start), max(range?.end ?? own.end, own.end))
            if segment.isExecutable { codeEnd = own.end }
        }
        guard let range, AddressRange(LowMemory.end, HostMachine.highMemoryStart).contains(range) else { return false }
        loader = range.roundedOutward(to: Page.size)
        loaderCodeEnd = codeEnd
        isLoaderAssumed = false
        return true
    }
}
