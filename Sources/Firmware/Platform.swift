// What the firmware or the virtual machine monitor tells about the machine, whichever protocol it speaks.

public import Memory
public import Bytes
public import Diagnostics

/// The protocols the loader can be started with.
public enum BootProtocol: UInt8, Sendable {
    /// Multiboot 1: eax holds 0x2badb002, ebx the address of the information.
    case multiboot
    /// PVH, Xen's direct boot: ebx holds the address of the start info.
    case pvh

    /// The protocol whose starters leave `magic` in a register; throws `unknownBootProtocol`.
    public init(magic: UInt32) throws(Fault) {
        switch magic {
        case Multiboot.magic: self = .multiboot
        case PVH.magic: self = .pvh
        default: throw Fault(.unknownBootProtocol, value: UInt64(magic))
        }
    }

    /// The protocol's name.
    public var name: Text { self == .multiboot ? "Multiboot" : "PVH" }
}

/// Physical memory as far as the loader can read it, from address `origin` on.
public struct PhysicalMemory: ~Escapable {
    /// The bytes.
    public let bytes: ByteView
    /// The address of the first byte.
    public let origin: UInt64

    /// Memory whose first byte lies at `origin`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView, origin: UInt64) {
        self.bytes = bytes
        self.origin = origin
    }

    /// The addresses that can be read.
    public var range: AddressRange { AddressRange(at: origin, size: bytes.count) }

    /// `size` bytes at `address`; throws `rule`.
    @_lifetime(copy self)
    public func view(
        _ address: UInt64, size: UInt64, else rule: Rule = .platformStructureOutsideMemory
    ) throws(Fault) -> ByteView {
        guard address >= origin, bytes.contains(address &- origin, size) else {
            throw Fault(rule, value: address, limit: rule == .moduleOutsideMemory ? address &+ size : size)
        }
        return try bytes.slice(at: address &- origin, size: size, else: rule, .none)
    }

    /// The structure of `size` bytes at `address`; throws `platformStructureOutsideMemory`.
    @_lifetime(copy self)
    public func record(_ address: UInt64, size: UInt64) throws(Fault) -> Record {
        try view(address, size: size).entry(0, size: Int(truncatingIfNeeded: size))
    }

    /// The range of the NUL-terminated string at `address`, without its NUL. Throws `commandLineTooLong` or
    /// `platformStructureOutsideMemory`.
    public func string(_ address: UInt64) throws(Fault) -> AddressRange {
        guard let length = bytes.stringLength(at: address &- origin, limit: Platform.commandLineCapacity) else {
            // Either all bytes that count are there and none is NUL, or it leaves memory before.
            _ = try view(address, size: Platform.commandLineCapacity &+ 1)
            throw Fault(.commandLineTooLong, limit: Platform.commandLineCapacity)
        }
        return AddressRange(at: address, size: length)
    }
}

/// A file that the firmware loaded for us.
public struct Module: Equatable, Sendable {
    /// Where its bytes lie.
    public var range: AddressRange
    /// Where its command line lies, without a NUL.
    public var commandLine: AddressRange

    /// A module.
    public init(range: AddressRange, commandLine: AddressRange) {
        self.range = range
        self.commandLine = commandLine
    }
}

/// The facts about the machine that a boot depends on, as they are found. `facts` is for whoever reads them.
public struct Platform: ~Copyable {
    /// The longest command line, in bytes; a longer one is an error.
    public static var commandLineCapacity: UInt64 { 0xffff }
    /// The largest number of modules; more is an error.
    public static var moduleCapacity: Int { 16 }

    /// How the loader was started.
    public var bootProtocol: BootProtocol
    /// The address of the protocol's information structure.
    public var information: UInt64
    /// The machine's memory.
    public var memoryMap = MemoryMap()
    /// What the firmware's structures, modules included, occupy.
    public var reservations = Reservations()
    /// The command line, without a NUL; empty if there is none.
    public var commandLine = AddressRange(0, 0)
    /// The address of ACPI's root pointer, 0 if the protocol does not tell.
    public var rsdp: UInt64 = 0
    private var modules = InlineArray<16, Module>(
        repeating: Module(range: AddressRange(0, 0), commandLine: AddressRange(0, 0)))
    /// The number of modules.
    public private(set) var moduleCount = 0

    /// A machine of which nothing is known yet.
    public init(_ bootProtocol: BootProtocol, information: UInt64) {
        self.bootProtocol = bootProtocol
        self.information = information
    }

    /// Reads what the protocol's information in `memory` tells. Throws the faults of `Multiboot` and `PVH`, and
    /// `moduleOutsideMemory` also for a module that is not all in available RAM: QEMU loads more than the machine can hold.
    public mutating func read(_ memory: PhysicalMemory) throws(Fault) {
        switch bootProtocol {
        case .multiboot: try Multiboot.read(memory, into: &self)
        case .pvh: try PVH.read(memory, into: &self)
        }
        let facts = facts
        var index = 0
        while index < facts.moduleCount {
            let module = facts.module(index).range
            guard facts.memoryMap.isAvailable(module) else {
                throw Fault(.moduleOutsideMemory, value: module.start, limit: module.end)
            }
            index &+= 1
        }
    }

    /// The facts, to be read: reading an element of the lists here copies all of them.
    public var facts: PlatformFacts {
        @_lifetime(borrow self) @inline(__always)
        get { PlatformFacts(self, memoryMap.regions, reservations.all, modules.span.extracting(first: moduleCount)) }
    }

