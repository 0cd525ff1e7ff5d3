// Hermit images that break a rule, and the images that follow the advice.

import Diagnostics
import TestSupport

extension AdviceTests {
    /// Faults of Hermit images.
    static func addImages(to cases: inout AdviceCases) {
        let image = ImageWriter(application())
        let sound = Call(file: image.packed)
        func add(_ rule: Rule, _ broken: [UInt8], _ followed: Call? = nil, options: [String] = []) {
            cases.add(rule, Call(file: broken, options: options), followed ?? sound)
        }
        func with(_ change: (inout ImageWriter) -> Void) -> [UInt8] {
            var image = image
            change(&image)
            return image.archive
        }
        func tar(_ offset: Int, _ bytes: String) -> [UInt8] {
            // The first header, changed, with a correct checksum.
            var archive = image.archive
            archive.replaceSubrange(offset..<offset + bytes.utf8.count, with: Array(bytes.utf8))
            archive.replaceSubrange(148..<156, with: Array("        ".utf8))
            let digits = String(archive[..<512].reduce(0) { $0 + Int($1) }, radix: 8)
            archive.replaceSubrange(
                148..<155, with: Array((String(repeating: "0", count: 6 - digits.count) + digits + "\0").utf8))
            return archive
        }
        let packed = image.packed
        add(.gzipHeaderUnknown, packed.putting(7 as UInt8, at: 2))
        add(.gzipTruncated, Array(packed.dropLast()))
        add(.gzipChecksum, packed.putting(0 as UInt32, at: packed.count - 8))
        add(.gzipTrailingBytes, packed + [1])
        add(.deflateBlockUnknown, packed.putting(7 as UInt8, at: 10))
        add(.deflateStoredLength, packed.putting(packed[11] ^ 1, at: 11))
        add(.deflateCodeLengths, Array(packed.prefix(10)) + [UInt8](repeating: 0xfd, count: 20))
        add(.deflateSymbolUnknown, Array(packed.prefix(10)) + [0x1b, 0x03] + [UInt8](repeating: 0, count: 20))
        add(.deflateDistance, Array(packed.prefix(10)) + [0x03, 0x02] + [UInt8](repeating: 0, count: 20))
        add(.tarTruncated, Array(image.archive.prefix(900)))
        add(.tarChecksum, ImageWriter.gzip(image.archive.putting(1 as UInt8, at: 20)))
        add(.tarNumber, tar(124, "9"))
        add(.tarRecord, with { $0.files.append(("x", [])) }.putting(header: "x", size: 0, type: "x", data: [0x31]))
        add(.tarEntryUnknown, tar(156, "S"))
        add(.tarPathOutside, with { $0.files.append(("../x", [])) })
        add(.configurationMissing, with { $0.configuration = nil })
        add(.configurationSyntax, with { $0.configuration! += "=" })
        add(.configurationKey, with { $0.configuration! += "name = 1" })
        add(.configurationValue, with { $0.configuration! += "[requirements]\ncpus = -1" })
        add(.configurationIncomplete, with { $0.configuration = "version = '1'" })
        add(.configurationVersion, with { $0.configuration = "kernel = 'app'" })
        add(.kernelNotInArchive, with { $0.configuration = "version = '1'\nkernel = 'other'" })
        let demanding = with { $0.configuration! += "[requirements]\nmemory = '2 GiB'" }
        add(
            .memoryBelowRequirement, demanding, Call(file: demanding, options: ["--memory", "3G"]),
            options: ["--memory", "1G"])
        // 4 MiB of zeros after it: a stored member of 64 KiB, repeated.
        let zeros = ImageWriter.gzip([UInt8](repeating: 0, count: 65535))
        let large = packed + (0..<64).flatMap { _ in zeros }
        add(.archiveTooLarge, large, Call(file: large, options: ["--memory", "64M"]), options: ["--memory", "8M"])
    }
}

extension [UInt8] {
    /// The archive with an entry of `type` before it.
    fileprivate func putting(header name: String, size: Int, type: Character, data: [UInt8]) -> [UInt8] {
        ImageWriter.header(name, size: data.count, type: type) + data + [UInt8](repeating: 0, count: 512 - data.count)
            + self
    }
}
