// SHA-256 (FIPS 180-4, section 6.2), for `loader.sha256=`.
//
// Written here because no maintained implementation builds freestanding: swift-crypto's, BoringSSL, includes the C library's headers even
// without assembly, and the libraries of distributions need an operating system. The tests compare it with sha256sum.

public import Bytes
import Diagnostics

/// A SHA-256 digest.
public struct FileDigest: Equatable, Sendable {
    /// The eight words of the hash value, the first of them the digest's first four bytes, most significant first.
    public private(set) var words: InlineArray<8, UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]

    /// The digest of `bytes`.
    public init(of bytes: ByteView) {
        let message = Message(bytes: bytes)
        var constants = InlineArray<64, UInt32>(repeating: 0)
        var schedule = constants
        var writable = constants.mutableSpan
        FileDigest.fillConstants(&writable)
        var offset: UInt64 = 0
        while offset < message.paddedSize {
            var words = schedule.mutableSpan
            var index = 0
            while index < 16 {
                words[index] = message.word(at: offset &+ UInt64(truncatingIfNeeded: index) &* 4)
                index &+= 1
            }
            while index < 64 {
                let (x, y) = (words[index &- 15], words[index &- 2])
                let first = x.rotated(7) ^ x.rotated(18) ^ x >> 3
                let second = y.rotated(17) ^ y.rotated(19) ^ y >> 10
                words[index] = words[index &- 16] &+ first &+ words[index &- 7] &+ second
                index &+= 1
            }
            add(schedule.span, constants.span)
            offset &+= 64
        }
    }

    /// The digest in `digits`, 64 hexadecimal digits in either case; nil if they are something else.
    public init?(hexadecimal digits: ByteView) {
        guard digits.count == 64 else { return nil }
        var words = words.mutableSpan
        var index = 0
        while index < 64 {
            let digit = digits.digit(at: UInt64(truncatingIfNeeded: index))
            guard digit < 16 else { return nil }
            // Each word is shifted by eight digits.
            words[index >> 3] = words[index >> 3] << 4 | UInt32(digit)
            index &+= 1
        }
    }

    /// Throws `digestDiffers`, of the file at `index`, if its bytes, `file`, have another digest.
    func verify(_ file: ByteView, _ index: Int) throws(Fault) {
        let (found, wanted) = FileDigest(of: file).difference(from: self)
        guard found == wanted else {
            throw Fault(.digestDiffers, value: UInt64(found), limit: UInt64(wanted)).of(file: index)
        }
    }

    /// The first word (eight hexadecimal digits) that differs, of both digests; the last word if none differs.
    public func difference(from other: FileDigest) -> (own: UInt32, other: UInt32) {
        var index = 0
        while index < 7, words.span[index] == other.words.span[index] { index &+= 1 }
        return (words.span[index], other.words.span[index])
    }

    /// Whether both are the same.
    public static func == (left: FileDigest, right: FileDigest) -> Bool {
        let (own, other) = left.difference(from: right)
        return own == other
    }

    /// One block: 64 rounds over its message schedule.
    private mutating func add(_ schedule: Span<UInt32>, _ constants: Span<UInt32>) {
        var words = words.mutableSpan
        var (a, b, c, d) = (words[0], words[1], words[2], words[3])
        var (e, f, g, h) = (words[4], words[5], words[6], words[7])
        var index = 0
        while index < 64 {
            let mixed = e.rotated(6) ^ e.rotated(11) ^ e.rotated(25)
            let choice = e & f ^ ~e & g
            let first = h &+ mixed &+ choice &+ constants[index] &+ schedule[index]
            let major = a & b ^ a & c ^ b & c
            let second = (a.rotated(2) ^ a.rotated(13) ^ a.rotated(22)) &+ major
            (h, g, f, e) = (g, f, e, d &+ first)
            (d, c, b, a) = (c, b, a, first &+ second)
            index &+= 1
        }
        words[0] &+= a
        words[1] &+= b
        words[2] &+= c
        words[3] &+= d
        words[4] &+= e
        words[5] &+= f
        words[6] &+= g
        words[7] &+= h
    }

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, section 4.2.2).
    private static func fillConstants(_ constants: inout MutableSpan<UInt32>) {
        var prime: UInt64 = 1
        for index in constants.indices {
            var divisor: UInt64
            repeat {
                prime &+= 1
                divisor = 2
                while prime % divisor != 0 { divisor &+= 1 }
            } while divisor < prime
            // The largest number whose cube is at most the prime's multiple by 2 to the 96th; its integer part has three bits.
            var root: UInt64 = 0
            var bit: UInt64 = 1 << 34
            while bit != 0 {
                let next = UInt128(root | bit)
                if next &* next &* next <= UInt128(prime) << 96 { root |= bit }
                bit >>= 1
            }
            constants[index] = UInt32(truncatingIfNeeded: root)
        }
    }
}

/// The padded message: the bytes, a one bit, zeros, and the number of bits in eight bytes: a multiple of 64 bytes (FIPS 180-4, 5.1.1).
struct Message: ~Escapable {
    private let bytes: ByteView
    /// The number of all of them.
    let paddedSize: UInt64

    /// The message that `bytes` make.
    @_lifetime(copy bytes)
    init(bytes: ByteView) {
        self.bytes = bytes
        paddedSize = (bytes.count &+ 8) / 64 &* 64 &+ 64
    }

    /// Four bytes, the first of them the most significant; `offset` is a multiple of 4 below the padded size.
    func word(at offset: UInt64) -> UInt32 {
        if let word = bytes.word32(at: offset) { return word.byteSwapped }
        if offset == paddedSize &- 8 { return UInt32(truncatingIfNeeded: bytes.count >> 29) }
        if offset == paddedSize &- 4 { return UInt32(truncatingIfNeeded: bytes.count << 3) }
        var word: UInt32 = 0
        for index in offset..<offset &+ 4 {
            word = word << 8 | UInt32(bytes.byte(at: index) ?? (index == bytes.count ? 0x80 : 0))
        }
        return word
    }
}

extension UInt32 {
    /// ROTR.
    fileprivate func rotated(_ count: UInt32) -> UInt32 { self >> count | self << (32 &- count) }
}