    /// Adds a module and reserves its bytes and its command line. Throws `tooManyModules` or `tooManyReservations`.
    public mutating func add(_ module: Module) throws(Fault) {
        guard moduleCount < Platform.moduleCapacity else {
            throw Fault(.tooManyModules, value: UInt64(moduleCount) + 1, limit: UInt64(Platform.moduleCapacity))
        }
        modules[moduleCount] = module
        moduleCount &+= 1
        try reservations.add(module.range, .module)
        // Both protocols have 0 for no string.
        if module.commandLine.start != 0 { try reserveString(module.commandLine) }
    }

    /// Reserves `size` bytes at `address` that the firmware handed over. What belongs to the Multiboot information is handed on
    /// to the kernel.
    @inline(never)
    mutating func reserve(_ address: UInt64, size: UInt64) throws(Fault) {
        try reservations.add(
            AddressRange(at: address, size: size), bootProtocol == .multiboot ? .firmware : .transient)
    }

    /// Reserves a string and its NUL.
    private mutating func reserveString(_ string: AddressRange) throws(Fault) {
        try reserve(string.start, size: string.size &+ 1)
    }
}

/// What both protocols tell, in much the same way.
extension Platform {
    /// Reads the command line at `address`.
    mutating func readCommandLine(_ memory: PhysicalMemory, _ address: UInt64) throws(Fault) {
        commandLine = try memory.string(address)
        try reserveString(commandLine)
    }

    /// Reads the list of `count` modules at `address`: with Multiboot entries of 16 bytes that tell start, end and string, with
    /// PVH such of 32 bytes that tell start, size and string.
    @inline(never)
    mutating func readModules(_ memory: PhysicalMemory, _ address: UInt64, count: UInt64) throws(Fault) {
        guard count <= UInt64(Platform.moduleCapacity) else {
            throw Fault(.tooManyModules, value: count, limit: UInt64(Platform.moduleCapacity))
        }
        let isMultiboot = bootProtocol == .multiboot
        let entrySize: UInt64 = isMultiboot ? 16 : 32
        try reserve(address, size: count &* entrySize)
        var index: UInt64 = 0
        while index < count {
            let entry = try memory.record(address &+ index &* entrySize, size: entrySize)
            var (start, size, string) = (entry.u64(0), entry.u64(8), UInt64(0))
            if isMultiboot {
                string = size & 0xffff_ffff
                let end = start >> 32
                start &= 0xffff_ffff
                // Where the end comes before the start, it is more than there is.
                size = end &- start
            } else {
                string = entry.u64(16)
            }
            _ = try memory.view(start, size: size, else: .moduleOutsideMemory)
            // Both protocols have 0 for no string.
            let commandLine = string == 0 ? AddressRange(0, 0) : try memory.string(string)
            try add(Module(range: AddressRange(at: start, size: size), commandLine: commandLine))
            index &+= 1
        }
    }

    /// Reads the memory map at `address`, of `size` bytes: start, size and kind of each region; with Multiboot the size of the
    /// entry comes before these, and does not count itself. Throws `memoryBeyondAddresses` where RAM would end past 2^64 - 1.
    @inline(never)
    mutating func readMemoryMap(_ memory: PhysicalMemory, _ address: UInt64, size: UInt64) throws(Fault) {
        try reserve(address, size: size)
        let map = try memory.view(address, size: size)
        let prefix: UInt64 = bootProtocol == .multiboot ? 4 : 0
        var offset: UInt64 = 0
        while offset < size {
            var entrySize: UInt64 = 24
            if prefix > 0 {
                entrySize = UInt64(map.word32(at: offset) ?? 0)
                guard entrySize >= 20 else { throw Fault(.memoryMapMalformed, value: entrySize, limit: 20) }
            }
            let entry = try map.record(
                at: offset &+ prefix, size: 20, else: .platformStructureOutsideMemory, .none)
            let (start, size, kind) = (entry.u64(0), entry.u64(8), MemoryKind(firmware: entry.u32(16)))
            // RAM up to there is none: the map is wrong, and a kernel that adds the two numbers wraps around. What must not be
            // used may well reach to the end of all addresses, or be said to lie past it; the range ends there.
            guard kind != .available || !start.addingReportingOverflow(size).overflow else {
                throw Fault(.memoryBeyondAddresses, value: start, limit: size)
            }
            try memoryMap.add(AddressRange(at: start, size: size), kind)
            // Numbers of 32 bits, and an offset in memory.
            offset &+= prefix &+ entrySize
        }
    }
}

/// The facts about the machine that a boot depends on.
public struct PlatformFacts: ~Escapable {
    /// How the loader was started.
    public let bootProtocol: BootProtocol
    /// The address of the protocol's information structure.
    public let information: UInt64
    /// The machine's memory.
    public let memoryMap: MemoryRegions
    /// What the firmware's structures, modules included, occupy.
    public let reservations: Span<Reservation>
    /// The command line, without a NUL; empty if there is none.
    public let commandLine: AddressRange
    /// The address of ACPI's root pointer, 0 if the protocol does not tell.
    public let rsdp: UInt64
    private let modules: Span<Module>

    @_lifetime(copy memoryMap, copy reservations, copy modules)
    fileprivate init(
        _ platform: borrowing Platform, _ memoryMap: MemoryRegions, _ reservations: Span<Reservation>,
        _ modules: Span<Module>
    ) {
        bootProtocol = platform.bootProtocol
        information = platform.information
        self.memoryMap = memoryMap
        self.reservations = reservations
        commandLine = platform.commandLine
        rsdp = platform.rsdp
        self.modules = modules
    }

    /// The number of modules.
    public var moduleCount: Int { modules.count }
    /// The module at `index`, below `moduleCount`.
    public func module(_ index: Int) -> Module { modules[index] }
}
