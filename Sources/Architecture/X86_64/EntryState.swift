// The state of the CPU at the kernel's first instruction, and the descriptors it is entered with (Intel SDM volume 3, 3.4.5).

public import Memory

/// The state of the CPU at the kernel's entry, and the last move of memory before that. entry.S reads it by offset, so the words
/// keep this order.
public struct EntryState: BitwiseCopyable, Equatable, Sendable {
    /// rip: the kernel's entry point.
    public var instructionPointer: UInt64
    /// rsp.
    public var stackPointer: UInt64
    /// rdi: the address of BootInfo.
    public var bootInfo: UInt64
    /// cr3: the address of the PML4.
    public var pageTable: UInt64
    /// The address of the GDT: null, 64-bit code at 8, data at 0x10.
    public var descriptorTable: UInt64
    /// The address to which the code that moves a staged image is copied.
    public var trampoline: UInt64
    /// The staged image, to be moved to `imageStart` by the last step; empty if the image lies in place.
    public var staged: AddressRange
    /// The value of cr3 during the last step if that runs from `trampoline`, because the loader and its page tables are overwritten, or are
    /// not mapped for the kernel; 0 if it runs in the loader.
    public var movingPageTable: UInt64
    /// The address of the image's first byte.
    public var imageStart: UInt64
    /// Whether read-only pages are enforced for the kernel, too (CR0.WP), and pages that are not executable are marked (EFER.NXE).
    public var protectsWriting: Bool, protectsExecution: Bool

    /// A state.
    public init(
        instructionPointer: UInt64, stackPointer: UInt64, bootInfo: UInt64, pageTable: UInt64, descriptorTable: UInt64,
        trampoline: UInt64, staged: AddressRange, movingPageTable: UInt64, imageStart: UInt64, protectsWriting: Bool,
        protectsExecution: Bool
    ) {
        self.instructionPointer = instructionPointer
        self.stackPointer = stackPointer
        self.bootInfo = bootInfo
        self.pageTable = pageTable
        self.descriptorTable = descriptorTable
        self.trampoline = trampoline
        self.staged = staged
        self.movingPageTable = movingPageTable
        self.imageStart = imageStart
        self.protectsWriting = protectsWriting
        self.protectsExecution = protectsExecution
    }
}

/// Entries of the global descriptor table that the kernel is entered with, at their offsets in it; the first is null.
public enum SegmentDescriptor {
    /// Flat 64-bit code: present, accessed, ring 0.
    public static var code: (offset: UInt64, value: UInt64) { (0x08, 0x00af_9b00_0000_ffff) }
    /// Flat data: present, accessed, ring 0.
    public static var data: (offset: UInt64, value: UInt64) { (0x10, 0x00cf_9300_0000_ffff) }
}

/// Ports of a PC's devices.
public enum IOPort {
    /// The base of COM1, a 16550A.
    public static var serial: UInt16 { 0x3f8 }
    /// QEMU's isa-debug-exit, at the port in its documentation.
    public static var debugExit: UInt16 { 0xf4 }
}
