// ACPI's root pointer (RSDP; ACPI 6.5, 5.2.5), in a place where kernels find it.
//
// Kernels with an identity mapping get it from the device tree. Those with a recursive page table look for it where a BIOS leaves it:
// in the first KiB of the EBDA, whose segment is at 0x40e, and at 0xe0000 to 0xfffff. UEFI leaves it in neither, and Multiboot 2 hands
// over a copy in memory that is the kernel's.

import Bytes
import Firmware
import HermitEntry
import Memory

/// ACPI's root pointer.
enum RootPointer {
    /// The place of the EBDA's segment.
    static var segment: AddressRange { AddressRange(0x40e, 0x410) }
    /// The other place where kernels look for it.
    static var firmwareMemory: AddressRange { AddressRange(0xe_0000, 0x10_0000) }

    /// The range in which an EBDA may begin: below 640 KiB, clear of the memory that real mode uses.
    static var lowMemory: AddressRange { AddressRange(0x1_0000, 0xa_0000) }

    /// `RSD PTR `.
    private static var signature: UInt64 { 0x2052_5450_2044_5352 }

    /// The root pointer at `address`: 20 bytes, or 36 from version 2 of ACPI on. Nil if there is none that can be read.
    @_lifetime(copy memory)
    static func bytes(at address: UInt64, _ memory: PhysicalMemory) -> ByteView? {
        guard let bytes = try? memory.view(address, size: 36), bytes.word64(at: 0) == signature else { return nil }
        return bytes.part(at: 0, size: bytes.byte(at: 15) ?? 0 < 2 ? 20 : 36)
    }

    /// Whether `application`'s kernel looks for it, and does not find the one that the starter reported.
    static func isToBeCopied(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ memory: PhysicalMemory
    ) -> Bool {
        guard platform.rsdp != 0, application.generation.usesRecursivePageTable else { return false }
        let pointer = AddressRange(at: platform.rsdp, size: 1)
        if firmwareMemory.contains(pointer) { return false }
        guard let word = try? memory.record(segment.start, size: 2) else { return true }
        return !AddressRange(at: UInt64(word.u16(0)) << 4, size: 0x400).contains(pointer)
    }

    /// Puts a copy of the root pointer into the handoff block if the starter's lies in memory that the kernel may use; returns the address
    /// to report to the kernel, 0 for none.
    static func tell(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ layout: HandoffLayout,
        _ memory: PhysicalMemory, to block: inout ByteRegion
    ) -> UInt64 {
        // Kernels that get the address of ACPI's root pointer read it without mapping it, which needs an identity mapping; those with a
        // recursive page table look for it themselves, and panic (0.6.9) if a page that they map for that is mapped already.
        guard platform.rsdp != 0, !application.generation.usesRecursivePageTable else { return 0 }
        guard platform.memoryMap.isAvailable(AddressRange(at: platform.rsdp, size: 20)),
            let bytes = bytes(at: platform.rsdp, memory)
        else { return platform.rsdp }
        block.copy(bytes, to: layout.rootPointer)
        return layout.rootPointer
    }
}
