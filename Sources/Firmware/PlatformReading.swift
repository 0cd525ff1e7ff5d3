// Who started the loader, and what they tell: one reader for each protocol.

public import Diagnostics
import Memory

extension BootProtocol {
    /// The protocol whose starters leave `magic` in a register, or, since Linux's leave none, its structure at `information`
    /// in `memory`. Throws `unknownBootProtocol`.
    public init(magic: UInt32, information: UInt64, _ memory: PhysicalMemory) throws(Fault) {
        switch magic {
        case Multiboot.magic: self = .multiboot
        case Multiboot2.magic: self = .multiboot2
        case PVH.magic: self = .pvh
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
    /// What those who leave `magic` in a register tell in `memory`, at address `information`. Throws `unknownBootProtocol`, and what
    /// `read` does.
    public static func read(_ magic: UInt32, information: UInt64, in memory: PhysicalMemory) throws(Fault) -> Platform {
        let bootProtocol = try BootProtocol(magic: magic, information: information, memory)
        var platform = Platform(bootProtocol, information: information)
        try platform.read(memory)
        return platform
    }

    /// Reads what the protocol's information in `memory` tells. Throws the faults of `Multiboot`, `Multiboot2`, `PVH` and `Linux`, and
    /// `moduleOutsideMemory` also for a module that is not all in available RAM: QEMU loads more than the machine can hold.
    public mutating func read(_ memory: PhysicalMemory) throws(Fault) {
        switch bootProtocol {
        case .multiboot: try Multiboot.read(memory, into: &self)
        case .multiboot2: try Multiboot2.read(memory, into: &self)
        case .pvh, .uefi: try PVH.read(memory, into: &self)
        case .linux: try Linux.read(memory, into: &self)
        }
        // Where it is in memory that anyone may use it is copied, and has to be there until then.
        if rsdp != 0, facts.memoryMap.isAvailable(AddressRange(at: rsdp, size: 20)) {
            try reservations.add(AddressRange(at: rsdp, size: 36), .transient)
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
}
