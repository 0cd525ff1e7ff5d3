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

    /// How many links may lead to a file, as Linux has it (MAXSYMLINKS): each takes a walk through the archive.
    private static var linkLimit: Int { 40 }
    /// Longer than any path that an operating system takes.
    private static var pathLimit: Int { 1024 }

    /// The file in `archive` that is called `path`, or that links of this name lead to; nil if there is none.
    private static func find(_ path: ByteView, in archive: ByteView) throws(Fault) -> TarEntry? {
        guard var entry = try last(path, before: archive.count, in: archive) else { return nil }
        var bytes = InlineArray<1024, UInt8>(repeating: 0)
        var links = 0
        while entry.kind == .hardLink || entry.kind == .symbolicLink, links < linkLimit {
            links &+= 1
            var span = bytes.mutableSpan
            guard let count = entry.destination(in: archive, into: &span) else { return nil }
            let target = ByteView(span.asSpan().extracting(first: count))
            // A hard link is another name of what came before it, a symbolic one is looked up when all is there.
            let end = entry.kind == .hardLink ? entry.header : archive.count
            guard let next = try last(target, before: end, in: archive) else { return nil }
            entry = next
        }
        return entry.kind == .file ? entry : nil
    }

    /// The last entry in `archive` that is called `path` and whose header begins before `end`.
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
