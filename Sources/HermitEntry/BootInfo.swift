// BootInfo: what the loader tells the kernel, in the layout of each generation (hermit-entry, RawBootInfo).

public import Bytes

/// The template of thread-local storage, at the address where it was loaded. All zero means that there is none.
public struct TLSInfo: Equatable, Sendable {
    /// The template's address.
    public var start: UInt64
    /// Bytes that are initialised, bytes in all, alignment.
    public var filesz: UInt64, memsz: UInt64, align: UInt64

    /// A template.
    public init(start: UInt64, filesz: UInt64, memsz: UInt64, align: UInt64) {
        self.start = start
        self.filesz = filesz
        self.memsz = memsz
        self.align = align
    }
}

/// What a kernel is told, whatever the layout it wants it in. Addresses are physical, which is to say identity-mapped.
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
    /// The Multiboot information's address; 0 makes the platform the device tree's.
    public var multibootInformation: UInt64
    /// The low end of the boot stack.
    public var stack: UInt64

    /// Nothing but the image and the stack.
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

    /// The bytes to set aside for BootInfo in any layout.
    public static var largestSize: UInt64 { 160 }

    /// The size of BootInfo in `generation`'s layout. `alignsWideIntegers` is for compilers that align 128-bit integers
    /// to 16 bytes, which moves the platform of generations 2 and 3.
    public static func size(_ generation: Generation, alignsWideIntegers: Bool = false) -> UInt64 {
        switch generation {
        case .zero, .one: 160
        case .two: alignsWideIntegers ? 144 : 120
        case .three: alignsWideIntegers ? 144 : 128
        case .fourRecursive, .fourIdentity: 128
        }
    }

    /// Writes BootInfo in `generation`'s layout at `address` of `memory`; false where it does not fit.
    public func write(
        _ generation: Generation, alignsWideIntegers: Bool = false, to memory: inout ByteRegion, at address: UInt64
    ) -> Bool {
        guard memory.clear(address, size: BootInfo.size(generation, alignsWideIntegers: alignsWideIntegers)) else {
            return false
        }
        switch generation {
        case .zero, .one: writeFirstLayout(to: &memory, at: address)
        case .two:
            // Both the tag and the union behind it are then aligned to 16.
            let (tag, payload): (UInt64, UInt64) = alignsWideIntegers ? (80, 96) : (72, 80)
            writeRaw(to: &memory, at: address, load: 24, tag: tag, payload: payload)
        case .three, .fourRecursive, .fourIdentity:
            memory.store(deviceTree, at: address &+ 24)
            let payload: UInt64 = alignsWideIntegers && generation == .three ? 96 : 88
            writeRaw(to: &memory, at: address, load: 32, tag: 80, payload: payload)
        }
        return true
    }

    private func writeFirstLayout(to memory: inout ByteRegion, at address: UInt64) {
        memory.store(0xc0de_cafe as UInt32, at: address)
        memory.store(1 as UInt32, at: address &+ 0x04)
        memory.store(imageStart, at: address &+ 0x08)
        memory.store(imageEnd &- imageStart, at: address &+ 0x18)
        if let tls {
            memory.store(tls.start, at: address &+ 0x20)
            memory.store(tls.filesz, at: address &+ 0x28)
            memory.store(tls.memsz, at: address &+ 0x30)
            memory.store(tls.align, at: address &+ 0x98)
        }
        memory.store(stack, at: address &+ 0x38)
        memory.store(multibootInformation, at: address &+ 0x58)
        memory.store(commandLine, at: address &+ 0x60)
        memory.store(commandLineSize, at: address &+ 0x68)
        memory.store(0xffff_ffff as UInt32, at: address &+ 0x74)
        memory.store(serialPort, at: address &+ 0x84)
        memory.store(1 as UInt8, at: address &+ 0x86)
        // hcip, hcgateway, hcmask: no address, no gateway, a class C mask.
        memory.store(0xffff_ffff as UInt32, at: address &+ 0x88)
        memory.store(0xffff_ffff as UInt32, at: address &+ 0x8c)
        memory.store(0x00ff_ffff as UInt32, at: address &+ 0x90)
    }

    private func writeRaw(
        to memory: inout ByteRegion, at address: UInt64, load: UInt64, tag: UInt64, payload: UInt64
    ) {
        memory.store(serialPort, at: address &+ 16)
        memory.store(imageStart, at: address &+ load)
        memory.store(imageEnd, at: address &+ load &+ 8)
        if let tls {
            memory.store(tls.start, at: address &+ load &+ 16)
            memory.store(tls.filesz, at: address &+ load &+ 24)
            memory.store(tls.memsz, at: address &+ load &+ 32)
            memory.store(tls.align, at: address &+ load &+ 40)
        }
        // Tag 0 is Multiboot, tag 3 a device tree alone; the Multiboot information's address is a NonZero in the kernel.
        if multibootInformation == 0 {
            memory.store(3 as UInt32, at: address &+ tag)
        } else {
            memory.store(commandLine, at: address &+ payload)
            memory.store(commandLineSize, at: address &+ payload &+ 8)
            memory.store(multibootInformation, at: address &+ payload &+ 16)
        }
    }
}
