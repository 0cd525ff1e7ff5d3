// The facts about the machine that a boot depends on, whatever the protocol.

import Architecture
public import Diagnostics
public import Memory

/// A file that the firmware loaded for the loader.
public struct Module: Equatable, Sendable {
    /// The range of its bytes.
    public var range: AddressRange
    /// The range of its command line, without a NUL; at address 0 if it has none, as in all protocols.
    public var commandLine: AddressRange

    /// Whether it has a command line.
    var hasString: Bool { commandLine.start != 0 }

    /// A module.
    public init(range: AddressRange, commandLine: AddressRange) {
        self.range = range
        self.commandLine = commandLine
    }
}

/// The facts about the machine that a boot depends on, while they are collected. `facts` is the view for reading them.
public struct Platform: ~Copyable {
    /// The largest number of modules; more is an error.
    public static var moduleCapacity: Int { 16 }

    /// How the loader was started.
    public var bootProtocol: BootProtocol
    /// The address of the protocol's information structure.
    public var information: UInt64
    /// The machine's memory.
    public var memoryMap = MemoryMap()
    /// The memory that the firmware's structures, including modules, occupy.
    public var reservations = Reservations()
    /// The command line, without a NUL; empty if there is none.
    public var commandLine = AddressRange(0, 0)
    /// The address of ACPI's root pointer; 0 if the protocol does not give it.
    public var rsdp: UInt64 = 0
    /// The address of AMD SEV-SNP's confidential computing blob (AMD 56421, GHCB Standardization); 0 if unknown.
    public var confidentialBlob: UInt64 = 0
    /// Whether Linux's setup_data continues above 4 GiB, where it is not read: further memory may be missing.
    public var hasUnreadSetupData = false
    private var modules = InlineArray<16, Module>(
        repeating: Module(range: AddressRange(0, 0), commandLine: AddressRange(0, 0)))
    /// The number of modules.
    public private(set) var moduleCount = 0

    /// Where the application's file lies, if the first module is an archive that holds it; otherwise empty.
    public private(set) var packedApplication = AddressRange(0, 0)

    /// A machine whose firmware has not been read yet.
    public init(_ bootProtocol: BootProtocol, information: UInt64) {
        self.bootProtocol = bootProtocol
        self.information = information
    }

    /// The facts, for reading: to read an element of a list in this structure would copy the whole list.
    public var facts: PlatformFacts {
        @_lifetime(borrow self)
        get { PlatformFacts(self, memoryMap.regions, reservations.all, modules.span.extracting(first: moduleCount)) }
    }

    /// The module at `index`, below `moduleCount`.
    public func module(_ index: Int) -> Module { modules.span[index] }

    /// Adds a module and reserves its bytes and its command line. Throws `tooManyModules` or `tooManyReservations`.
    public mutating func add(_ module: Module) throws(Fault) {
        guard moduleCount < Platform.moduleCapacity else {
            throw Fault(.tooManyModules, value: UInt64(moduleCount) + 1, limit: UInt64(Platform.moduleCapacity))
        }
        modules[moduleCount] = module
        moduleCount &+= 1
        try reservations.add(module.range, .module)
        if !module.hasString { return }
        try reserveString(module.commandLine)
    }

    /// Replaces the first module, an image, by its unpacked `archive`, in which the application's file lies at `application`. If the
    /// module was packed, its own memory becomes transient. `commandLine` is the kernel's command line, in memory of its own. Throws
    /// `tooManyReservations`.
    public mutating func open(
        _ archive: AddressRange, application: AddressRange, commandLine: AddressRange
    ) throws(Fault) {
        if archive != modules.span[0].range {
            reservations.change(modules.span[0].range, to: .transient)
            modules[0].range = archive
            try reservations.add(archive.roundedOutward(to: Page.size), .module)
        }
        packedApplication = application
        self.commandLine = commandLine
        try reservations.add(commandLine, .transient)
    }

    /// Reserves `size` bytes at `address` that the firmware handed over. The Multiboot information is handed on to the kernel.
    mutating func reserve(_ address: UInt64, size: UInt64) throws(Fault) {
        try reservations.add(
            AddressRange(at: address, size: size), bootProtocol.isForKernels ? .firmware : .transient)
    }

