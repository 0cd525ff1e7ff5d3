// Tape archives: ustar and pax (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"), and GNU's long names and
// large numbers.

public import Bytes
public import Diagnostics

/// The kinds of entry in an archive.
public enum TarKind: UInt8, Sendable {
    /// A file with bytes.
    case file
    /// Another name of an earlier entry.
    case hardLink
    /// A symbolic link.
    case symbolicLink
    /// A folder.
    case folder
    /// A device or a pipe.
    case device
    /// Any other kind.
    case other
}

/// An entry of an archive.
public struct TarEntry: Equatable, Sendable {
    /// The kind of entry.
    public let kind: TarKind
    /// The offset of its own header in the archive, after the headers that extend it.
    public let header: UInt64
    /// Its name.
    public let path: TarPath
    /// The target of a link; empty if it is not a link.
    public let target: TarPath
    /// The offset of its bytes, and their number.
    public let start: UInt64, size: UInt64
    /// The permissions, as for chmod.
    public let mode: UInt64
}

/// Reads the entries of an archive. Each step moves on by at least one header, so an archive of n bytes takes at most n / 512 steps.
public struct TarReader: ~Escapable {
    /// The archive.
    public let archive: ByteView
    private var offset: UInt64 = 0

    /// The entries of `archive`.
    @_lifetime(copy archive)
    public init(_ archive: ByteView) { self.archive = archive }

    /// The size of headers in bytes; entries are padded to a multiple of it.
    static var blockSize: UInt64 { 512 }

    /// Whether `file` begins with a header of an archive.
    public static func isArchive(_ file: ByteView) -> Bool {
        guard let header = try? file.record(at: 0, size: blockSize, else: .tarTruncated, .none) else { return false }
        return header.u8(0) != 0 && (try? checksum(header, at: 0)) != nil
    }

    /// The next entry; nil at the end of the archive, or at a block of zeros.
    ///
    /// Throws `tarTruncated`, `tarChecksum`, `tarNumber`, `tarRecord`, `tarEntryUnknown` and `tarPathOutside`.
    @_lifetime(self: copy self)
    public mutating func next() throws(Fault) -> TarEntry? {
        var extensions = Extensions()
        while true {
            let start = offset
            // An archive may end without the required blocks of zeros.
            var isEnd = start == archive.count
            if !isEnd { isEnd = try isZero(at: start) }
            guard !isEnd else {
                guard extensions.isEmpty else { throw Fault(.tarTruncated, .archive(start), limit: archive.count) }
                return nil
            }
            let header = try archive.record(at: start, size: TarReader.blockSize, else: .tarTruncated, .archive(start))
            try TarReader.checksum(header, at: start)
            let type = header.u8(156)
            var size = try number(in: start &+ 124)
            let data = start &+ TarReader.blockSize
            let isExtension = type == UInt8(ascii: "x") || type == UInt8(ascii: "g")
            let isLong = type == UInt8(ascii: "L") || type == UInt8(ascii: "K")
            if !isExtension, !isLong, let real = extensions.size { size = real }
            let kind = try kind(type, at: start)
            if kind != .file, kind != .other { size = 0 }
            guard archive.contains(data, size),
                let end = data.addingReportingOverflow(size).partialValue.roundedToBlock, end <= archive.count
            else { throw Fault(.tarTruncated, .archive(start), value: size, limit: archive.count) }
            offset = end
            if isExtension {
                try extensions.read(archive, from: data, size: size, isGlobal: type == UInt8(ascii: "g"))
                continue
            }
            if isLong {
                let path = TarPath(at: data, size: stringLength(data, limit: size))
                if type == UInt8(ascii: "L") { extensions.longName = path } else { extensions.longTarget = path }
                continue
            }
            var path =
                extensions.path ?? extensions.longName ?? TarPath(at: start, size: stringLength(start, limit: 100))
            // In GNU's old format these bytes mean something else.
            if extensions.path == nil, extensions.longName == nil, header.u64(257) & 0xffff_ffff_ffff == 0x72_6174_7375
            {
                path.prepend(start &+ 345, size: stringLength(start &+ 345, limit: 155))
            }
            guard !path.leavesRoot(in: archive) else { throw Fault(.tarPathOutside, .archive(start)) }
            let isLink = kind == .hardLink || kind == .symbolicLink
            let target =
                extensions.target ?? extensions.longTarget
                ?? TarPath(at: start &+ 157, size: stringLength(start &+ 157, limit: 100))
            return TarEntry(
                kind: kind == .file && path.isFolder(in: archive) ? .folder : kind, header: start, path: path,
                target: isLink ? target : TarPath(at: 0, size: 0), start: data, size: size,
                mode: (try? number(octal: start &+ 100, size: 8)) ?? 0)
        }
    }

