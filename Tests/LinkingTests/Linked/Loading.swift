// Shared by the tests of this folder: images built, loaded and relocated in memory with guard bytes around it.

import Bytes
import Diagnostics
import ELF
import Linking
import TestSupport

/// The result of loading a file.
struct Loaded {
    /// The image's written bytes.
    var bytes: [UInt8]
    /// The fault.
    var fault: Fault?
    /// The relocations that were applied.
    var counts: RelocationCounts?
    /// Whether the bytes before and after the image are as they were.
    var guardsAreIntact: Bool

    /// The number at link address `address` of an image whose first byte is at `start`.
    func number<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ type: Word.Type, at address: UInt64, from start: UInt64 = 0
    ) -> Word { bytes.number(type, at: Int(address - start)) }
}

/// The number of guard bytes on each side.
private let guardSize = 64

/// Loads `file` into memory full of 0xcc, and relocates it with `bias`; `resolve` stands for calling a function.
func load(
    _ file: [UInt8], bias: UInt64 = 0x20_0000, relocating: Bool = true, largest: UInt64 = 1 << 22,
    _ resolve: (UInt64) -> UInt64? = { _ in nil }
) -> Loaded {
    var result = Loaded(bytes: [], fault: nil, counts: nil, guardsAreIntact: true)
    let view = ByteView(file.span.bytes)
    do throws(Fault) {
        let image = try LinkedImage(view)
        guard image.size <= largest else { return result }
        let size = Int(image.size)
        var memory = [UInt8](repeating: 0xcc, count: size + 2 * guardSize)
        do throws(Fault) {
            var span = memory.mutableSpan
            var whole = span.mutableBytes
            var region = ByteRegion(whole._mutatingExtracting(guardSize..<guardSize + size), at: image.linkStart)
            if relocating {
                let relocator = try Relocator(image, bias: bias)
                try image.load(into: &region)
                result.counts = try relocator.apply(to: &region)
                try relocator.resolveIndirect(in: &region, mayResolve: true) { resolver, _ in resolve(resolver) }
            } else {
                try image.load(into: &region)
            }
        } catch { result.fault = error }
        let guards = memory[..<guardSize] + memory[(guardSize + size)...]
        result.guardsAreIntact = guards.elementsEqual(repeatElement(0xcc, count: 2 * guardSize))
        result.bytes = Array(memory[guardSize..<guardSize + size])
    } catch { result.fault = error }
    return result
}
