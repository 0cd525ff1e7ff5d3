// Writes Hermit images byte by byte: ustar archives, and gzip without compression.

/// A Hermit image, sound or not.
public struct ImageWriter: Sendable {
    /// hermit.toml; nil leaves it out.
    public var configuration: String?
    /// The other entries: names and bytes.
    public var files: [(name: String, bytes: [UInt8])]

    /// An image of `kernel`, called `app`, with `more` in its hermit.toml.
    public init(_ kernel: [UInt8], _ more: String = "") {
        configuration = "version = \"1\"\nkernel = \"app\"\n" + more
        files = [("app", kernel)]
    }

    /// The archive.
    public var archive: [UInt8] {
        var bytes: [UInt8] = []
        for (name, contents) in (configuration.map { [("hermit.toml", Array($0.utf8))] } ?? []) + files {
            bytes += ImageWriter.header(name, size: contents.count) + contents
            bytes += [UInt8](repeating: 0, count: -contents.count & 511)
        }
        return bytes + [UInt8](repeating: 0, count: 1024)
    }

    /// The archive, packed.
    public var packed: [UInt8] { ImageWriter.gzip(archive) }

    /// A ustar header; `target` is a link's target.
    public static func header(_ name: String, size: Int, type: Character = "0", target: String = "") -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put("0000755", at: 100)
        put(octal(size, 11), at: 124)
        put("00000000000", at: 136)
        put(String(type), at: 156)
        put(target, at: 157)
        put("ustar\u{0}00", at: 257)
        put("        ", at: 148)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\u{0}", at: 148)
        return header
    }

    /// `bytes` in stored blocks.
    public static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var packed: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
        var start = 0
        repeat {
            let size = min(bytes.count - start, 65535)
            let isLast = start + size == bytes.count
            packed += [isLast ? 1 : 0] + littleEndian(UInt16(size)) + littleEndian(~UInt16(size))
            packed += bytes[start..<start + size]
            start += size
        } while start < bytes.count
        return packed + littleEndian(checksum(bytes)) + littleEndian(UInt32(truncatingIfNeeded: bytes.count))
    }

    /// CRC-32.
    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { $0 >> 8 ^ remainders[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }

    /// The remainder of each byte, computed bit by bit.
    private static let remainders = (0..<256 as Range<UInt32>).map { byte in
        (0..<8).reduce(byte) { word, _ in word >> 1 ^ (word & 1 == 0 ? 0 : 0xedb8_8320) }
    }
}