    /// The kind of an entry of `type`, whose header is at `start`.
    private func kind(_ type: UInt8, at start: UInt64) throws(Fault) -> TarKind {
        switch type {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): return .file
        case UInt8(ascii: "1"): return .hardLink
        case UInt8(ascii: "2"): return .symbolicLink
        case UInt8(ascii: "5"): return .folder
        case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"): return .device
        // Sparse files, and continuations from another tape: the bytes that follow do not match the size.
        case UInt8(ascii: "S"), UInt8(ascii: "M"): throw Fault(.tarEntryUnknown, .archive(start), value: UInt64(type))
        default: return .other
        }
    }

    /// Whether the header at `start` is all zeros.
    private func isZero(at start: UInt64) throws(Fault) -> Bool {
        let header = try archive.record(at: start, size: TarReader.blockSize, else: .tarTruncated, .archive(start))
        for offset in stride(from: 0, to: 512, by: 8) {
            guard header.u64(offset) == 0 else { return false }
        }
        return true
    }

    /// Checks the sum of a header's bytes; the bytes of the sum itself count as spaces. Throws `tarChecksum` or `tarNumber`.
    private static func checksum(_ header: borrowing Record, at start: UInt64) throws(Fault) {
        var sum: UInt64 = 0
        for offset in stride(from: 0, to: 512, by: 8) {
            let word = header.u64(offset)
            // Four sums of 16 bits: 128 bytes each.
            sum &+= word & 0xff_00ff_00ff_00ff &+ word >> 8 & 0xff_00ff_00ff_00ff
        }
        sum = sum & 0xffff &+ sum >> 16 & 0xffff &+ sum >> 32 & 0xffff &+ sum >> 48
        var wanted: UInt64 = 0
        var isNumber = false
        for offset in 148..<156 {
            let byte = header.u8(offset)
            sum = sum &- UInt64(byte) &+ 0x20
            if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "7") {
                wanted = wanted << 3 | UInt64(byte & 7)
                isNumber = true
            } else if byte != 0x20, byte != 0 {
                throw Fault(.tarNumber, .archive(start &+ 148))
            }
        }
        guard isNumber, sum == wanted else {
            throw Fault(.tarChecksum, .archive(start), value: sum, limit: wanted)
        }
    }

    /// The number in the field of 12 bytes at `field`: octal, or big-endian if the first bit is set. Throws `tarNumber`.
    private func number(in field: UInt64) throws(Fault) -> UInt64 {
        let bytes = try archive.record(at: field, size: 12, else: .tarTruncated, .archive(field))
        guard bytes.u8(0) & 0x80 != 0 else { return try number(octal: field, size: 12) }
        // The field has a sign and 95 bits; numbers of more than 63 are refused.
        guard bytes.u32(0) == 0x80, bytes.u8(4) & 0x80 == 0 else { throw Fault(.tarNumber, .archive(field)) }
        return bytes.u64(4).byteSwapped
    }

    /// The octal number in the field of `size` bytes at `field`, after spaces, and before a space or a NUL. Throws `tarNumber`.
    private func number(octal field: UInt64, size: UInt64) throws(Fault) -> UInt64 {
        var offset = field
        let end = field &+ size
        while offset < end, archive.byte(at: offset) == 0x20 { offset &+= 1 }
        var number: UInt64 = 0
        while offset < end, let byte = archive.byte(at: offset), byte != 0x20, byte != 0 {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "7") else { throw Fault(.tarNumber, .archive(field)) }
            // Twelve digits are 36 bits.
            number = number << 3 | UInt64(byte & 7)
            offset &+= 1
        }
        return number
    }

    /// The length of the string at `start`, which ends with a NUL or after `limit` bytes.
    private func stringLength(_ start: UInt64, limit: UInt64) -> UInt64 {
        guard limit > 0, let length = archive.distance(to: 0, from: start, limit: limit &- 1) else { return limit }
        return length
    }
}

