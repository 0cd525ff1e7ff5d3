// The segments of a linked file (gABI, chapter "Program Loading"): checked, found by their link addresses, and loaded.

import Bytes
import Diagnostics
import ELF

extension LinkedFile {
    /// Reads all about the file with this header, whose bytes are `range` of `files`: validates every segment, and that the file
    /// is what `role` asks for. Nothing is known of it before.
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
        var interpreter = 0
        var template = 0
        // The types that were met, a bit each.
        var met: UInt32 = 0
        var next = 0
        while next < segments.count {
            let index = next
            next &+= 1
            let segment = segments[index]
            if segment.type == ProgramHeader.Kind.relro {
                let (end, overflow) = segment.vaddr.addingReportingOverflow(segment.memsz)
                if !overflow { (fixedStart, fixedEnd) = (segment.vaddr, end) }
            }
            guard segment.type <= ProgramHeader.Kind.tls, LinkedFile.readTypes >> segment.type & 1 == 1 else {
                if segment.type == ProgramHeader.Kind.note, firstNote == 0 { firstNote = index }
                continue
            }
            let isLoaded = segment.type == ProgramHeader.Kind.load
            guard isLoaded || met >> segment.type & 1 == 0 else {
                throw Fault(.duplicateSegmentType, .programHeader(UInt64(index)), value: UInt64(segment.type))
            }
            met |= 1 << segment.type
            try segment.validate(index: UInt64(index), fileCount: range.size)
            switch segment.type {
            case ProgramHeader.Kind.tls:
                template = index
                alignment = max(alignment, segment.align)
                threadLocalStart = segment.vaddr
                threadLocalFileSize = segment.filesz
                threadLocalSize = segment.memsz
                threadLocalAlignment = max(segment.align, 1)
                // As long as no other file comes first.
                threadLocalModule = 1
                threadLocalDistance = threadLocalDistance(below: 0)
            case ProgramHeader.Kind.dynamic:
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
        if header.type == .dynamic { linkStart &= ~0x1f_ffff }
        memoryEnd = linkEnd
        // What is wrong with the tables is told to those who need them.
        try? readTables(files)
        if hasTables, needsDescriptorCode(files), let descriptorThunks = DescriptorThunks(behind: linkEnd) {
            memoryEnd = descriptorThunks.end
        }
        if met >> ProgramHeader.Kind.interpreter & 1 == 1, role == .application {
            throw Fault(
                .needsInterpreter, .programHeader(UInt64(interpreter)), nameOffset: segments[interpreter].fileStart)
        }
        // The initialised bytes of PT_TLS are in a segment's memory.
        guard threadLocalFileSize > 0 else { return }
        if let holder = segments.segment(at: threadLocalStart) {
            let segment = segments[holder]
            if threadLocalFileSize <= segment.memsz &- (threadLocalStart &- segment.vaddr) { return }
        }
        throw Fault(.tlsOutsideImage, .programHeader(UInt64(template)), value: threadLocalStart)
    }

    /// The types of segments that the loader reads the bytes of, a bit each: PT_LOAD, PT_DYNAMIC, PT_INTERP and PT_TLS.
    private static var readTypes: UInt32 { 0b1000_1110 }

    /// The program headers.
    @_lifetime(copy files)
    func segments(_ files: ByteView) -> ProgramHeaders {
        ProgramHeaders(files, at: programHeaders, count: programHeaderCount)
    }

    /// Where the file holds what lies at link address `address`, and the number of bytes from there to the end of its segment's
    /// file part, at least `size` and 1. Throws `dynamicAddressOutsideFile` at `place`.
    @inline(never)
    func fileRange(
        at address: UInt64, size: UInt64 = 0, _ place: FaultLocation, _ files: ByteView
    ) throws(Fault) -> FileRange {
        let segments = segments(files)
        var index = firstLoad
        while index < segments.count {
            let segment = segments[index]
            let offset = address &- segment.vaddr
            // No other segment can hold the address.
            if segment.type == ProgramHeader.Kind.load, offset < segment.filesz {
                guard size <= segment.filesz &- offset else { break }
                return FileRange(start: bytes.start &+ segment.offset &+ offset, size: segment.filesz &- offset)
            }
            index &+= 1
        }
        throw Fault(.dynamicAddressOutsideFile, place, value: address, limit: size)
    }

    /// Copies every segment into `memory`, whose first byte stands for the first of the object's own link addresses, and clears
    /// what the file has no bytes for. Throws `imageTooLarge` where `memory` has no room for all.
    @inline(never)
    func load(_ files: ByteView, into memory: inout ByteRegion) throws(Fault) {
        guard memorySize <= memory.count else { throw Fault(.imageTooLarge, value: memorySize, limit: memory.count) }
        let segments = segments(files)
        var reached = memory.address
        var index = firstLoad
        while index < segments.count {
            let segment = segments[index]
            index &+= 1
            guard segment.type == ProgramHeader.Kind.load, segment.memsz > 0 else { continue }
            let target = memory.address &+ (segment.vaddr &- linkStart)
            memory.erase(reached, size: target &- reached)
            memory.copy(files.part(at: bytes.start &+ segment.fileStart, size: segment.filesz), to: target)
            reached = target &+ segment.filesz
        }
        let end = memory.address &+ memorySize
        memory.erase(reached, size: end &- reached)
        if let descriptorThunks { descriptorThunks.write(to: &memory, at: end &- DescriptorThunks.size) }
    }
}
