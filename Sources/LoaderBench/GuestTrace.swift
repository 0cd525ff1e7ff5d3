// Counts the instructions a guest executes, from QEMU's log of every one.

import Foundation

/// The functions of an ELF file, by address.
enum FunctionNames {
    /// The symbols, from `nm -n`: all that a file without debugging information tells.
    case symbols(addresses: [UInt64], names: [String])
    /// llvm-symbolizer's answers: the function at an address, before it those that were inlined into it there, innermost first.
    case inlined([UInt64: [String]])

    /// Parses `nm -n` output: address, letter, name. Data is left out.
    init(nm output: String) {
        var addresses: [UInt64] = []
        var names: [String] = []
        for line in output.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count == 3, "tTwW".contains(fields[1]), let address = UInt64(fields[0], radix: 16) else {
                continue
            }
            addresses.append(address)
            names.append(String(fields[2]))
        }
        self = .symbols(addresses: addresses, names: names)
    }

    /// Parses what llvm-symbolizer prints as JSON: an array with an object for each address.
    init(symbolizer output: String) throws {
        struct Frame: Decodable {
            var name: String
            enum CodingKeys: String, CodingKey { case name = "FunctionName" }
        }
        struct Answer: Decodable {
            var address: String
            var frames: [Frame]
            enum CodingKeys: String, CodingKey { case address = "Address", frames = "Symbol" }
        }
        var functions: [UInt64: [String]] = [:]
        for answer in try JSONDecoder().decode([Answer].self, from: Data(output.utf8)) {
            guard let address = UInt64(answer.address.dropFirst(2), radix: 16) else { continue }
            functions[address] = answer.frames.map(\.name)
        }
        self = .inlined(functions)
    }

    /// The functions that the instruction at `address` belongs to, innermost first.
    func names(at address: UInt64) -> [String] {
        switch self {
        case .inlined(let frames): return frames[address] ?? []
        case .symbols(let addresses, let names):
            var low = 0
            var high = addresses.count
            while low < high {
                let middle = (low + high) / 2
                if addresses[middle] <= address { low = middle + 1 } else { high = middle }
            }
            return low == 0 ? [] : [names[low - 1]]
        }
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
        ("8PlatformV7reserve", .platform), ("8PlatformV11read", .platform), ("8PlatformV13read", .platform),
        ("8PlatformV15read", .platform),
        ("writePageTables", .pageTables), ("10PageTables", .pageTables),
        ("16DeviceTreeWriter", .handoff), ("7HandoffV", .handoff), ("8BootInfo", .handoff),
        ("11ObjectImageV4load", .load), ("7LinkMapV4load", .load),
        ("10MemoryPlanV", .place), ("12ReservationsV", .place), ("13HandoffLayout", .place),
        ("11SymbolScopeV12copySegments", .load), ("8LinkPlanV", .parse), ("10LinkedFileV4load", .load),
        ("10LinkedFileV10readTables", .relocate), ("10LinkedFileV5table", .relocate), ("10LinkedFileV", .parse),
        ("9RelocatorV", .relocate),
        ("12SymbolSearchV", .relocate), ("11SymbolScopeV", .relocate), ("11ApplicationV4load", .load),
        ("6ReportO", .output), ("10SerialPort", .output), ("8TextSink", .output),
        ("11LinkedImageV", .parse), ("7LinkMapV", .parse), ("11ApplicationV", .parse),
        ("11HermitNotes", .parse), ("10FileHeader", .parse), ("13LoaderOptions", .parse),
    ]
}

/// The instructions that a guest executed, in order; the iterations of a repeated string instruction as one.
struct GuestTrace {
    /// Their addresses.
    private(set) var addresses: [UInt64] = []
    /// How many there are with every iteration.
    private(set) var iterations = 0
    /// Whether the instruction has come that ends the count, which itself does not count.
    private(set) var isOver = false
    /// What the log says besides, where QEMU itself speaks.
    private(set) var messages: [String] = []
    /// The address of the instruction that ends the count: the first time after the loader's first instruction.
    private let end: UInt64?
    /// The line that is not complete yet.
    private var line: [UInt8] = []
    /// Whether the line before has brought an address.
    private var isNew = false

    /// Nothing yet; `end` is the address of the instruction that ends the count.
    init(until end: UInt64? = nil) { self.end = end }

    /// Takes the next bytes of a log of `-d exec,nochain` with single steps: a line an instruction, which begins with `Trace`,
    /// the address between the first two slashes.
    mutating func take(_ bytes: [UInt8]) {
        for byte in bytes {
            if byte != 0x0a {
                line.append(byte)
                continue
            }
            takeLine()
            line.removeAll(keepingCapacity: true)
        }
    }

    private mutating func takeLine() {
        if line.starts(with: GuestTrace.stopped), iterations > 0, !isOver {
            // QEMU had something else to do first: the instruction before this line was not executed, and comes again.
            iterations -= 1
            if isNew { addresses.removeLast() }
            isNew = false
            return
        }
        guard line.starts(with: GuestTrace.prefix) else {
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("qemu"), messages.count < 10 { messages.append(text) }
            return
        }
        guard !isOver, let slash = line.firstIndex(of: 0x2f), let address = hex(from: slash + 1) else { return }
        if address == end, !addresses.isEmpty {
            isOver = true
            return
        }
        iterations += 1
        isNew = address != addresses.last
        if isNew { addresses.append(address) }
    }

    private static let prefix = Array("Trace ".utf8)
    private static let stopped = Array("Stopped execution ".utf8)

    /// How many instructions belong to each phase; nil where none of them belongs to a function that is known for its phase.
    func phases(_ functions: FunctionNames) -> [Phase: Int]? {
        var phases: [Phase: Int] = [:]
        var phase = Phase.entry
        var phaseOf: [UInt64: Phase?] = [:]
        for address in addresses {
            let own: Phase?
            if let known = phaseOf[address] {
                own = known
            } else {
                own = functions.names(at: address).lazy.compactMap(Phase.init(function:)).first
                phaseOf[address] = own
            }
            phase = own ?? phase
            phases[phase, default: 0] += 1
        }
        return phaseOf.values.contains { $0 != nil } ? phases : nil
    }

    /// How many instructions belong to each function; empty where none is known.
    func counts(_ functions: FunctionNames) -> [String: Int] {
        let perAddress = addresses.reduce(into: [:] as [UInt64: Int]) { $0[$1, default: 0] += 1 }
        return perAddress.reduce(into: [:]) { counts, entry in
            // What was inlined counts for the function that it is in.
            if let name = functions.names(at: entry.key).last { counts[name, default: 0] += entry.value }
        }
    }

    private func hex(from start: Int) -> UInt64? {
        var value: UInt64 = 0
        var index = start
        while index < line.count, line[index] != 0x2f {
            guard let digit = Character(UnicodeScalar(line[index])).hexDigitValue else { return nil }
            value = value << 4 | UInt64(digit)
            index += 1
        }
        return value
    }
}
