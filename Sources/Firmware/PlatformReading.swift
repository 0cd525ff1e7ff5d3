// Recognises the protocol by which the loader was started, and calls its reader.

public import Diagnostics
import Memory

extension BootProtocol {
    /// The protocol whose starters leave `magic` in a register; or Linux's, which has no magic number, if its structure is at `information`
    /// in `memory`. Throws `unknownBootProtocol`.
    public init(magic: UInt32, information: UInt64, _ memory: PhysicalMemory) throws(Fault) {
        switch magic {
        case Multiboot.magic: self = .multiboot
        case Multiboot2.magic: self = .multiboot2
        case PVH.StartInfo.magicValue: self = .pvh
        case PVH.uefiMagic: self = .uefi
        default:
            guard Linux.isSigned(information, memory) else {
                throw Fault(.unknownBootProtocol, value: UInt64(magic), limit: information)
            }
            self = .linux
        }
    }
}

extension Platform {
    /// Returns the platform that the protocol with `magic` describes in `memory`, at address `information`. Throws
    /// `unknownBootProtocol`, and as `read(_:)` does.
    public static func read(_ magic: UInt32, information: UInt64, in memory: PhysicalMemory) throws(Fault) -> Platform {
        let bootProtocol = try BootProtocol(magic: magic, information: information, memory)
        var platform = Platform(bootProtocol, information: information)
        try platform.read(memory)
        return platform
    }

    /// Reads the protocol's information in `memory`. Throws the faults of `Multiboot`, `Multiboot2`, `PVH` and `Linux`, and also
    /// `moduleOutsideMemory` for a module that is not all in available RAM: QEMU loads more than the machine can hold.
    public mutating func read(_ memory: PhysicalMemory) throws(Fault) {
        switch bootProtocol {
        case .multiboot: try Multiboot.read(memory, into: &self)
        case .multiboot2: try Multiboot2.read(memory, into: &self)
        case .pvh, .uefi: try PVH.read(memory, into: &self)
        case .linux: try Linux.read(memory, into: &self)
        }
        // If the root pointer is in available RAM it will be copied, and must be preserved until then.
        if rsdp != 0, facts.memoryMap.isAvailable(AddressRange(at: rsdp, size: ACPI.RootPointer.sizeOfVersion1)) {
            try reservations.add(AddressRange(at: rsdp, size: ACPI.RootPointer.size), .transient)
        }
        let facts = facts
        for index in 0..<facts.moduleCount {
            let module = facts.module(index).range
            guard facts.memoryMap.isAvailable(module) else {
                throw Fault(.moduleOutsideMemory, value: module.start, limit: module.end)
            }
        }
    }
}
