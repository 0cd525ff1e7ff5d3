// Choices made by a fuzzer's bytes.

/// Takes numbers off the front of some bytes; zeros once they are used up.
public struct ByteSource {
    private let bytes: [UInt8]
    private var position = 0

    /// Choices from `bytes`.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether all bytes were used.
    public var isEmpty: Bool { position >= bytes.count }
    /// The bytes that are left.
    public var rest: [UInt8] { Array(bytes[min(position, bytes.count)...]) }

    /// The next byte.
    public mutating func byte() -> UInt8 {
        defer { position += 1 }
        return position < bytes.count ? bytes[position] : 0
    }

    /// The next number of eight bytes.
    public mutating func word() -> UInt64 {
        (0..<8).reduce(0) { sum, index in sum | UInt64(byte()) << UInt64(8 * index) }
    }

    /// A number up to `limit`.
    public mutating func number(upTo limit: UInt64) -> UInt64 {
        let value = limit < 256 ? UInt64(byte()) : limit < 65536 ? UInt64(byte()) | UInt64(byte()) << 8 : word()
        return limit == .max ? value : value % (limit + 1)
    }

    /// A number whose size the bytes choose, possibly counted back from 2^64: this makes edges likely.
    public mutating func address() -> UInt64 {
        let choice = byte()
        let value = word() >> UInt64(choice & 63)
        switch choice >> 6 {
        case 0: return value
        case 1: return value & ~0xfff
        case 2: return 0 &- value
        default: return 1 << (value & 63)
        }
    }
}
