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
        switch generation {
        case .zero, .one: fillFirstLayout(&words)
        case .two, .three, .fourRecursive, .fourIdentity:
            if generation.hasDeviceTree { words[3] = deviceTree }
            let load = generation.hasDeviceTree ? 4 : 3
            let end = load &+ 6
            // With aligned integers, both the tag and the union after it are aligned to 16 bytes.
            let isAligned = alignsWideIntegers && !generation.hasDeviceTreePlatform
            fill(&words, load: load, tag: isAligned ? 10 : end, payload: isAligned ? 12 : end &+ 1)
        }
        let size = BootInfo.size(generation, alignsWideIntegers: alignsWideIntegers)
        return memory.copy(ByteView(words.span).part(at: 0, size: size), to: address)
    }

    /// Fills in the layout of generations 0 and 1, as 64-bit words; offsets in the comments are in bytes.
    private func fillFirstLayout(_ words: inout InlineArray<20, UInt64>) {
        words[0] = 0x1_c0de_cafe  // The magic number; version 1 at 0x04.
        words[1] = imageStart
        words[3] = imageEnd &- imageStart
        if let tls {
            words[4] = tls.start
            words[5] = tls.filesz
            words[6] = tls.memsz
            words[19] = tls.align
        }
        words[7] = stack
        words[11] = multibootInformation
        words[12] = commandLine
        words[13] = commandLineSize
        words[14] = 0xffff_ffff << 32  // 0x74.
        words[16] = (1 << 16 | UInt64(serialPort)) << 32  // 0x84, and 1 at 0x86.
        // hcip, hcgateway, hcmask: no address, no gateway, a class C mask.
        words[17] = .max
        words[18] = 0x00ff_ffff
    }

    /// Fills in the layouts from generation 2 on. `load`, `tag` and `payload` are the words at which the image, the platform's tag and
    /// the platform's fields begin.
    private func fill(_ words: inout InlineArray<20, UInt64>, load: Int, tag: Int, payload: Int) {
        words[2] = UInt64(serialPort)
        words[load] = imageStart
        words[load &+ 1] = imageEnd
        if let tls {
            words[load &+ 2] = tls.start
            words[load &+ 3] = tls.filesz
            words[load &+ 4] = tls.memsz
            words[load &+ 5] = tls.align
        }
        // Tag 0 is Multiboot, tag 3 a device tree alone; the Multiboot information's address is a NonZero in the kernel.
        if multibootInformation == 0 {
            words[tag] = 3
        } else {
            words[payload] = commandLine
            words[payload &+ 1] = commandLineSize
            words[payload &+ 2] = multibootInformation
        }
    }
}
