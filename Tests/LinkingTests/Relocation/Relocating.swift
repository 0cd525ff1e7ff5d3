// Shared by the tests: load a file with a bias, relocate it, look at the bytes.

import Bytes
import Diagnostics
import ELF
import Linking
import TestSupport

/// An image in memory, relocated.
struct Relocated {
    var memory: [UInt8]
    var linkStart: UInt64
    var counts: RelocationCounts
    /// The resolvers called, in order: address, place and type.
    var resolvers: [(address: UInt64, place: UInt64, type: UInt32)] = []

    /// `count` bytes at a link address, as the vectors write them: `78 56 34 12`.
    func hex(_ address: UInt64, _ count: Int) -> String {
        let start = Int(address - linkStart)
        return hexadecimal(memory[start..<start + count])
    }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

/// Loads and relocates `file`; called functions return what `resolve` gives for their address.
func relocate(
    _ file: [UInt8], bias: UInt64, resolve: (UInt64) -> UInt64? = { _ in nil }
) throws(Fault) -> Relocated {
    let image = try LinkedImage(ByteView(file.span.bytes))
    var memory = [UInt8](repeating: 0xee, count: Int(image.size))
    let relocator = try Relocator(image, bias: bias)
    var span = memory.mutableSpan
    var region = ByteRegion(span.mutableBytes, at: image.linkStart)
    try image.load(into: &region)
    let counts = try relocator.apply(to: &region)
    var resolvers: [(UInt64, UInt64, UInt32)] = []
    try relocator.resolveIndirect(in: &region, mayResolve: true) { address, relocation in
        resolvers.append((address, relocation.entry.offset, relocation.entry.type))
        return resolve(address)
    }
    return Relocated(memory: memory, linkStart: image.linkStart, counts: counts, resolvers: resolvers)
}

/// The fault that `relocate` throws for `file`; nil if it throws none.
func refusal(of file: [UInt8], bias: UInt64 = 0x60_0000, resolve: (UInt64) -> UInt64? = { _ in nil }) -> Fault? {
    do throws(Fault) {
        _ = try relocate(file, bias: bias, resolve: resolve)
        return nil
    } catch { return error }
}

/// The fault's sentence.
func sentence(_ fault: Fault?, _ file: [UInt8]) -> String {
    guard let fault else { return "no fault" }
    var sink = TextCollector()
    fault.write(to: &sink, FaultDetails(of: fault, in: ByteView(file.span.bytes)), file: file.span.bytes)
    return sink.text
}
