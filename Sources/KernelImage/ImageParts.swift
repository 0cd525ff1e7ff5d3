// What the file permits for each part of an image: the access that pages get where the kernel tolerates protection.

public import Bytes
import Diagnostics
import ELF

/// A part of an image, as link addresses, and what may be done with it besides reading.
public struct ImagePart: Equatable, Sendable {
    /// The first address, and the one behind the last.
    public var start: UInt64, end: UInt64
    /// Whether the program writes to it, once it has been relocated.
    public var isWritable: Bool
    /// Whether it holds code.
    public var isExecutable: Bool
}

/// Walks an image's parts in ascending order.
public struct ImageParts: Sendable {
    private var index = 0
    /// Which of several files they are of.
    private var object = 0
    /// What is left of the segment before the one at `index`.
    private var rest = ImagePart(start: 0, end: 0, isWritable: false, isExecutable: false)

    /// Begins at the first part.
    public init() {}

    private init(object: Int) { self.object = object }

    /// The next part of a linked file, nil behind the last: the segments (p_flags), of which what PT_GNU_RELRO covers is not
    /// writable, and the supplement.
    public mutating func next(in image: borrowing KernelImage) -> ImagePart? {
        next(image.programHeaders, image.readOnlyAfterRelocation, image.supplement)
    }

    @inline(never)
    private mutating func next(
        _ segments: borrowing ProgramHeaders, _ fixed: (start: UInt64, end: UInt64), _ supplement: Supplement?
    ) -> ImagePart? {
        while rest.start == rest.end {
            guard index < segments.count else {
                guard index == segments.count, let supplement else { return nil }
                index += 1
                return ImagePart(start: supplement.start, end: supplement.end, isWritable: false, isExecutable: true)
            }
            let segment = segments[index]
            index += 1
            guard segment.type == ProgramHeader.Kind.load else { continue }
            rest = ImagePart(
                start: segment.vaddr, end: segment.vaddr &+ segment.memsz, isWritable: segment.flags & 2 != 0,
                isExecutable: segment.flags & 1 != 0)
        }
        var part = rest
        if part.start < fixed.start {
            part.end = min(part.end, fixed.start)
        } else if part.start < fixed.end {
            part.end = min(part.end, fixed.end)
            part.isWritable = false
        }
        rest.start = part.end
        return part
    }

    /// The next part of several files' image, as link addresses of the application; nil behind the last: those of the objects
    /// one after the other, and what the loader adds.
    public mutating func next(in link: borrowing LinkMap, _ files: borrowing ByteView) -> ImagePart? {
        while object < link.count {
            let objects = link.objects
            let supplement = objects[object].supplement
            let size = objects[object].programHeaderCount &* ProgramHeader.size
            if let table = try? files.slice(
                at: objects[object].programHeaders, size: size, else: .fileTooShort, .none),
                var part = next(
                    ProgramHeaders(table), (objects[object].fixedStart, objects[object].fixedEnd),
                    supplement == 0 ? nil : Supplement(at: supplement))
            {
                part.start &+= objects[object].displacement
                part.end &+= objects[object].displacement
                return part
            }
            self = ImageParts(object: object &+ 1)
        }
        index += 1
        return switch index {
        case 1: ImagePart(start: link.plan.dataStart, end: link.plan.dataEnd, isWritable: false, isExecutable: false)
        case 2: ImagePart(start: link.plan.codeStart, end: link.plan.end, isWritable: false, isExecutable: true)
        default: nil
        }
    }

    /// The next part of an object file's image, nil behind the last: code, constants, what is written, and what the loader
    /// adds. Thread-local storage's template lies among what is written; sections of written code make all of that
    /// executable.
    public mutating func next(in image: borrowing ObjectImage) -> ImagePart? {
        let layout = image.layout
        index += 1
        return switch index {
        case 1: ImagePart(start: 0, end: layout.codeEnd, isWritable: false, isExecutable: true)
        case 2:
            ImagePart(start: layout.codeEnd, end: layout.templateStart, isWritable: false, isExecutable: false)
        case 3:
            ImagePart(
                start: layout.templateStart, end: layout.memoryEnd, isWritable: true,
                isExecutable: layout.hasWrittenCode)
        case 4:
            ImagePart(
                start: layout.tableStart, end: layout.programEnd, isWritable: !layout.hasGeneratedCode,
                isExecutable: layout.hasGeneratedCode)
        default: nil
        }
    }
}
