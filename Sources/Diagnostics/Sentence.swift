// Sentences as the loader has them: packed, since in full they would be an eighth of it.

/// A sentence, or what else is a row of the packed text, one byte after the other. Sources/Sentences has them in full.
///
/// A row is a string of codes: 0 ends it, the next 95 are the printable characters of ASCII, and each of the others stands for
/// two codes that come before it.
public struct Sentence: Sendable {
    /// The first code that stands for two.
    package static var firstPair: UInt8 { 0x60 }
    /// What a character of ASCII is above its code.
    package static var distance: UInt8 { 0x1f }
    /// How many codes can wait while those in front of them are unpacked.
    package static var waitingLimit: Int { 8 }

    private var position: UInt64
    // One byte each, the next one lowest.
    private var waiting: UInt64 = 0

    /// The row at `number`, counted from 0; empty where there are fewer.
    @inline(never)
    package init(row number: Int) {
        let codes = Sentence.packed.span
        position = 2 &* (256 &- UInt64(Sentence.firstPair))
        var ends = number
        while ends > 0 {
            if Sentence.byte(position, codes) == 0 { ends &-= 1 }
            position &+= 1
        }
    }

    /// The byte at `index` of the table, 0 behind its end. (Code that is not optimised copies the table where it takes the span,
    /// so not here.)
    private static func byte(_ index: UInt64, _ codes: Span<UInt8>) -> UInt8 {
        index < UInt64(codes.count) ? codes[Int(truncatingIfNeeded: index)] : 0
    }

    /// The next byte, 0 behind the last. `codes` are `packed`.
    @inline(never)
    package mutating func next(_ codes: Span<UInt8>) -> UInt8 {
        var code = UInt8(truncatingIfNeeded: waiting)
        waiting >>= 8
        if code == 0 {
            code = Sentence.byte(position, codes)
            guard code != 0 else { return 0 }
            position &+= 1
        }
        while code >= Sentence.firstPair {
            let pair = 2 &* UInt64(code &- Sentence.firstPair)
            // Each step leads to codes further in front, whatever the table says.
            code &-= 1
            waiting = waiting << 8 | UInt64(min(Sentence.byte(pair &+ 1, codes), code))
            code = min(Sentence.byte(pair, codes), code)
        }
        return code &+ Sentence.distance
    }
}
