// The first MiB of a PC: the places that its BIOS and its processors fix (IBM PC AT; ACPI 6.5, 5.2.5.1; Intel SDM volume 3, 20.1).

/// The first MiB of a PC.
public enum LowMemory {
    /// The address after it: where the addresses of real mode end, and RAM continues.
    public static var end: UInt64 { 0x10_0000 }
    /// The address after the memory that BIOS and real mode use for themselves: 64 KiB.
    public static var realModeEnd: UInt64 { 0x1_0000 }
    /// The address after the RAM in it, 640 KiB: devices and the BIOS follow.
    public static var conventionalEnd: UInt64 { 0xa_0000 }
    /// The first address of the BIOS's own memory, which reaches to the end.
    public static var biosStart: UInt64 { 0xe_0000 }
    /// The address of the segment of the extended BIOS data area, EBDA: 16 bits, 0 if there is none.
    public static var extendedDataSegment: UInt64 { 0x40e }
    /// The first address of a `segment` of real mode.
    public static func address(ofSegment segment: UInt16) -> UInt64 { UInt64(segment) << 4 }
}
