// Counts the instructions that a guest executes, from QEMU's log of each of them.

import Foundation

/// The functions of an ELF file, by address: its symbols.
struct FunctionNames {
    private var addresses: [UInt64] = []
    private var names: [String] = []

    /// Parses `nm -n` output: address, letter, name. Data is left out.
    init(nm output: String) {
        for line in output.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count == 3, "tTwW".contains(fields[1]), let address = UInt64(fields[0], radix: 16) else {
                continue
            }
            addresses.append(address)
            names.append(String(fields[2]))
        }
    }

    /// The function that the instruction at `address` belongs to: the last one that begins at or below it.
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

/// The instructions that a guest executed, in order; the iterations of a repeated string instruction count as one.
struct GuestTrace {
    /// Their addresses.
    private(set) var addresses: [UInt64] = []
    /// The number of instructions with every iteration.
    private(set) var iterations = 0
    /// Whether the instruction that ends the count, and does not count itself, was reached.
    private(set) var isOver = false
    /// The other lines of the log, which are QEMU's own messages.
    private(set) var messages: [String] = []
    /// The address of the instruction that ends the count, at its first execution after the loader's first instruction.
    private let end: UInt64?
    /// The line that is not complete yet.
    private var line: [UInt8] = []
    /// Whether the previous line had an address.
    private var isNew = false

    /// An empty trace; `end` is the address of the instruction that ends the count.
    init(until end: UInt64? = nil) { self.end = end }

    /// Takes the next bytes of a log of `-d exec,nochain` with single steps: one line for each instruction, which begins with `Trace`,
    /// and has the address between the first two slashes.
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
            // QEMU was interrupted: the instruction before this line was not executed, and is logged again.
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

    /// The number of instructions of each function; empty if no function is known.
    func counts(_ functions: FunctionNames) -> [String: Int] {
        let perAddress = addresses.reduce(into: [:] as [UInt64: Int]) { $0[$1, default: 0] += 1 }
        return perAddress.reduce(into: [:]) { counts, entry in
            if let name = functions.name(at: entry.key) { counts[name, default: 0] += entry.value }
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
