// BootInfo, by which the loader informs the kernel, in the layout of each generation (hermit-entry, RawBootInfo).

public import Bytes

/// The template of thread-local storage, at the address where it was loaded. If all fields are zero there is none.
public struct TLSInfo: Equatable, Sendable {
    /// The template's address.
    public var start: UInt64
    /// The number of initialised bytes, the number of all bytes, and the alignment.
    public var filesz: UInt64, memsz: UInt64, align: UInt64

    /// A template.
    public init(start: UInt64, filesz: UInt64, memsz: UInt64, align: UInt64) {
        self.start = start
        self.filesz = filesz
        self.memsz = memsz
        self.align = align
    }
}

/// The information for a kernel, independent of the layout. Addresses are physical, and identity-mapped.
public struct BootInfo: Equatable, Sendable {
    /// The loaded image, from `imageStart` to `imageEnd`.
    public var imageStart: UInt64, imageEnd: UInt64
    /// The template of thread-local storage.
    public var tls: TLSInfo?
    /// The base port of the serial device, 0 for none.
    public var serialPort: UInt16
    /// The device tree's address, 0 for none.
    public var deviceTree: UInt64
    /// The command line: address and bytes without a NUL; 0 and 0 for none.
    public var commandLine: UInt64, commandLineSize: UInt64
    /// The Multiboot information's address; 0 if a device tree alone describes the platform.
    public var multibootInformation: UInt64
    /// The low end of the boot stack.
    public var stack: UInt64

    /// A BootInfo with only the image and the stack.
    public init(imageStart: UInt64, imageEnd: UInt64, stack: UInt64) {
        self.imageStart = imageStart
        self.imageEnd = imageEnd
        self.stack = stack
        tls = nil
        serialPort = 0
        deviceTree = 0
        commandLine = 0
        commandLineSize = 0
        multibootInformation = 0
    }

    /// The size of BootInfo in `generation`'s layout. `alignsWideIntegers` says that the kernel's compiler aligns 128-bit integers to
    /// 16 bytes, which moves the platform of generations 2 and 3.
    public static func size(_ generation: Generation, alignsWideIntegers: Bool = false) -> UInt64 {
        switch generation {
        case .zero, .one: 160
        case .two: alignsWideIntegers ? 144 : 120
        case .three: alignsWideIntegers ? 144 : 128
        case .fourRecursive, .fourIdentity: 128
        }
    }

    /// Writes BootInfo in `generation`'s layout at `address` of `memory`; false if it does not fit.
    public func write(
        _ generation: Generation, alignsWideIntegers: Bool = false, to memory: inout ByteRegion, at address: UInt64
    ) -> Bool {
        var words = InlineArray<20, UInt64>(repeating: 0)
        forEachField(generation, alignsWideIntegers: alignsWideIntegers) { _, offset, _, value in
            // Every field lies in one word.
            words[Int(truncatingIfNeeded: offset / 8)] |= value << (offset % 8 * 8)
        }
        let size = BootInfo.size(generation, alignsWideIntegers: alignsWideIntegers)
        return memory.copy(ByteView(words.span).part(at: 0, size: size), to: address)
    }

    /// A function of a field's name, its offset and size in bytes, and its value.
    public typealias FieldBody = (_ name: StaticString, _ offset: UInt64, _ size: UInt64, _ value: UInt64) -> Void

    /// Calls `body` with each field of `generation`'s layout, in ascending order: the kernel's structure, written down once.
    public func forEachField(_ generation: Generation, alignsWideIntegers: Bool = false, _ body: FieldBody) {
        switch generation {
        case .zero, .one: forEachField(ofFirstLayout: body)
        case .two, .three, .fourRecursive, .fourIdentity:
            // With aligned integers, both the tag and the union after it are aligned to 16 bytes.
            forEachField(
                hasDeviceTree: generation.hasDeviceTree,
                isAligned: alignsWideIntegers && !generation.hasDeviceTreePlatform, body)
        }
    }

    /// The fields of generations 0 and 1.
    private func forEachField(ofFirstLayout body: FieldBody) {
        body("magic_number", 0x00, 4, 0xc0de_cafe)
        body("version", 0x04, 4, 1)
        body("base", 0x08, 8, imageStart)
        body("limit", 0x10, 8, 0)
        body("image_size", 0x18, 8, imageEnd &- imageStart)
        body("tls_start", 0x20, 8, tls?.start ?? 0)
        body("tls_filesz", 0x28, 8, tls?.filesz ?? 0)
        body("tls_memsz", 0x30, 8, tls?.memsz ?? 0)
        body("current_stack_address", 0x38, 8, stack)
        body("current_percore_address", 0x40, 8, 0)
        body("host_logical_addr", 0x48, 8, 0)
        body("boot_gtod", 0x50, 8, 0)
        body("mb_info", 0x58, 8, multibootInformation)
        body("cmdline", 0x60, 8, commandLine)
        body("cmdsize", 0x68, 8, commandLineSize)
        body("cpu_freq", 0x70, 4, 0)
        body("boot_processor", 0x74, 4, 0xffff_ffff)
        body("cpu_online", 0x78, 4, 0)
        body("possible_cpus", 0x7c, 4, 0)
        body("current_boot_id", 0x80, 4, 0)
        body("uartport", 0x84, 2, UInt64(serialPort))
        body("single_kernel", 0x86, 1, 1)
        body("uhyve", 0x87, 1, 0)
        // No address, no gateway, a class C mask.
        body("hcip", 0x88, 4, 0xffff_ffff)
        body("hcgateway", 0x8c, 4, 0xffff_ffff)
        body("hcmask", 0x90, 4, 0x00ff_ffff)
        body("tls_align", 0x98, 8, tls?.align ?? 0)
    }

    /// The fields of generations 2 to 4.
    private func forEachField(hasDeviceTree: Bool, isAligned: Bool, _ body: FieldBody) {
        body("hardware_info.phys_addr_start", 0, 8, 0)
        body("hardware_info.phys_addr_end", 8, 8, 0)
        body("hardware_info.serial_port_base", 16, 2, UInt64(serialPort))
        if hasDeviceTree { body("hardware_info.device_tree", 24, 8, deviceTree) }
        let load: UInt64 = hasDeviceTree ? 32 : 24
        body("load_info.kernel_image_addr_start", load, 8, imageStart)
        body("load_info.kernel_image_addr_end", load &+ 8, 8, imageEnd)
        body("load_info.tls_info.start", load &+ 16, 8, tls?.start ?? 0)
        body("load_info.tls_info.filesz", load &+ 24, 8, tls?.filesz ?? 0)
        body("load_info.tls_info.memsz", load &+ 32, 8, tls?.memsz ?? 0)
        body("load_info.tls_info.align", load &+ 40, 8, tls?.align ?? 0)
        // The Multiboot information's address is a NonZero in the kernel; a device tree alone has no fields.
        let isMultiboot = multibootInformation != 0
        let tag = isAligned ? 80 : load &+ 48
        let payload = isAligned ? 96 : tag &+ 8
        body("platform_info (0 Multiboot, 3 Fdt)", tag, 4, isMultiboot ? 0 : 3)
        body("platform_info.command_line address", payload, 8, isMultiboot ? commandLine : 0)
        body("platform_info.command_line length", payload &+ 8, 8, isMultiboot ? commandLineSize : 0)
        body("platform_info.multiboot_info_ptr", payload &+ 16, 8, multibootInformation)
    }
}