    /// Adds `size` bytes from `start` on to the memory map. Throws `memoryBeyondAddresses` if RAM would end past 2^64 - 1, and
    /// `tooManyRegions`.
    mutating func addMemory(_ start: UInt64, size: UInt64, _ kind: MemoryKind) throws(Fault) {
        // There is no RAM up to there: the map is wrong, and the sum would wrap in a kernel that adds the two numbers. Other memory may
        // well reach to the end of all addresses, or even past it; such a range is cut off there.
        guard kind != .available || !start.addingReportingOverflow(size).overflow else {
            throw Fault(.memoryBeyondAddresses, value: start, limit: size)
        }
        try memoryMap.add(AddressRange(at: start, size: size), kind)
    }

    /// Adds RAM as Multiboot describes it without a map: `low` KiB from address 0 on, and `high` KiB from 1 MiB on.
    mutating func addBasicMemory(low: UInt32, high: UInt32) throws(Fault) {
        try addMemory(0, size: UInt64(low) &* 1024, .available)
        try addMemory(LowMemory.end, size: UInt64(high) &* 1024, .available)
    }

    /// Adds the module of `size` bytes at `start`, whose string is at `string`; 0 for none. Throws `moduleOutsideMemory`,
    /// `commandLineTooLong`, `platformStructureOutsideMemory`, `tooManyModules` or `tooManyReservations`.
    @inline(never)  // Two callers: 300 bytes less.
    mutating func addModule(
        _ start: UInt64, size: UInt64, string: UInt64, _ memory: PhysicalMemory
    ) throws(Fault) {
        _ = try memory.view(start, size: size, else: .moduleOutsideMemory)
        let commandLine = string == 0 ? AddressRange(0, 0) : try memory.string(string)
        try add(Module(range: AddressRange(at: start, size: size), commandLine: commandLine))
    }

    /// Reserves the list of `count` modules at `address`, with entries of `entrySize` bytes. Throws `tooManyModules` or
    /// `tooManyReservations`.
    mutating func reserveModuleList(_ address: UInt64, count: UInt64, entrySize: UInt64) throws(Fault) {
        guard count <= UInt64(Platform.moduleCapacity) else {
            throw Fault(.tooManyModules, value: count, limit: UInt64(Platform.moduleCapacity))
        }
        try reserve(address, size: count &* entrySize)
    }

    /// Reads the command line at `address`.
    mutating func readCommandLine(_ memory: PhysicalMemory, _ address: UInt64) throws(Fault) {
        commandLine = try memory.string(address)
        try reserveString(commandLine)
    }

    /// Reserves a string and its NUL.
    private mutating func reserveString(_ string: AddressRange) throws(Fault) {
        try reserve(string.start, size: string.size &+ 1)
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
    /// The memory that the firmware's structures, including modules, occupy.
    public let reservations: ReservationList
    /// The command line, without a NUL; empty if there is none.
    public let commandLine: AddressRange
    /// The address of ACPI's root pointer; 0 if the protocol does not give it.
    public let rsdp: UInt64
    /// The address of AMD SEV-SNP's confidential computing blob; 0 if unknown.
    public let confidentialBlob: UInt64
    /// Whether Linux's setup_data continues above 4 GiB, where it is not read.
    public let hasUnreadSetupData: Bool
    /// Where the application's file lies, if the first module is an archive that holds it; otherwise empty.
    public let packedApplication: AddressRange
    private let modules: Span<Module>

    @_lifetime(copy memoryMap, copy reservations, copy modules)
    fileprivate init(
        _ platform: borrowing Platform, _ memoryMap: MemoryRegions, _ reservations: ReservationList,
        _ modules: Span<Module>
    ) {
        bootProtocol = platform.bootProtocol
        information = platform.information
        self.memoryMap = memoryMap
        self.reservations = reservations
        commandLine = platform.commandLine
        rsdp = platform.rsdp
        confidentialBlob = platform.confidentialBlob
        hasUnreadSetupData = platform.hasUnreadSetupData
        packedApplication = platform.packedApplication
        self.modules = modules
    }

    /// The number of modules.
    public var moduleCount: Int { modules.count }
    /// Whether the first module is an archive that holds the application's file.
    public var isImage: Bool { !packedApplication.isEmpty }
    /// The module at `index`, below `moduleCount`.
    public func module(_ index: Int) -> Module { modules[index] }
}
