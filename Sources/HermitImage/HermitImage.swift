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

    /// The last entry in `archive` that is called `path`; nil if there is none, or it is not a file.
    private static func find(_ path: ByteView, in archive: ByteView) throws(Fault) -> TarEntry? {
        var reader = TarReader(archive)
        var found: TarEntry?
        while let entry = try reader.next() {
            if entry.path.isSame(as: path, in: archive) { found = entry }
        }
        return found?.kind == .file ? found : nil
    }

    /// The same for a name in hermit.toml.
    private static func find(_ name: TOMLString, in archive: ByteView) throws(Fault) -> TarEntry? {
        var bytes = InlineArray<1024, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        var count = 0
        var letters = name
        while let byte = letters.next() {
            // A path of this length is longer than any that an operating system takes.
            guard count < 1024 else { return nil }
            span[count] = byte
            count &+= 1
        }
        return try find(ByteView(span.asSpan().extracting(first: count)), in: archive)
    }
}
