// Counts the instructions a guest executes, from QEMU's log of every one.

import Foundation

/// The functions of an ELF file, by address, from `nm -n`.
struct SymbolMap {
    private var addresses: [UInt64] = []
    private var names: [String] = []

    /// Parses `nm -n` output: address, letter, name.
    init(nm output: String) {
        for line in output.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count == 3, let address = UInt64(fields[0], radix: 16) else { continue }
            addresses.append(address)
            names.append(String(fields[2]))
        }
    }

    /// The name of the symbol at or below `address`.
    func name(at address: UInt64) -> String? {
        var low = 0
        var high = addresses.count
        while low < high {
            let middle = (low + high) / 2
            if addresses[middle] <= address { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : names[low - 1]
    }
}

/// The phases of a boot. A function that belongs to none, such as memcpy, counts for the phase that called it.
enum Phase: String, CaseIterable {
    case entry, platform, parse, place, handoff
    case pageTables = "page tables"
    case load, relocate, output

    /// The phase of the function with the mangled name `name`; nil where it serves several.
    init?(function name: String) {
        for (part, phase) in Phase.functions where name.contains(part) {
            self = phase
            return
        }
        return nil
    }

    /// What the mangled names of the phases' functions contain; the first match counts.
    private static let functions: [(String, Phase)] = [
        ("entry32", .entry), ("entry_multiboot", .entry), ("entry_pvh", .entry), ("start64", .entry),
        ("cm_enter", .entry), ("enter_tail", .entry), ("enter_moving", .entry), ("boot_main", .entry),
        ("9MultibootO4read", .platform), ("3PVHO4read", .platform), ("8PlatformV4read", .platform),
        ("writePageTables", .pageTables), ("10PageTables", .pageTables),
        ("16DeviceTreeWriter", .handoff), ("7HandoffV", .handoff), ("8BootInfo", .handoff),
        // A type with its module's name, and one that shares words with it, appear shortened: KernelImage, ObjectImage.
        ("11KernelImageAAV4load", .load), ("06ObjectB0V4load", .load), ("7LinkMapV4load", .load),
        ("9PlacementV", .place), ("12ReservationsV", .place), ("13HandoffLayout", .place),
        ("7LinkMapV8relocate", .relocate), ("8LinkPlanV", .parse), ("12LinkedObjectV", .parse),
        ("9RelocatorV", .relocate), ("13DynamicTables", .relocate), ("11SymbolTable", .relocate),
        ("12SymbolSearchV", .relocate), ("11SymbolScopeV", .relocate), ("11ApplicationV4load", .load),
        ("6ReportO", .output), ("10SerialPort", .output), ("8TextSink", .output),
        ("11KernelImageAAV", .parse), ("9FileNamesV", .parse), ("7LinkMapV", .parse), ("11ApplicationV", .parse),
        ("11HermitNotes", .parse), ("10FileHeader", .parse),
    ]
}

/// What was counted in one boot.
struct InstructionCounts {
    /// Instructions, each iteration of a string instruction left out but the first.
    var instructions = 0
    /// Instructions, iterations included.
    var iterations = 0
    /// Instructions by phase.
    var phases: [Phase: Int] = [:]

    /// Reads a log of `-d exec,nochain` with single steps: a line an instruction, the address between the slashes.
    init(log: Data, symbols: SymbolMap) {
        var last: UInt64 = 0
        var phase = Phase.entry
        var phaseOf: [UInt64: Phase?] = [:]
        unsafe log.withUnsafeBytes { bytes in
            var lineStart = 0
            while lineStart < bytes.count {
                var lineEnd = lineStart
                var firstSlash = 0
                while lineEnd < bytes.count, unsafe bytes[lineEnd] != 0x0a {
                    if unsafe bytes[lineEnd] == 0x2f, firstSlash == 0 { firstSlash = lineEnd }
                    lineEnd += 1
                }
                if firstSlash > 0, let address = unsafe Self.hex(bytes, from: firstSlash + 1) {
                    iterations += 1
                    if address != last {
                        instructions += 1
                        let own: Phase?
                        if let known = phaseOf[address] {
                            own = known
                        } else {
                            own = symbols.name(at: address).flatMap(Phase.init(function:))
                            phaseOf[address] = own
                        }
                        phase = own ?? phase
                        phases[phase, default: 0] += 1
                    }
                    last = address
                }
                lineStart = lineEnd + 1
            }
        }
    }

    private static func hex(_ bytes: UnsafeRawBufferPointer, from start: Int) -> UInt64? {
        var value: UInt64 = 0
        var index = start
        while index < bytes.count, unsafe bytes[index] != 0x2f {
            guard let digit = unsafe Character(UnicodeScalar(bytes[index])).hexDigitValue else { return nil }
            value = value << 4 | UInt64(digit)
            index += 1
        }
        return value
    }
}
