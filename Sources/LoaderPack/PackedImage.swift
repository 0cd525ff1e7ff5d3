// A loader that may lie at any page: its bytes in memory, and the offsets of words that hold addresses.
//
// The linker knows these words, but leaves no relocations in a file that is not position independent. So the same objects are linked twice,
// at two addresses: the words that hold addresses differ by the difference of the two files' addresses.

import Architecture
import Bytes
import Diagnostics
import ELF

/// The reason why two files are not the same loader at two addresses.
enum PackingError: Error, Equatable, CustomStringConvertible {
    /// A file breaks a rule of ELF.
    case malformed(Fault)
    /// One has more bytes than the other.
    case sizesDiffer(Int, Int)
    /// The difference of their addresses has no bit that is in every sum: see `PackedImage.init`.
    case addressesTooClose(UInt64)
    /// Bytes differ that are not an address of 32 bits: part of an address, a shifted one, or a sum of two.
    case noAddress(offset: Int)

    var description: String {
        switch self {
        case .malformed(let fault): "the file breaks a rule of ELF: \(fault.rule)"
        case .sizesDiffer(let first, let second): "one image has \(first) bytes, the other \(second)"
        case .addressesTooClose(let difference):
            "the images' addresses differ by 0x\(String(difference, radix: 16)), not by an odd number of pages"
        case .noAddress(let offset):
            "the bytes at 0x\(String(offset, radix: 16)) depend on the loader's address, but are no address of 32 bits"
        }
    }
}

/// The bytes of a linked file in memory, without the zeros after them.
struct ImageBytes {
    /// The address of the first byte.
    let start: UInt64
    /// The bytes.
    let bytes: [UInt8]
    /// The number of bytes of the ELF header and the program headers, which describe the file, not the loader.
    let headerSize: Int

    /// Reads the segments of `file`.
    init(_ file: [UInt8]) throws(PackingError) {
        do throws(Fault) {
            // Numbers have no padding.
            let view = unsafe ByteView(file.span.bytes)
            let header = try FileHeader(view)
            let table = try ProgramHeaders(view, header)
            var segments: [(vaddr: UInt64, contents: [UInt8])] = []
            for index in 0..<UInt64(table.count) {
                let segment = table[Int(index)]
                guard segment.type == ProgramHeader.Kind.load else { continue }
                try segment.validate(index: index, fileCount: view.count)
                let begin = Int(segment.fileStart)
                segments.append((segment.vaddr, Array(file[begin..<begin + Int(segment.filesz)])))
            }
            let first = segments.map(\.vaddr).min() ?? 0
            let end = segments.map { $0.vaddr + UInt64($0.contents.count) }.max() ?? 0
            guard end - first < 1 << 31 else { throw Fault(.segmentAddressOverflow, value: first, limit: end - first) }
            var image = [UInt8](repeating: 0, count: Int(end - first))
            for segment in segments {
                let begin = Int(segment.vaddr - first)
                image.replaceSubrange(begin..<begin + segment.contents.count, with: segment.contents)
            }
            start = first
            bytes = image
            headerSize = min(
                Int(header.programHeaderOffset + header.programHeaderCount * ProgramHeader.size), image.count)
        } catch {
            throw .malformed(error)
        }
    }
}

/// An image, and the offsets of its 32-bit words to which its displacement must be added: its address minus that at which it was
/// linked. Of 64-bit addresses these words are the lower halves: all are below 4 GiB.
struct PackedImage {
    /// The bytes, as linked.
    let bytes: [UInt8]
    /// The words' offsets, in ascending order.
    private(set) var words: [UInt32] = []

    /// Compares the loader with the one linked at another address, `moved`.
    init(_ loader: ImageBytes, moved: ImageBytes) throws(PackingError) {
        guard loader.bytes.count == moved.bytes.count else {
            throw .sizesDiffer(loader.bytes.count, moved.bytes.count)
        }
        // Bit 12 is the lowest that differs, so the second byte of every such word differs, and its first never does.
        let (difference, page) = (moved.start &- loader.start, PageSize.size4KiB.rawValue)
        guard difference % (2 * page) == page else { throw .addressesTooClose(difference) }
        bytes = loader.bytes
        func word(_ image: [UInt8], _ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(image[offset + $1]) << (8 * UInt32($1)) }
        }
        var offset = loader.headerSize
        while offset < bytes.count {
            guard bytes[offset] != moved.bytes[offset] else {
                offset += 1
                continue
            }
            let start = offset - 1
            guard start >= loader.headerSize, start + 4 <= bytes.count,
                word(moved.bytes, start) &- word(bytes, start) == UInt32(truncatingIfNeeded: difference)
            else { throw .noAddress(offset: offset) }
            words.append(UInt32(start))
            offset = start + 4
        }
    }

    /// The image, zeros up to a multiple of four, the number of words, their offsets: as payload.S and the UEFI application read it.
    var file: [UInt8] {
        var file = bytes + [UInt8](repeating: 0, count: -bytes.count & 3)
        for word in [UInt32(words.count)] + words {
            for shift in stride(from: 0, to: 32, by: 8) {
                file.append(UInt8(truncatingIfNeeded: word >> UInt32(shift)))
            }
        }
        return file
    }
}
