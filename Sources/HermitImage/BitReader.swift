// Bits of a deflated stream, least significant first (RFC 1951, section 3.1.1).

import Bytes
import Diagnostics

/// Bytes read as bits. There are no bits past the end: to take more than there are is a fault.
struct BitReader: ~Escapable {
    /// The bytes.
    let input: ByteView
    /// The offset of the first byte that has not been taken into `bits`.
    private(set) var position: UInt64
    /// The next bits. Those above the first `count` are the bits that follow, or zeros.
    private(set) var bits: UInt64 = 0
    /// The number of valid bits.
    private(set) var count: UInt64 = 0

    /// The bits of `input` from `position` on.
    @_lifetime(copy input)
    init(_ input: ByteView, at position: UInt64) {
        self.input = input
        self.position = position
    }

    /// The offset of the byte that holds the next bit.
    var offset: UInt64 { position &- count >> 3 }

    /// Takes as many bytes as there is room for. Then at least 56 bits are valid, unless the input ends.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func refill() {
        if let word = input.word64(at: position) {
            // Bits above `count` that are already there are the same.
            bits |= word &<< count
            position &+= (63 &- count) >> 3
            count |= 56
        } else {
            refillAtEnd()
        }
    }

    @_lifetime(self: copy self)
    private mutating func refillAtEnd() {
        bits &= 1 &<< count &- 1
        while count <= 56, let byte = input.byte(at: position) {
            bits |= UInt64(byte) &<< count
            position &+= 1
            count &+= 8
        }
    }

    /// Drops `length` bits, at most `count`.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func drop(_ length: UInt64) {
        bits &>>= length
        count &-= length
    }

    /// The next `length` bits, at most 16. Throws `gzipTruncated`.
    @_lifetime(self: copy self)
    mutating func take(_ length: UInt64) throws(Fault) -> Int {
        if count < length {
            refill()
            guard count >= length else { throw truncated }
        }
        let value = Int(truncatingIfNeeded: bits & (1 &<< length &- 1))
        drop(length)
        return value
    }

    /// Drops bits up to the next byte, and gives back bytes that were taken too early: `position` is the offset of that byte.
    @_lifetime(self: copy self)
    mutating func align() {
        position = offset
        (bits, count) = (0, 0)
    }

    /// Skips `size` bytes from the next byte on, after `align`.
    @_lifetime(self: copy self)
    mutating func skip(_ size: UInt64) { position &+= size }

    /// The fault of a stream that ends too early.
    var truncated: Fault { Fault(.gzipTruncated, value: input.count) }
}
