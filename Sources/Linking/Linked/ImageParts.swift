// The parts of an image, and the access that each needs: its pages get this access if the kernel tolerates protection.

import Bytes
import Diagnostics
import ELF

/// A part of an image, as link addresses, and its access beyond reading.
public struct ImagePart: Equatable, Sendable {
    /// The first address, and the one after the last.
    public var start: UInt64, end: UInt64
    /// Whether the program writes to it, once it has been relocated.
    public var isWritable: Bool
    /// Whether it holds code.
    public var isExecutable: Bool
}

/// Walks an image's parts in ascending order.
public struct ImageParts: Sendable {
    /// The part that the walk has reached.
    public internal(set) var part = ImagePart(start: 0, end: 0, isWritable: false, isExecutable: false)
    /// The rest of its segment, in the file's own link addresses, and its access (p_flags).
    private var position: UInt64 = 0, segmentEnd: UInt64 = 0, segmentFlags: UInt32 = 0
    /// The index of the next segment or, in images without segments, of the part.
    var index = 0
    /// The index of the file that the segment is in.
    var fileIndex = 0

    /// Begins before the first part.
    public init() {}

    /// Goes to the next part of a linked file; false after the last. The parts are the segments, with the access of p_flags but without
    /// writing in the range of PT_GNU_RELRO, and `descriptorThunks`.
    public mutating func advance(in image: borrowing LinkedImage) -> Bool { advance(image.properties, image.file) }

    /// Goes to the next part of `file`, whose bytes are in `files`; false after the last.
    mutating func advance(_ file: borrowing LinkedFile, _ files: ByteView) -> Bool {
        if position == segmentEnd {
            let segments = file.segments(files)
            repeat {
                guard index < segments.count else {
                    guard index == segments.count, let descriptorThunks = file.descriptorThunks else { return false }
                    index &+= 1
                    move(descriptorThunks.start, descriptorThunks.end, isExecutable: true)
                    return true
                }
                let segment = segments[index]
                if segment.type == ProgramHeader.Kind.load {
                    position = segment.vaddr
                    segmentEnd = segment.vaddr &+ segment.memsz
                    segmentFlags = segment.flags
                }
                index &+= 1
            } while position == segmentEnd
        }
        let start = position
        let fixed = (start: file.fixedStart, end: file.fixedEnd)
        let isFixed = start >= fixed.start && start < fixed.end
        position = min(segmentEnd, isFixed ? fixed.end : start < fixed.start ? fixed.start : segmentEnd)
        move(
            start, position,
            isWritable: segmentFlags & ProgramHeader.Flags.write != 0 && !isFixed,
            isExecutable: segmentFlags & ProgramHeader.Flags.execute != 0)
        return true
    }

    /// Makes the part with these ends and this access the current one.
    mutating func move(_ start: UInt64, _ end: UInt64, isWritable: Bool = false, isExecutable: Bool = false) {
        part = ImagePart(start: start, end: end, isWritable: isWritable, isExecutable: isExecutable)
    }
}
