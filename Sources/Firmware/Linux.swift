// The Linux boot protocol (Linux, Documentation/arch/x86/boot.rst and zero-page.rst): boot_params, read and reserved.

import Bytes
import Diagnostics
import Memory

/// Linux's boot_params: a page of fields at fixed offsets, including the setup header of the kernel's file from 0x1f1 on. The header's
/// version cannot be relied on: virtual machine monitors that enter an ELF file leave it 0.
public enum Linux {
    /// `HdrS`, at 0x202.
    private static var signature: UInt32 { 0x5372_6448 }
    private static var size: UInt64 { 4096 }
    /// The offset of the memory map, the number of entries that it has room for, and the size of an entry.
    private static var memoryMap: UInt64 { 0x2d0 }
    private static var memoryMapCapacity: UInt64 { 128 }
    private static var memoryMapEntrySize: UInt64 { 20 }
    /// The largest number of elements of setup_data: some boot loaders chain half a dozen.
    private static var setupDataCapacity: UInt64 { 64 }
    /// SETUP_E820_EXT: the entries of the memory map that do not fit in boot_params.
    private static var setupDataMemoryMap: UInt32 { 1 }
    /// SETUP_CC_BLOB: the address of SEV-SNP's confidential computing blob, 32 bits (Linux, arch/x86/include/asm/sev.h).
    private static var setupDataConfidentialBlob: UInt32 { 7 }

    /// Whether boot_params lie at `address`, which may be any number: no register identifies Linux's protocol.
    static func isSigned(_ address: UInt64, _ memory: PhysicalMemory) -> Bool {
        (try? memory.record(address, size: size))?.u32(0x202) == signature
    }

    /// Reads the boot_params whose address `platform` holds from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `noMemoryMap`, `memoryBeyondAddresses`, `tooManyRegions`, `setupDataEndless`,
    /// `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let page = try memory.view(platform.information, size: size)
        let parameters = page.entry(0, size: 4096)
        try platform.reserve(platform.information, size: size)
        let count = UInt64(parameters.u8(0x1e8))
        guard count > 0 else { throw Fault(.noMemoryMap) }
        guard count <= memoryMapCapacity else { throw Fault(.tooManyRegions, limit: memoryMapCapacity) }
        try readMemoryMap(page.part(at: memoryMap, size: count &* memoryMapEntrySize), &platform)
        try readSetupData(memory, parameters.u64(0x250), &platform)

        // A starter that has not cleared the page leaves a byte of the file in `sentinel`: then the fields outside the header that it does
        // not know are undefined.
        let isCleared = parameters.u8(0x1ef) == 0
        func long(_ low: Int, _ high: Int) -> UInt64 {
            UInt64(parameters.u32(low)) | (isCleared ? UInt64(parameters.u32(high)) << 32 : 0)
        }
        // cmdline_size is the most that a kernel takes, not the line's length: the line ends with a NUL.
        let commandLine = long(0x228, 0xc8)
        if commandLine != 0 { try platform.readCommandLine(memory, commandLine) }
        if isCleared {
            platform.rsdp = parameters.u64(0x70)
            // A kernel that starts the loader by kexec passes its own blob on here, so this field wins over setup_data.
            let blob = UInt64(parameters.u32(0x13c))
            if blob != 0 { platform.confidentialBlob = blob }
        }
        // GRUB on UEFI passes only the system table: efi_info begins with `EL64`.
        if isCleared, parameters.u32(0x1c0) == 0x3436_4c45 {
            SystemTable.read(long(0x1c4, 0x1d8), memory, into: &platform)
        }
        let diskSize = long(0x21c, 0xc4)
        if diskSize != 0 { try platform.addModule(long(0x218, 0xc0), size: diskSize, string: 0, memory) }
    }

    /// Reads the list of setup_data that begins at `first`, 0 for none. An element is the address of the next, a type, and the size of the
    /// data after it. Hermit kernels use few types, and no random seeds for example, so an element out of reach ends the list.
    private static func readSetupData(
        _ memory: PhysicalMemory, _ first: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        var (address, index): (UInt64, UInt64) = (first, 0)
        while address != 0 {
            guard index < setupDataCapacity else { throw Fault(.setupDataEndless, limit: setupDataCapacity) }
            guard let header = try? memory.record(address, size: 16) else {
                platform.hasUnreadSetupData = true
                return
            }
            // The header is in memory, so its end does not wrap.
            let (data, size) = (address &+ 16, UInt64(header.u32(12)))
            switch header.u32(8) {
            case setupDataMemoryMap: try readMemoryMap(try memory.view(data, size: size), &platform)
            case setupDataConfidentialBlob where size >= 4:
                platform.confidentialBlob = UInt64(try memory.record(data, size: 4).u32(0))
            default: break
            }
            address = header.u64(0)
            index &+= 1
        }
    }

    /// Adds `entries` to the memory map: start and size, 64 bits each, and kind, 32 bits.
    private static func readMemoryMap(_ entries: ByteView, _ platform: inout Platform) throws(Fault) {
        var offset: UInt64 = 0
        while entries.contains(offset, memoryMapEntrySize) {
            let entry = try entries.record(
                at: offset, size: memoryMapEntrySize, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(entry.u64(0), size: entry.u64(8), MemoryKind(firmware: entry.u32(16)))
            offset &+= memoryMapEntrySize
        }
    }
}
