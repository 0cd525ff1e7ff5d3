// The parts of an image, and the access that each needs: its pages get this access if the kernel tolerates protection.

public import Bytes
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
    public private(set) var part = ImagePart(start: 0, end: 0, isWritable: false, isExecutable: false)
    /// The rest of its segment, in the file's own link addresses, and its access (p_flags).
    private var position: UInt64 = 0, segmentEnd: UInt64 = 0, segmentFlags: UInt32 = 0
    private var index = 0
    /// The file that the segment is in.
    private var object = 0

    /// Begins before the first part.
    public init() {}

    /// Goes to the next part of a linked file; false after the last. The parts are the segments, with the access of p_flags but without
    /// writing in the range of PT_GNU_RELRO, and `descriptorThunks`.
    public mutating func advance(in image: borrowing LinkedImage) -> Bool { advance(image.object, image.file) }

    private mutating func advance(_ object: borrowing LinkedFile, _ files: ByteView) -> Bool {
        if position == segmentEnd {
            let segments = object.segments(files)
            repeat {
                guard index < segments.count else {
                    guard index == segments.count, let descriptorThunks = object.descriptorThunks else { return false }
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
        let fixed = (start: object.fixedStart, end: object.fixedEnd)
        let isFixed = start >= fixed.start && start < fixed.end
        position = min(segmentEnd, isFixed ? fixed.end : start < fixed.start ? fixed.start : segmentEnd)
        move(
            start, position,
            isWritable: segmentFlags & ProgramHeader.Flags.write != 0 && !isFixed,
            isExecutable: segmentFlags & ProgramHeader.Flags.execute != 0)
        return true
    }

    private mutating func move(_ start: UInt64, _ end: UInt64, isWritable: Bool = false, isExecutable: Bool = false) {
        part = ImagePart(start: start, end: end, isWritable: isWritable, isExecutable: isExecutable)
    }

    /// Goes to the next part of several files' image, as link addresses of the application; false after the last. The parts are those of
    /// the objects, one object after the other, and the loader's additions.
    public mutating func advance(in link: borrowing LinkMap, _ files: ByteView) -> Bool {
        while object < link.count {
            if advance(link[object], files) {
                part.start &+= link[object].displacement
                part.end &+= link[object].displacement
                return true
            }
            object &+= 1
            index = 0
        }
        index &+= 1
        switch index {
        case 1: move(link.plan.dataStart, link.plan.dataEnd)
        case 2: move(link.plan.codeStart, link.plan.end, isExecutable: true)
        default: return false
        }
        return true
    }

    /// Goes to the next part of an object file's image; false after the last. The parts are code, constants, written data, and the loader's
    /// additions. The template of thread-local storage lies in the written data; sections that are both written and executed make all
    /// written data executable.
    public mutating func advance(in image: borrowing ObjectImage) -> Bool {
        let (codeEnd, template) = (image.placed.bounds.end(.code), image.layout.templateStart)
        index &+= 1
        switch index {
        case 1: move(0, codeEnd, isExecutable: true)
        case 2: move(codeEnd, template)
        case 3:
            move(
                template, image.placed.memory.address, isWritable: true, isExecutable: image.layout.hasWrittenCode)
        case 4:
            move(
                image.layout.tableStart, image.layout.programEnd, isWritable: !image.layout.hasGeneratedCode,
                isExecutable: image.layout.hasGeneratedCode)
        default: return false
        }
        return true
    }
}
