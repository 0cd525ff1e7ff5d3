// Firmware structures as bytes in memory, and the readers' results.

import Memory
import Firmware
import Bytes
import Diagnostics
import TestSupport

/// The facts of a `Platform` as values that can be compared.
struct Facts: Equatable {
    var regions: [MemoryRegion] = []
    var modules: [Module] = []
    var reservations: [Reservation] = []
    var commandLine = AddressRange(0, 0)
    var rsdp: UInt64 = 0
    var confidentialBlob: UInt64 = 0
    var hasUnreadSetupData = false
    var information: UInt64 = 0

    init(_ platform: borrowing PlatformFacts) {
        for index in 0..<platform.memoryMap.count { regions.append(platform.memoryMap[index]) }
        for index in 0..<platform.moduleCount { modules.append(platform.module(index)) }
        for index in 0..<platform.reservations.count { reservations.append(platform.reservations[index]) }
        commandLine = platform.commandLine
        rsdp = platform.rsdp
        confidentialBlob = platform.confidentialBlob
        hasUnreadSetupData = platform.hasUnreadSetupData
        information = platform.information
    }

    /// Whether some reservation covers `range`.
    func reserves(_ range: AddressRange) -> Bool { reservations.contains { $0.range.contains(range) } }
}

/// Memory from address 0 on, 256 KiB, full of zeros.
struct PlatformImage {
    var bytes = [UInt8](repeating: 0, count: 0x4_0000)

    /// Writes 32-bit words.
    mutating func put(_ words: [UInt32], at address: Int) {
        for (index, word) in words.enumerated() { bytes.put(word, at: address + index * 4) }
    }

    /// Writes a string and its NUL.
    mutating func put(_ text: String, at address: Int) {
        let string = Array(text.utf8) + [0]
        bytes.replaceSubrange(address..<address + string.count, with: string)
    }

    /// A reader's result for memory that begins at `origin`.
    func read(_ bootProtocol: BootProtocol, at address: UInt64, origin: UInt64 = 0) -> Result<Facts, Fault> {
        let visible = Array(bytes[Int(origin)...])
        let memory = PhysicalMemory(ByteView(visible.span.bytes), origin: origin)
        do throws(Fault) {
            var platform = Platform(bootProtocol, information: address)
            try platform.read(memory)
            return .success(Facts(platform.facts))
        } catch { return .failure(error) }
    }
}

extension Result where Failure == Fault {
    /// The fault; nil if there is none.
    var fault: Fault? { if case .failure(let fault) = self { fault } else { nil } }
}