/// The extensions of an entry by headers before its own.
private struct Extensions {
    /// Records of pax.
    var path: TarPath?, target: TarPath?, size: UInt64?
    /// GNU's entries L and K.
    var longName: TarPath?, longTarget: TarPath?

    /// Whether there are none.
    var isEmpty: Bool { path == nil && target == nil && size == nil && longName == nil && longTarget == nil }

    /// Reads the records of the pax header whose data are `size` bytes at `start`. A global header, for all entries that follow, must
    /// not contain a name or a size. Throws `tarRecord`, and `tarEntryUnknown` for a sparse file.
    mutating func read(_ archive: ByteView, from start: UInt64, size: UInt64, isGlobal: Bool) throws(Fault) {
        let end = start &+ size
        var offset = start
        while offset < end {
            let record = Fault(.tarRecord, .archive(offset))
            // A length, a space, a key, an equals sign, a value and a line feed; the length counts all of that.
            var length: UInt64 = 0
            var position = offset
            while position < end, let byte = archive.byte(at: position), byte >= 0x30, byte <= 0x39 {
                length = length &* 10 &+ UInt64(byte & 15)
                guard length <= size else { throw record }
                position &+= 1
            }
            let next = offset &+ length
            guard position > offset, archive.byte(at: position) == 0x20, next <= end, next > position &+ 2,
                archive.byte(at: next &- 1) == UInt8(ascii: "\n"),
                let key = archive.distance(
                    to: UInt8(ascii: "="), from: position &+ 1, limit: next &- position &- 3), key > 0
            else { throw record }
            let value = position &+ key &+ 2
            let name = archive.part(at: position &+ 1, size: key)
            offset = next
            try apply(name, archive, value, size: next &- 1 &- value, isGlobal: isGlobal)
        }
    }

    private mutating func apply(
        _ key: ByteView, _ archive: ByteView, _ value: UInt64, size: UInt64, isGlobal: Bool
    ) throws(Fault) {
        let isPath = key.isSame(as: "path")
        if isPath || key.isSame(as: "linkpath") {
            guard !isGlobal, size == 0 || archive.distance(to: 0, from: value, limit: size &- 1) == nil else {
                throw Fault(.tarRecord, .archive(value))
            }
            // An empty value cancels an earlier record.
            let named = size == 0 ? nil : TarPath(at: value, size: size)
            if isPath { path = named } else { target = named }
        } else if key.isSame(as: "size") {
            guard !isGlobal else { throw Fault(.tarRecord, .archive(value)) }
            var number: UInt64 = 0
            for offset in value..<value &+ size {
                let digit = UInt64(archive.byte(at: offset) ?? 0) &- 0x30
                guard digit < 10, number <= 1 << 59 else { throw Fault(.tarRecord, .archive(value)) }
                number = number &* 10 &+ digit
            }
            self.size = size == 0 ? nil : number
        } else if key.count > 11, key.holds("GNU.sparse.") {
            throw Fault(.tarEntryUnknown, .archive(value), value: UInt64(UInt8(ascii: "x")))
        }
    }
}

extension UInt64 {
    /// The number rounded up to whole blocks; nil if that does not fit in 64 bits.
    fileprivate var roundedToBlock: UInt64? {
        let (sum, overflow) = addingReportingOverflow(511)
        return overflow ? nil : sum & ~511
    }
}
