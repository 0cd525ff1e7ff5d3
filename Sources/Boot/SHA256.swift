// SHA-256 (FIPS 180-4, section 6.2), for `loader.sha256=`.
//
// Written here because no maintained implementation builds freestanding: swift-crypto's, BoringSSL, includes the C
// library's headers even without assembly, and the C libraries of distributions want a C library of their own
// does not enable for itself. The tests compare it with swift-crypto's.

public import Bytes

/// A SHA-256 digest.
public struct FileDigest: Equatable, Sendable {
    // The eight words of the hash value, the first of them the digest's first four bytes, most significant first.
    private var words: InlineArray<8, UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]

    /// The digest of `bytes`.
    @inline(never)
    public init(of bytes: ByteView) {
        let message = Message(bytes: bytes)
        var schedule = InlineArray<64, UInt32>(repeating: 0)
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
            add(schedule.span)
            offset &+= 64
        }
    }

    /// The digest that 64 hexadecimal digits write, in lower or upper case; nil where `digits` are not that.
    public init?(hexadecimal digits: ByteView) {
        guard digits.count == 64 else { return nil }
        var words = words.mutableSpan
        var index = 0
        while index < 64 {
            let digit = digits.digit(at: UInt64(truncatingIfNeeded: index))
            guard digit < 16 else { return nil }
            // Eight digits push out what was there.
            words[index >> 3] = words[index >> 3] << 4 | UInt32(digit)
            index &+= 1
        }
    }

    /// The first eight bytes, as a number whose hexadecimal digits are the digest's first sixteen.
    public var leading: UInt64 { UInt64(words.span[0]) << 32 | UInt64(words.span[1]) }

    /// Whether both are the same.
    public static func == (left: FileDigest, right: FileDigest) -> Bool {
        var difference: UInt32 = 0
        var index = 0
        while index < 8 {
            difference |= left.words.span[index] ^ right.words.span[index]
            index &+= 1
        }
        return difference == 0
    }

    /// One block: 64 rounds over its message schedule.
    @inline(never)
    private mutating func add(_ schedule: Span<UInt32>) {
        var words = words.mutableSpan
        var (a, b, c, d) = (words[0], words[1], words[2], words[3])
        var (e, f, g, h) = (words[4], words[5], words[6], words[7])
        var index = 0
        while index < 64 {
            let mixed = e.rotated(6) ^ e.rotated(11) ^ e.rotated(25)
            let choice = e & f ^ ~e & g
            let first = h &+ mixed &+ choice &+ FileDigest.constant(index) &+ schedule[index]
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

    /// The first 32 bits of the fractional part of the cube root of the prime at `index` (FIPS 180-4, section 4.2.2).
    private static func constant(_ index: Int) -> UInt32 {
        switch index {
        case 0: 0x428a_2f98
        case 1: 0x7137_4491
        case 2: 0xb5c0_fbcf
        case 3: 0xe9b5_dba5
        case 4: 0x3956_c25b
        case 5: 0x59f1_11f1
        case 6: 0x923f_82a4
        case 7: 0xab1c_5ed5
        case 8: 0xd807_aa98
        case 9: 0x1283_5b01
        case 10: 0x2431_85be
        case 11: 0x550c_7dc3
        case 12: 0x72be_5d74
        case 13: 0x80de_b1fe
        case 14: 0x9bdc_06a7
        case 15: 0xc19b_f174
        case 16: 0xe49b_69c1
        case 17: 0xefbe_4786
        case 18: 0x0fc1_9dc6
        case 19: 0x240c_a1cc
        case 20: 0x2de9_2c6f
        case 21: 0x4a74_84aa
        case 22: 0x5cb0_a9dc
        case 23: 0x76f9_88da
        case 24: 0x983e_5152
        case 25: 0xa831_c66d
        case 26: 0xb003_27c8
        case 27: 0xbf59_7fc7
        case 28: 0xc6e0_0bf3
        case 29: 0xd5a7_9147
        case 30: 0x06ca_6351
        case 31: 0x1429_2967
        case 32: 0x27b7_0a85
        case 33: 0x2e1b_2138
        case 34: 0x4d2c_6dfc
        case 35: 0x5338_0d13
        case 36: 0x650a_7354
        case 37: 0x766a_0abb
        case 38: 0x81c2_c92e
        case 39: 0x9272_2c85
        case 40: 0xa2bf_e8a1
        case 41: 0xa81a_664b
        case 42: 0xc24b_8b70
        case 43: 0xc76c_51a3
        case 44: 0xd192_e819
        case 45: 0xd699_0624
        case 46: 0xf40e_3585
        case 47: 0x106a_a070
        case 48: 0x19a4_c116
        case 49: 0x1e37_6c08
        case 50: 0x2748_774c
        case 51: 0x34b0_bcb5
        case 52: 0x391c_0cb3
        case 53: 0x4ed8_aa4a
        case 54: 0x5b9c_ca4f
        case 55: 0x682e_6ff3
        case 56: 0x748f_82ee
        case 57: 0x78a5_636f
        case 58: 0x84c8_7814
        case 59: 0x8cc7_0208
        case 60: 0x90be_fffa
        case 61: 0xa450_6ceb
        case 62: 0xbef9_a3f7
        default: 0xc671_78f2
        }
    }
}

/// The bytes, a one bit, zeros, and the number of bits in eight bytes: a multiple of 64 bytes (FIPS 180-4, section 5.1.1).
private struct Message: ~Escapable {
    private let bytes: ByteView
    let paddedSize: UInt64

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
