// The contents of a Hermit image.

import Bytes
import Diagnostics
import HermitImage

/// The view of an image's entries.
enum ImageViews {
    /// The entries of `file`, in the order of the archive; of several of a name the last one counts. Throws `Fault`.
    static func files(_ file: InputFile, to destination: ViewTarget) throws {
        guard ImageFile.isImage(file) else {
            throw Failure("\(printable(destination.file)) is no Hermit image: neither gzip nor tar", status: 1)
        }
        let archive = try ImageFile.archive(file)
        let view = ByteView(archive.bytes)
        let entries = try entries(view)
        let kernel = kernel(view)
        var last: [String: UInt64] = [:]
        for entry in entries { last[key(entry, view)] = entry.header }
        var listing = destination.listing(
            "files",
            [
                Column("offset", "offset", 10, right: true), Column("size", "size", 10, right: true),
                Column("mode", "mode", 4, right: true), Column("kind", "kind", 12), Column("role", "role", 13),
                Column("name", "name", 24), Column("target", "target", 8),
            ], facts: [("archiveSize", "\(view.count)")])
        for entry in entries {
            listing.hex(entry.start)
            listing.decimal(entry.size)
            listing.text(String(entry.mode & 0o7777, radix: 8))
            listing.text("\(entry.kind)")
            let isLast = last[key(entry, view)] == entry.header
            let isConfiguration = entry.kind == .file && key(entry, view) == "hermit.toml"
            let role =
                !isLast
                ? "replaced" : entry == kernel ? "kernel" : isConfiguration ? "configuration" : nil
            if let role { listing.text(role) } else { listing.none() }
            let (name, target) = (entry.path.text(in: view), entry.target.text(in: view))
            listing.text(destination.json ? name : printable(name))
            if target.isEmpty { listing.none() } else { listing.text(destination.json ? target : printable(target)) }
        }
        listing.end()
    }

    /// All entries of `archive`. Throws a `Refusal`.
    static func entries(_ archive: ByteView) throws(Refusal) -> [TarEntry] {
        var entries: [TarEntry] = []
        var reader = TarReader(archive)
        do throws(Fault) {
            while let entry = try reader.next() { entries.append(entry) }
        } catch { throw Refusal(error, archive) }
        return entries
    }

    /// The kernel's entry; nil if the image is not sound.
    private static func kernel(_ archive: ByteView) -> TarEntry? {
        guard let image = try? HermitImage(archive) else { return nil }
        return image.kernel
    }

    /// The name without `.` and empty components.
    static func key(_ entry: TarEntry, _ archive: ByteView) -> String {
        entry.path.text(in: archive).split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }
}
