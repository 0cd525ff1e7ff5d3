// gzip (RFC 1952): one member or several, one after the other.

public import Bytes
public import Diagnostics

/// Unpacks gzip.
public enum Gzip {
    /// The first two bytes of a member, as a little-endian word.
    static var magic: UInt32 { 0x8b1f }

    /// Whether `file` begins with gzip's magic number.
    public static func isGzip(_ file: ByteView) -> Bool { file.word32(at: 0).map { $0 & 0xffff == magic } ?? false }

    /// The number of unpacked bytes that the last member of `file` claims, modulo 2^32: the size of all, if it is the only member and
    /// the claim is true.
    public static func claimedSize(_ file: ByteView) -> UInt64 {
        guard file.count >= 4, let size = file.word32(at: file.count &- 4) else { return 0 }
        return UInt64(size)
    }

    /// Unpacks all members of `file` into `region`, from its first byte on. Returns the number of unpacked bytes; if that is more than
    /// the region holds, not all have been written, and no checksum has been compared. Zeros may follow the last member, as on tapes.
    ///
    /// Work is bounded by the size of `file`: each of its bytes is read once, and each bit gives at most 258 bytes.
    ///
    /// Throws `gzipHeaderUnknown`, `gzipTruncated`, `gzipChecksum`, `gzipTrailingBytes`, and the faults of deflated data.
    public static func unpack(_ file: ByteView, into region: consuming ByteRegion) throws(Fault) -> UInt64 {
        var output = UnpackedOutput(region)
        var inflater = Inflater()
        var tables = ChecksumTables()
        var reader = BitReader(file, at: 0)
        repeat {
            let start = reader.offset
            reader = BitReader(file, at: try endOfHeader(file, at: start, &tables))
            output.start = output.count
            try inflater.inflate(&reader, to: &output)
            reader.align()
            let trailer = reader.offset
            guard let word = file.word64(at: trailer) else { throw Fault(.gzipTruncated, value: file.count) }
            let (checksum, size) = (UInt32(truncatingIfNeeded: word), UInt32(truncatingIfNeeded: word >> 32))
            if !output.isFull {
                let (first, last) = (
                    UInt64(truncatingIfNeeded: output.start), UInt64(truncatingIfNeeded: output.count)
                )
                let found = tables.extend(0, output.region.contents, from: first, to: last)
                guard found == checksum else {
                    throw Fault(
                        .gzipChecksum, .offset(trailer), value: UInt64(found), limit: UInt64(checksum))
                }
            }
            let count = UInt32(truncatingIfNeeded: output.count &- output.start)
            guard count == size else {
                throw Fault(.gzipChecksum, .offset(trailer &+ 4), value: UInt64(count), limit: UInt64(size))
            }
            reader.skip(8)
        } while file.word32(at: reader.offset).map { $0 & 0xffff == magic } ?? false
        var offset = reader.offset
        while let byte = file.byte(at: offset) {
            guard byte == 0 else { throw Fault(.gzipTrailingBytes, .offset(offset)) }
            offset &+= 1
        }
        return UInt64(truncatingIfNeeded: output.count)
    }

    /// The offset of the data of the member whose header is at `start` (section 2.3).
    private static func endOfHeader(
        _ file: ByteView, at start: UInt64, _ tables: inout ChecksumTables
    ) throws(Fault) -> UInt64 {
        let header = try file.record(at: start, size: 10, else: .gzipTruncated, .none)
        let flags = header.u8(3)
        // The method is 8, and the three highest flags are reserved.
        guard header.u16(0) == magic, header.u8(2) == 8, flags & 0xe0 == 0 else {
            throw Fault(.gzipHeaderUnknown, .offset(start), value: UInt64(header.u8(2)), limit: UInt64(flags))
        }
        var end = start &+ 10
        if flags & 4 != 0 {
            let size = try file.record(at: end, size: 2, else: .gzipTruncated, .none).u16(0)
            end &+= 2 &+ UInt64(size)
        }
        // A name, and a comment.
        var strings = (flags >> 3 & 1) &+ (flags >> 4 & 1)
        while strings > 0 {
            guard let length = file.distance(to: 0, from: end) else { throw Fault(.gzipTruncated, value: file.count) }
            end &+= length &+ 1
            strings &-= 1
        }
        guard flags & 2 != 0 else { return end }
        let checksum = try file.record(at: end, size: 2, else: .gzipTruncated, .none).u16(0)
        let found = tables.extend(0, file, from: start, to: end) & 0xffff
        guard found == UInt32(checksum) else {
            throw Fault(.gzipChecksum, .offset(end), value: UInt64(found), limit: UInt64(checksum))
        }
        return end &+ 2
    }
}
