// The segments of a linked file (gABI, chapter "Program Loading"): checked, found by their link addresses, and loaded.

import Architecture
import Bytes
import Diagnostics
import ELF

extension LinkedFile {
    /// Reads everything about the file with this header, whose bytes are `range` of `files`: validates every segment, and that the file can
    /// have `role`. It must not have been read before.
    @inline(never)
    mutating func read(
        _ header: FileHeader, as role: LinkedImage.Role, _ range: FileRange, _ files: ByteView
    ) throws(Fault) {
        guard header.type != .relocatable else { throw Fault(.objectFile, .header) }
        guard header.programHeaderCount > 0 else { throw Fault(.noProgramHeaders, .header) }
        bytes = range
        programHeaders = range.start &+ header.programHeaderOffset
        programHeaderCount = Int(truncatingIfNeeded: header.programHeaderCount)
        alignment = 1
        let segments = segments(files)
        // The indices of the segments that occur at most once in a file.
        var interpreter: Int?, template: Int?, dynamicSegment: Int?
        for index in 0..<segments.count {
            let segment = segments[index]
            var other: Int?
            switch segment.type {
            case ProgramHeader.Kind.load: break
            case ProgramHeader.Kind.tls: other = template
            case ProgramHeader.Kind.dynamic: other = dynamicSegment
            case ProgramHeader.Kind.interpreter: other = interpreter
            case ProgramHeader.Kind.note:
                if firstNote == nil { firstNote = index }
                continue
            case ProgramHeader.Kind.relro:
                let (end, overflow) = segment.vaddr.addingReportingOverflow(segment.memsz)
                if !overflow { (fixedStart, fixedEnd) = (segment.vaddr, end) }
                continue
            // The loader reads no bytes of other segments.
            default: continue
            }
            guard other == nil else {
                throw Fault(.duplicateSegmentType, .programHeader(UInt64(index)), value: UInt64(segment.type))
            }
            try segment.validate(index: UInt64(index), fileCount: range.size)
            switch segment.type {
            case ProgramHeader.Kind.tls:
                template = index
                alignment = max(alignment, segment.align)
                threadLocalStart = segment.vaddr
                threadLocalFileSize = segment.filesz
                threadLocalSize = segment.memsz
                threadLocalAlignment = max(segment.align, 1)
                // Unless other files come first.
                threadLocalModule = 1
                threadLocalDistance = threadLocalDistance(below: 0)
            case ProgramHeader.Kind.dynamic:
                dynamicSegment = index
                dynamic.start = range.start &+ segment.fileStart
                dynamic.size = segment.filesz
            case ProgramHeader.Kind.interpreter: interpreter = index
            default:
                guard segment.memsz > 0 else { continue }
                if linkEnd == 0 { (linkStart, firstLoad) = (segment.vaddr, index) }
                guard segment.vaddr >= linkEnd else {
                    throw Fault(
                        .segmentsOverlap, .programHeader(UInt64(index)), value: segment.vaddr, limit: linkEnd)
                }
                linkEnd = segment.vaddr &+ segment.memsz
                alignment = max(alignment, segment.align)
                if header.entry >= segment.vaddr, header.entry < linkEnd { entrySegment = index }
            }
        }
        guard linkEnd > 0 else { throw Fault(.noLoadSegment, .header) }
        guard entrySegment != nil || role == .library else {
            throw Fault(.entryOutsideImage, .header, value: header.entry)
        }
        if header.type == .dynamic { linkStart &= ~(PageSize.size2MiB.rawValue &- 1) }
        memoryEnd = linkEnd
        // A fault of the tables is thrown when they are needed.
        try? readTables(files)
        if hasTables, needsDescriptorCode(files), let descriptorThunks = DescriptorThunks(after: linkEnd) {
            memoryEnd = descriptorThunks.end
        }
        if let interpreter, role == .application {
            throw Fault(
                .needsInterpreter, .programHeader(UInt64(interpreter)), nameOffset: segments[interpreter].fileStart)
        }
        // The initialised bytes of PT_TLS are in a segment's memory.
        guard threadLocalFileSize > 0 else { return }
        if let holder = segments.segment(at: threadLocalStart) {
            let segment = segments[holder]
            if threadLocalFileSize <= segment.memsz &- (threadLocalStart &- segment.vaddr) { return }
        }
        throw Fault(.tlsOutsideImage, .programHeader(UInt64(template ?? 0)), value: threadLocalStart)
    }

    /// The program headers.
    @_lifetime(copy files)
    func segments(_ files: ByteView) -> ProgramHeaders {
        ProgramHeaders(files, at: programHeaders, count: programHeaderCount)
    }

    /// The offset of the byte at link address `address`, and the number of bytes from there to the end of its segment in the file: at
    /// least `size`, and at least 1. Throws `dynamicAddressOutsideFile` at `location`.
    @inline(never)
    func fileRange(
        at address: UInt64, size: UInt64 = 0, _ location: FaultLocation, _ files: ByteView
    ) throws(Fault) -> FileRange {
        let segments = segments(files)
        for index in firstLoad..<segments.count {
            let segment = segments[index]
            let offset = address &- segment.vaddr
            // No other segment can hold the address.
            if segment.type == ProgramHeader.Kind.load, offset < segment.filesz {
                guard size <= segment.filesz &- offset else { break }
                return FileRange(start: bytes.start &+ segment.offset &+ offset, size: segment.filesz &- offset)
            }
        }
        throw Fault(.dynamicAddressOutsideFile, location, value: address, limit: size)
    }

    /// Copies every segment into `memory`, whose first byte is for the first of the file's own link addresses, and clears the bytes that
    /// the file does not have. Throws `imageTooLarge` if `memory` has too little room.
    @inline(never)
    func load<Memory: ImageMemory & ~Copyable & ~Escapable>(
        _ files: ByteView, into memory: inout Memory
    ) throws(Fault) {
        guard memorySize <= memory.count else { throw Fault(.imageTooLarge, value: memorySize, limit: memory.count) }
        let segments = segments(files)
        var reached = memory.address
        for index in firstLoad..<segments.count {
            let segment = segments[index]
            guard segment.type == ProgramHeader.Kind.load, segment.memsz > 0 else { continue }
            let target = memory.address &+ (segment.vaddr &- linkStart)
            memory.clear(reached, size: target &- reached)
            memory.copy(files.part(at: bytes.start &+ segment.fileStart, size: segment.filesz), to: target)
            reached = target &+ segment.filesz
        }
        let end = memory.address &+ memorySize
        memory.clear(reached, size: end &- reached)
        if let descriptorThunks { descriptorThunks.write(to: &memory, at: end &- DescriptorThunks.size) }
    }
}
