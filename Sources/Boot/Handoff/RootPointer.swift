// ACPI's root pointer (RSDP; ACPI 6.5, 5.2.5), in a place where kernels find it.
//
// Kernels with an identity mapping get it from the device tree. Those with a recursive page table look for it where a BIOS leaves it:
// in the first KiB of the EBDA, whose segment is at 0x40e, and at 0xe0000 to 0xfffff. UEFI leaves it in neither, and Multiboot 2 hands
// over a copy in memory that is the kernel's.

import Architecture
import Bytes
import Firmware
import HermitEntry
import Memory

/// ACPI's root pointer.
enum RootPointer {
    /// The place of the EBDA's segment.
    static var segment: AddressRange { AddressRange(at: LowMemory.extendedDataSegment, size: 2) }
    /// The other place where kernels look for it.
    static var firmwareMemory: AddressRange { AddressRange(LowMemory.biosStart, LowMemory.end) }

    /// The range in which an EBDA may begin: below 640 KiB, clear of the memory that real mode uses.
    static var lowMemory: AddressRange { AddressRange(LowMemory.realModeEnd, LowMemory.conventionalEnd) }

    /// The root pointer at `address`, as long as its version says. Nil if there is none that can be read.
    @_lifetime(copy memory)
    static func bytes(at address: UInt64, _ memory: PhysicalMemory) -> ByteView? {
        typealias Pointer = ACPI.RootPointer
        guard let bytes = try? memory.view(address, size: Pointer.size) else { return nil }
        let pointer = bytes.entry(0, size: Int(Pointer.size))
        guard pointer[Pointer.signature] == Pointer.signatureValue else { return nil }
        let isLong = pointer[Pointer.revision] >= Pointer.revisionWithXSDT
        return bytes.part(at: 0, size: isLong ? Pointer.size : Pointer.sizeOfVersion1)
    }

    /// Whether `application`'s kernel looks for it, and does not find the one that the starter reported.
    static func isToBeCopied(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ memory: PhysicalMemory
    ) -> Bool {
        guard platform.rsdp != 0, application.generation.usesRecursivePageTable else { return false }
        let pointer = AddressRange(at: platform.rsdp, size: 1)
        if firmwareMemory.contains(pointer) { return false }
        guard let word = try? memory.record(segment.start, size: segment.size) else { return true }
        let extendedData = AddressRange(
            at: LowMemory.address(ofSegment: word.u16(0)), size: ACPI.RootPointer.extendedDataSearched)
        return !extendedData.contains(pointer)
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
        guard platform.memoryMap.isAvailable(AddressRange(at: platform.rsdp, size: ACPI.RootPointer.sizeOfVersion1)),
            let bytes = bytes(at: platform.rsdp, memory)
        else { return platform.rsdp }
        block.copy(bytes, to: layout.rootPointer)
        return layout.rootPointer
    }
}
