// Shared by the tests: plan an object file, load it with a bias, relocate it, look at the bytes.

import Architecture
import Bytes
import Diagnostics
import ELF
import Linking
import TestSupport

/// An image in memory, relocated.
struct LoadedObject {
    var memory: [UInt8]
    var entry: UInt64
    var counts: RelocationCounts
    var template: (start: UInt64, size: UInt64)
    var block: (size: UInt64, alignment: UInt64)
    /// The resolvers called, by run-time address.
    var resolvers: [UInt64] = []
    /// The relocations that they were called for.
    var resolved: [ListedRelocation] = []

    /// `count` bytes at a link address, as the vectors write them: `78 56 34 12`.
    func hex(_ address: UInt64, _ count: Int) -> String {
        memory[Int(address)..<Int(address) + count]
            .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }

    func word(_ address: UInt64) -> UInt64 { memory.number(UInt64.self, at: Int(address)) }
}

/// Loads and relocates `file`; called functions return what `resolve` gives for their address.
func load(
    _ file: [UInt8], bias: UInt64 = 0x60_0000, resolve: (UInt64) -> UInt64? = { _ in nil }
) throws(Fault) -> LoadedObject {
    let view = ByteView(file.span.bytes)
    let image = try ObjectImage(view, try FileHeader(view))
    var memory = [UInt8](repeating: 0xee, count: Int(image.size))
    var span = memory.mutableSpan
    var region = ByteRegion(span.mutableBytes, at: 0)
    try image.load(into: &region)
    let counts = try image.relocate(in: &region, bias: bias)
    var resolvers: [UInt64] = []
    var resolved: [ListedRelocation] = []
    image.resolveIndirect(in: &region, bias: bias) { address, relocation in
        resolvers.append(address)
        resolved.append(relocation)
        return resolve(address)
    }
    return LoadedObject(
        memory: memory, entry: image.entry, counts: counts, template: image.template, block: image.block,
        resolvers: resolvers, resolved: resolved)
}

/// The fault that `load` throws for `file`; nil if it throws none.
func refusal(of file: [UInt8], bias: UInt64 = 0x60_0000) -> Fault? {
    do throws(Fault) {
        _ = try load(file, bias: bias)
        return nil
    } catch { return error }
}

/// The memory that `file` needs.
func plannedSize(_ file: [UInt8]) throws(Fault) -> UInt64 {
    let view = ByteView(file.span.bytes)
    return try ObjectImage(view, try FileHeader(view)).size
}
