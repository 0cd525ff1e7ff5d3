// The fuzz targets of Hermit images and of their parts.

import Bytes
import Diagnostics
import HermitImage
import TestSupport

extension FuzzTarget {
    /// The bytes are deflated data, or a whole member.
    static func gzip(_ bytes: [UInt8]) -> [String] {
        var source = ByteSource(bytes)
        let size = Int(source.number(upTo: 65535))
        let rest = source.rest
        let file = rest.starts(with: [0x1f, 0x8b]) ? rest : [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255] + rest
        var room = GuardedBytes(count: size)
        var violations: [String] = []
        do throws(Fault) {
            try room.write(at: 0) { region throws(Fault) in
                let part = region.part(0, size: UInt64(size))
                guard let part else { return }
                let count = try Gzip.unpack(ByteView(file.span), into: part)
                if count > UInt64(file.count) * 1032 * 2 { violations.append("more bytes than bits can stand for") }
            }
        } catch {}
        if !room.isIntact { violations.append("bytes were written outside the room") }
        return violations
    }

    /// The bytes are an archive, or follow a header.
    static func tar(_ bytes: [UInt8]) -> [String] {
        var violations: [String] = []
        for file in [bytes, ImageWriter.header("x", size: min(bytes.count, 512), type: "x") + bytes] {
            let view = ByteView(file.span)
            var reader = TarReader(view)
            var count = 0
            do throws(Fault) {
                while let entry = try reader.next() {
                    count += 1
                    if !view.contains(entry.start, entry.size) { violations.append("an entry outside the archive") }
                    if entry.path.count > view.count * 2 { violations.append("a name longer than the archive") }
                    _ = entry.path.isSame(as: entry.target, in: view)
                }
            } catch {}
            if let image = try? HermitImage(view), !view.contains(image.kernel.start, image.kernel.size) {
                violations.append("a kernel outside the archive")
            }
            if count > file.count / 512 { violations.append("more entries than blocks") }
        }
        return violations
    }

    /// The bytes are hermit.toml.
    static func configuration(_ bytes: [UInt8]) -> [String] {
        do throws(Fault) {
            let config = try HermitConfig(ByteView(bytes.span))
            var violations: [String] = []
            for strings in 0..<3 {
                var list = strings == 0 ? config.kernelArguments : strings == 1 ? config.arguments : config.variables
                var (items, size) = (0, 0)
                while var item = list.next() {
                    items += 1
                    while let byte = item.next() {
                        size += 1
                        if byte == 0 { violations.append("a NUL in an argument") }
                    }
                }
                if items + size > bytes.count { violations.append("more text than there is") }
            }
            return violations
        } catch {
            let isPlace = error.rule == .configurationIncomplete || error.value > 0 && error.limit > 0
            return isPlace ? [] : ["a fault without a line"]
        }
    }

    /// The bytes are an image, or its hermit.toml.
    static func image(_ bytes: [UInt8]) -> [String] {
        if HermitImage.isImage(ByteView(bytes.span)) { return WatchedBoot(image: bytes).violations }
        var writer = ImageWriter(imageKernel)
        writer.configuration = String(decoding: bytes, as: UTF8.self)
        return WatchedBoot(image: writer.archive, commandLine: "loader env=A=b").violations
    }

    private static let imageKernel = SmallFile().bytes

    /// Sound images, and their parts.
    static var imageSeeds: [[UInt8]] {
        var full = ImageWriter(
            imageKernel,
            "[input]\nkernel_args = [\"-freq\", '1']\napp_args = [\"a b\", \"\\u00e9\"]\nenv_vars = [\"A=b\"]\n"
                + "[requirements]\nmemory = \"1.5 MiB\"\ncpus = 0x1\n")
        let small = [ImageWriter(imageKernel).packed, full.archive, Array((full.configuration ?? "").utf8)]
        full.files.append(("./folder/other", [1, 2, 3]))
        // A kernel in a folder that is a link, and itself a link.
        var linked = ImageWriter(imageKernel)
        linked.configuration = "version = \"1\"\nkernel = \"bin/app\"\n"
        let links =
            ImageWriter.header("bin", size: 0, type: "2", target: "usr")
            + ImageWriter.header("usr/app", size: 0, type: "2", target: "/app")
        return small + [full.packed, links + linked.archive, ImageWriter.gzip(links + linked.archive)]
    }
}
