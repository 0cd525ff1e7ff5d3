// Hermit images as they are looked at: unpacked, and their kernel in the place of the file.

import Boot
import ArgumentParser
import Bytes
import Diagnostics
import ELF
import Glibc
import HermitImage

/// A Hermit image, unpacked.
struct ImageFile: Sendable {
    /// The file.
    let packed: InputFile
    /// The archive: unpacked, or the file itself.
    let archive: InputFile
    /// The requirements in hermit.toml: bytes of memory, and processors; 0 if there are none.
    let memory: UInt64, processors: UInt64
    /// The name of the kernel in the archive.
    let kernelName: String
    /// Which bytes of the archive are the kernel.
    private let kernel: Range<Int>

    /// Whether `file` is an image, by its first bytes.
    static func isImage(_ file: InputFile) -> Bool {
        let view = ByteView(file.bytes)
        return view.word32(at: 0) != FileHeader.magic && HermitImage.isImage(view)
    }

    /// The archive in `file`. Throws a `Refusal` for one that is damaged, or does not fit in 4 GiB.
    static func archive(_ file: InputFile) throws(Refusal) -> InputFile {
        let packed = ByteView(file.bytes)
        guard Gzip.isGzip(packed) else { return file }
        var (room, count) = try unpack(packed, room: Gzip.claimedSize(packed))
        // The size in gzip's trailer may be wrong.
        if count > UInt64(room.bytes.byteCount) { (room, count) = try unpack(packed, room: count) }
        return count == UInt64(room.bytes.byteCount) ? room : room.prefix(Int(count))
    }

    /// Unpacks `packed` into room for `size` bytes; returns the room, and the number of unpacked bytes. Throws a `Refusal`.
    private static func unpack(_ packed: ByteView, room size: UInt64) throws(Refusal) -> (InputFile, UInt64) {
        let limit = BootSequence.memoryEnd
        guard size <= limit, let room = InputFile(room: Int(size)) else {
            throw Refusal(Fault(.archiveTooLarge, value: size, limit: limit), packed)
        }
        do throws(Fault) { return (room, try room.fill(packed)) } catch { throw Refusal(error, packed) }
    }

    /// Reads the image in `file`. Throws its fault as a `Refusal`.
    init(_ file: InputFile) throws(Refusal) {
        packed = file
        let opened = try ImageFile.archive(file)
        archive = opened
        let view = ByteView(opened.bytes)
        let facts: Facts
        do throws(Fault) { facts = try Facts(view) } catch { throw Refusal(error, view) }
        (memory, processors) = (facts.memory, facts.processors)
        kernelName = facts.kernel.path.text(in: view)
        kernel = Int(facts.kernel.start)..<Int(facts.kernel.start + facts.kernel.size)
    }

    /// The facts about an image.
    private struct Facts {
        let memory: UInt64, processors: UInt64
        let kernel: TarEntry

        init(_ archive: ByteView) throws(Fault) {
            let image = try HermitImage(archive)
            memory = image.config.memory
            processors = image.config.processors
            kernel = image.kernel
        }
    }

    /// The kernel, with its image.
    func kernelFile() -> InputFile { InputFile(copying: archive.bytes.extracting(kernel), image: self) }
}

extension InputFile {
    /// Whether `path` begins like an ELF file or a Hermit image, or can be judged only by reading it (standard input, or unreadable).
    static func mayBeELF(_ path: String) -> Bool {
        var status = stat()
        guard path != "-", unsafe stat(path, &status) == 0 else { return true }
        guard status.st_mode & S_IFMT != S_IFDIR else { return false }
        guard !isReadOnce(path), let input = try? InputFile(path) else { return true }
        return ByteView(input.bytes).word32(at: 0) == FileHeader.magic || ImageFile.isImage(input)
    }

    /// Opens `path`; of a Hermit image, its kernel. An image's faults are thrown as a `Refusal`; if `includesDamaged`, a damaged image is
    /// returned as the file itself.
    static func opening(_ path: String, includesDamaged: Bool = false) throws -> InputFile {
        let input = try InputFile(path)
        guard ImageFile.isImage(input) else { return input }
        do throws(Refusal) { return try ImageFile(input).kernelFile() } catch {
            guard includesDamaged else { throw error }
            return input
        }
    }
}

extension InputFile {
    /// The same for a command that ends if a file is refused: reports why, and throws the exit status.
    static func openingOnly(_ path: String) throws -> InputFile {
        do { return try opening(path) } catch let refusal as Refusal { throw ExitCode(refusal.tell(path)) }
    }

    /// Unpacks `packed` into this file's bytes; returns the number of unpacked bytes.
    fileprivate func fill(_ packed: ByteView) throws(Fault) -> UInt64 { try Gzip.unpack(packed, into: region) }
}

extension TarPath {
    /// The path in `archive`, as text.
    func text(in archive: ByteView) -> String {
        var bytes: [UInt8] = []
        for index in 0..<count { bytes.append(byte(index, in: archive)) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension TOMLString {
    /// Its text.
    var text: String {
        var (rest, bytes) = (self, [UInt8]())
        while let byte = rest.next() { bytes.append(byte) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
