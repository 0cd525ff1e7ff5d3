// An unpacked Hermit image: an archive with hermit.toml at its root, which names the kernel.

public import Bytes
public import Diagnostics

/// An archive, its configuration, and its kernel.
public struct HermitImage: ~Escapable {
    /// The archive.
    public let archive: ByteView
    /// The contents of hermit.toml.
    public let config: HermitConfig
    /// The kernel's entry.
    public let kernel: TarEntry

    /// Whether `file` is an image, packed or not, by its first bytes.
    public static func isImage(_ file: ByteView) -> Bool { Gzip.isGzip(file) || TarReader.isArchive(file) }

    /// Reads `archive`, which is unpacked. Throws the faults of `TarReader` and `HermitConfig`, `configurationMissing` and
    /// `kernelNotInArchive`.
    @_lifetime(copy archive)
    public init(_ archive: ByteView) throws(Fault) {
        self.archive = archive
        guard let entry = try HermitImage.find(ByteView("hermit.toml"), in: archive) else {
            throw Fault(.configurationMissing)
        }
        config = try HermitConfig(archive.part(at: entry.start, size: entry.size))
        guard let kernel = try HermitImage.find(config.kernel, in: archive) else { throw config.kernelFault }
        self.kernel = kernel
    }

    /// How many links may lead to a file, as on Linux (MAXSYMLINKS): each takes a walk or two through the archive.
    private static var linkLimit: Int { 40 }
    /// Longer than any path that an operating system accepts.
    private static var pathLimit: Int { 1024 }

    /// What a path refers to: a file, another path, or nothing.
    private enum Meaning {
        case file(TarEntry), nothing
        /// Another path of `count` bytes, whose entry begins before `end`.
        case path(count: Int, end: UInt64)
    }

    /// The file in `archive` with the name `path`, or to which that name leads through links; nil if there is none.
    private static func find(_ path: ByteView, in archive: ByteView) throws(Fault) -> TarEntry? {
        var (here, there) = (InlineArray<1024, UInt8>(repeating: 0), InlineArray<1024, UInt8>(repeating: 0))
        var span = here.mutableSpan
        var meaning = try meaning(of: path, before: archive.count, in: archive, next: &span)
        var links = 0
        while case .path(let count, let end) = meaning {
            guard links < linkLimit else { return nil }
            links &+= 1
            let from = here.mutableSpan
            var to = there.mutableSpan
            meaning = try HermitImage.meaning(
                of: ByteView(from.asSpan().extracting(first: count)), before: end, in: archive, next: &to)
            swap(&here, &there)
        }
        guard case .file(let entry) = meaning else { return nil }
        return entry
    }

    /// What `path` refers to among the entries that begin before `end`. If that is another path, it is written to `next`.
    private static func meaning(
        of path: ByteView, before end: UInt64, in archive: ByteView, next: inout MutableSpan<UInt8>
    ) throws(Fault) -> Meaning {
        if let entry = try last(path, before: end, in: archive) {
            if entry.kind == .file { return .file(entry) }
            guard entry.kind == .hardLink || entry.kind == .symbolicLink,
                let count = entry.destination(in: archive, then: path.part(at: 0, size: 0), into: &next)
            else { return .nothing }
            // A hard link names an earlier entry; a symbolic link may name any entry.
            return .path(count: count, end: entry.kind == .hardLink ? entry.header : archive.count)
        }
        guard let (entry, rest) = try linkOfFolder(path, in: archive),
            let count = entry.destination(
                in: archive, then: path.part(at: rest, size: path.count &- rest), into: &next)
        else { return .nothing }
        return .path(count: count, end: end)
    }

    /// The symbolic link that replaces a folder of `path`, the first such one, and the offset of the rest in `path`; nil if there is none.
    private static func linkOfFolder(
        _ path: ByteView, in archive: ByteView
    ) throws(Fault) -> (entry: TarEntry, rest: UInt64)? {
        // Whether the folder before each rest of the path is a link. If several entries have one name, the last counts.
        var isLink = InlineArray<1024, Bool>(repeating: false)
        var isLinkBefore = isLink.mutableSpan
        var reader = TarReader(archive)
        while let entry = try reader.next() {
            guard let rest = folder(entry, of: path, in: archive) else { continue }
            isLinkBefore[rest] = entry.kind == .symbolicLink
        }
        var first = 0
        while first < pathLimit, !isLinkBefore[first] { first &+= 1 }
        guard first < pathLimit else { return nil }
        reader = TarReader(archive)
        var found: (entry: TarEntry, rest: UInt64)?
        while let entry = try reader.next() {
            if folder(entry, of: path, in: archive) == first { found = (entry, UInt64(first)) }
        }
        return found
    }

    /// The offset in `path` of what follows the folder with the name of `entry`; nil if it is no folder of it.
    private static func folder(_ entry: TarEntry, of path: ByteView, in archive: ByteView) -> Int? {
        guard let rest = entry.path.rest(of: path, in: archive), rest > 0, rest < UInt64(pathLimit) else { return nil }
        var name = rest
        return path.nextComponent(from: &name) > 0 ? Int(rest) : nil
    }

    /// The last entry in `archive` with the name `path` and a header that begins before `end`.
    private static func last(_ path: ByteView, before end: UInt64, in archive: ByteView) throws(Fault) -> TarEntry? {
        var reader = TarReader(archive)
        var found: TarEntry?
        while let entry = try reader.next(), entry.header < end {
            if entry.path.isSame(as: path, in: archive) { found = entry }
        }
        return found
    }

    /// The same for a name in hermit.toml.
    private static func find(_ name: TOMLString, in archive: ByteView) throws(Fault) -> TarEntry? {
        var bytes = InlineArray<1024, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        var count = 0
        var letters = name
        while let byte = letters.next() {
            guard count < pathLimit else { return nil }
            span[count] = byte
            count &+= 1
        }
        return try find(ByteView(span.asSpan().extracting(first: count)), in: archive)
    }
}
