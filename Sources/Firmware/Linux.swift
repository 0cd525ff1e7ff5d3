// The reader of the Linux boot protocol (Linux, Documentation/arch/x86/boot.rst and zero-page.rst): boot_params, read and reserved.

import Bytes
import Diagnostics
import Memory

extension Linux {
    /// The largest number of elements of setup_data: some boot loaders chain half a dozen.
    private static var setupDataCapacity: UInt64 { 64 }

    /// Whether boot_params lie at `address`, which may be any number: no register identifies Linux's protocol.
    static func isSigned(_ address: UInt64, _ memory: PhysicalMemory) -> Bool {
        (try? memory.record(address, size: BootParameters.size))?[BootParameters.header]
            == BootParameters.headerSignature
    }

    /// Reads the boot_params whose address `platform` holds from `memory`.
    ///
    /// Throws `platformStructureOutsideMemory`, `noMemoryMap`, `memoryBeyondAddresses`, `tooManyRegions`, `setupDataEndless`,
    /// `tooManyReservations`, `moduleOutsideMemory` or `commandLineTooLong`.
    static func read(_ memory: PhysicalMemory, into platform: inout Platform) throws(Fault) {
        let page = try memory.view(platform.information, size: BootParameters.size)
        let parameters = page.entry(0, size: Int(BootParameters.size))
        try platform.reserve(platform.information, size: BootParameters.size)
        let count = UInt64(parameters[BootParameters.e820Entries])
        guard count > 0 else { throw Fault(.noMemoryMap) }
        guard count <= BootParameters.e820MaxEntries else {
            throw Fault(.tooManyRegions, limit: BootParameters.e820MaxEntries)
        }
        try readMemoryMap(page.part(at: BootParameters.e820Table, size: count &* E820Entry.size), &platform)
        try readSetupData(memory, parameters[BootParameters.setupData], &platform)

        // A starter that has not cleared the page leaves a byte of the file in `sentinel`: then the fields outside the header that it does
        // not know are undefined.
        let isCleared = parameters[BootParameters.sentinel] == 0
        func long(_ low: StructureField<UInt32>, _ high: StructureField<UInt32>) -> UInt64 {
            UInt64(parameters[low]) | (isCleared ? UInt64(parameters[high]) << 32 : 0)
        }
        // cmdline_size is the most that a kernel takes, not the line's length: the line ends with a NUL.
        let commandLine = long(BootParameters.cmdLinePtr, BootParameters.extCmdLinePtr)
        if commandLine != 0 { try platform.readCommandLine(memory, commandLine) }
        if isCleared {
            platform.rsdp = parameters[BootParameters.acpiRsdpAddr]
            // A kernel that starts the loader by kexec passes its own blob on here, so this field wins over setup_data.
            let blob = UInt64(parameters[BootParameters.ccBlobAddress])
            if blob != 0 { platform.confidentialBlob = blob }
        }
        // GRUB on UEFI passes only the system table.
        if isCleared, parameters[BootParameters.efiLoaderSignature] == BootParameters.efi64Signature {
            SystemTable.read(long(BootParameters.efiSystab, BootParameters.efiSystabHi), memory, into: &platform)
        }
        let diskSize = long(BootParameters.ramdiskSize, BootParameters.extRamdiskSize)
        if diskSize != 0 {
            let disk = long(BootParameters.ramdiskImage, BootParameters.extRamdiskImage)
            try platform.addModule(disk, size: diskSize, string: 0, memory)
        }
    }

    /// Reads the list of setup_data that begins at `first`, 0 for none. Hermit kernels use few types, and no random seeds for example, so
    /// an element out of reach ends the list.
    private static func readSetupData(
        _ memory: PhysicalMemory, _ first: UInt64, _ platform: inout Platform
    ) throws(Fault) {
        var (address, index): (UInt64, UInt64) = (first, 0)
        while address != 0 {
            guard index < setupDataCapacity else { throw Fault(.setupDataEndless, limit: setupDataCapacity) }
            guard let header = try? memory.record(address, size: SetupData.headerSize) else {
                platform.hasUnreadSetupData = true
                return
            }
            // The header is in memory, so its end does not wrap.
            let (data, size) = (address &+ SetupData.headerSize, UInt64(header[SetupData.len]))
            switch header[SetupData.type] {
            case SetupData.e820Extension: try readMemoryMap(try memory.view(data, size: size), &platform)
            case SetupData.ccBlob where size >= SetupData.ccBlobSize:
                let blob = try memory.record(data, size: SetupData.ccBlobSize)
                platform.confidentialBlob = UInt64(blob[SetupData.ccBlobAddress])
            default: break
            }
            address = header[SetupData.next]
            index &+= 1
        }
    }

    /// Adds `entries` to the memory map.
    private static func readMemoryMap(_ entries: ByteView, _ platform: inout Platform) throws(Fault) {
        var offset: UInt64 = 0
        while entries.contains(offset, E820Entry.size) {
            let entry = try entries.record(
                at: offset, size: E820Entry.size, else: .platformStructureOutsideMemory, .none)
            try platform.addMemory(
                entry[E820Entry.addr], size: entry[E820Entry.regionSize], MemoryKind(firmware: entry[E820Entry.type]))
            offset &+= E820Entry.size
        }
    }
}
