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
        var schedule = InlineArray<64, UInt32>(repeating: 0)
        for offset in stride(from: 0, to: message.paddedSize, by: 64) {
            var words = schedule.mutableSpan
            for index in 0..<16 {
                words[index] = message.word(at: offset &+ UInt64(truncatingIfNeeded: index) &* 4)
            }
            for index in 16..<64 {
                let (x, y) = (words[index &- 15], words[index &- 2])
                let first = x.rotated(7) ^ x.rotated(18) ^ x >> 3
                let second = y.rotated(17) ^ y.rotated(19) ^ y >> 10
                words[index] = words[index &- 16] &+ first &+ words[index &- 7] &+ second
            }
            add(schedule.span)
        }
    }

    /// The digest in `digits`, 64 hexadecimal digits in either case; nil if they are something else.
    public init?(hexadecimal digits: ByteView) {
        guard digits.count == 64 else { return nil }
        var words = words.mutableSpan
        for index in 0..<64 {
            let digit = digits.digit(at: UInt64(truncatingIfNeeded: index))
            guard digit < 16 else { return nil }
            // Each word is shifted by eight digits.
            words[index >> 3] = words[index >> 3] << 4 | UInt32(digit)
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
    private mutating func add(_ schedule: Span<UInt32>) {
        let constants = FileDigest.constants.span
        var words = words.mutableSpan
        var (a, b, c, d) = (words[0], words[1], words[2], words[3])
        var (e, f, g, h) = (words[4], words[5], words[6], words[7])
        for index in 0..<64 {
            let mixed = e.rotated(6) ^ e.rotated(11) ^ e.rotated(25)
            let choice = e & f ^ ~e & g
            let first = h &+ mixed &+ choice &+ constants[index] &+ schedule[index]
            let major = a & b ^ a & c ^ b & c
            let second = (a.rotated(2) ^ a.rotated(13) ^ a.rotated(22)) &+ major
            (h, g, f, e) = (g, f, e, d &+ first)
            (d, c, b, a) = (c, b, a, first &+ second)
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

    /// The constants of the rounds (FIPS 180-4, section 4.2.2): the first 32 bits of the fractional parts of the cube roots of the first
    /// 64 primes.
    private static let constants: InlineArray<64, UInt32> = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]
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
