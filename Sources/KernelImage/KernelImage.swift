// An ELF file as something to load: validated once, then asked.

public import Bytes
public import Diagnostics
public import ELF

/// A linked ELF file (ET_EXEC or ET_DYN) whose headers and segments have been checked.
public struct KernelImage: ~Escapable {
    /// The file.
    public let file: ByteView
    /// Its header.
    public let header: FileHeader
    /// Its program headers.
    public let programHeaders: ProgramHeaders
    /// The link address at which the image in memory begins: that of the first PT_LOAD segment, for a position-independent
    /// image rounded down to 2 MiB, so that its load address is a multiple of 2 MiB.
    public let linkStart: UInt64
    /// The largest p_align of a PT_LOAD segment, at least 1.
    public let alignment: UInt64
    /// The end of the last PT_LOAD segment, as a link address.
    public let linkEnd: UInt64
    /// The link addresses that PT_GNU_RELRO covers; none where there is no such segment, or it does not fit in 64 bits.
    public let readOnlyAfterRelocation: (start: UInt64, end: UInt64)
    /// The index of PT_TLS, PT_DYNAMIC and PT_INTERP among the program headers, or nil.
    public let tlsIndex: Int?, dynamicIndex: Int?, interpreterIndex: Int?

    /// The dynamic section's tables; nil where they are malformed, which whoever needs them will be told.
    let tables: DynamicTables?
    /// What its relocations need behind it, nil where they need nothing.
    public let supplement: Supplement?

    /// Whether it has DT_NEEDED: it cannot do without other files.
    public var needsLibraries: Bool { tables?.needsLibraries == true }
    /// The number of bytes of memory that the image needs, its supplement included.
    public var size: UInt64 { (supplement?.end ?? linkEnd) &- linkStart }
    /// Whether it must lie where it was linked.
    public var isFixed: Bool { header.type == .executable }
    /// PT_TLS.
    public var tls: ProgramHeader? { tlsIndex.map { programHeaders[$0] } }

    /// What a file is wanted as.
    public enum Role: Sendable {
        /// The application: it has an entry point, and asks for no program interpreter.
        case application
        /// A shared object that others use.
        case library
    }

    /// Validates `file`: its header, every segment, and that it is what `role` asks for.
    @_lifetime(copy file)
    public init(_ file: ByteView, as role: Role = .application) throws(Fault) {
        self.file = file
        header = try FileHeader(file)
        guard header.type != .relocatable else { throw Fault(.objectFile, .header) }
        guard header.programHeaderCount > 0 else { throw Fault(.noProgramHeaders, .header) }
        let programHeaders = try ProgramHeaders(file, header)
        self.programHeaders = programHeaders

        var start: UInt64?
        var end: UInt64 = 0
        var alignment: UInt64 = 1
        var entryIsInside = false
        var tls: Int?
        var dynamic: Int?
        var interpreter: Int?
        var fixed: (start: UInt64, end: UInt64) = (0, 0)
        for index in 0..<programHeaders.count {
            let place = Place.programHeader(UInt64(index))
            switch programHeaders.type(index) {
            case ProgramHeader.Kind.load:
                let segment = programHeaders[index]
                try segment.validate(index: UInt64(index), fileCount: file.count)
                guard segment.memsz > 0 else { continue }
                if start == nil { start = segment.vaddr }
                guard segment.vaddr >= end else {
                    throw Fault(.segmentsOverlap, place, value: segment.vaddr, limit: end)
                }
                end = segment.vaddr &+ segment.memsz
                alignment = max(alignment, segment.align)
                entryIsInside = entryIsInside || header.entry >= segment.vaddr && header.entry < end
            case ProgramHeader.Kind.tls:
                try KernelImage.claim(&tls, index, programHeaders, fileCount: file.count)
            case ProgramHeader.Kind.dynamic:
                try KernelImage.claim(&dynamic, index, programHeaders, fileCount: file.count)
            case ProgramHeader.Kind.interpreter:
                try KernelImage.claim(&interpreter, index, programHeaders, fileCount: file.count)
            case ProgramHeader.Kind.relro:
                let segment = programHeaders[index]
                let (end, overflow) = segment.vaddr.addingReportingOverflow(segment.memsz)
                if !overflow { fixed = (segment.vaddr, end) }
            default: break
            }
        }
        guard let start else { throw Fault(.noLoadSegment, .header) }
        guard entryIsInside || role == .library else { throw Fault(.entryOutsideImage, .header, value: header.entry) }
        linkStart = header.type == .dynamic ? start & ~0x1f_ffff : start
        self.alignment = alignment
        linkEnd = end
        tlsIndex = tls
        dynamicIndex = dynamic
        interpreterIndex = interpreter
        readOnlyAfterRelocation = fixed
        tables = KernelImage.tables(file, programHeaders, dynamic)
        supplement = tables?.needDescriptorCode == true ? Supplement(behind: end) : nil
        if let interpreter, role == .application {
            throw Fault(
                .needsInterpreter, .programHeader(UInt64(interpreter)), nameOffset: programHeaders[interpreter].offset)
        }
        try validateTLS()
    }

    @_lifetime(copy file)
    private static func tables(_ file: ByteView, _ headers: ProgramHeaders, _ index: Int?) -> DynamicTables? {
        do { return try DynamicTables(file, headers, index) } catch { return nil }
    }

    private static func claim(
        _ slot: inout Int?, _ index: Int, _ headers: borrowing ProgramHeaders, fileCount: UInt64
    ) throws(Fault) {
        let segment = headers[index]
        guard slot == nil else {
            throw Fault(.duplicateSegmentType, .programHeader(UInt64(index)), value: UInt64(segment.type))
        }
        try segment.validate(index: UInt64(index), fileCount: fileCount)
        slot = index
    }

    private func validateTLS() throws(Fault) {
        guard let tlsIndex, let tls else { return }
        guard tls.filesz > 0 else { return }
        for index in 0..<programHeaders.count {
            guard programHeaders.type(index) == ProgramHeader.Kind.load else { continue }
            let segment = programHeaders[index]
            guard tls.vaddr >= segment.vaddr else { continue }
            let offset = tls.vaddr &- segment.vaddr
            if offset <= segment.memsz, tls.filesz <= segment.memsz &- offset { return }
        }
        throw Fault(.tlsOutsideImage, .programHeader(UInt64(tlsIndex)), value: tls.vaddr)
    }

    /// Copies every segment into `memory`, whose first byte stands for link address `linkStart`, and clears what the
    /// file has no bytes for. `memory` must have room for `size` bytes.
    public func load(into memory: inout ByteRegion) throws(Fault) {
        var reached = memory.address
        for index in 0..<programHeaders.count {
            guard programHeaders.type(index) == ProgramHeader.Kind.load else { continue }
            let segment = programHeaders[index]
            guard segment.memsz > 0 else { continue }
            let target = memory.address &+ (segment.vaddr &- linkStart)
            let bytes = try file.slice(
                at: segment.offset, size: segment.filesz, else: .segmentBeyondFile, .programHeader(UInt64(index)))
            let end = target &+ segment.filesz
            guard
                memory.clear(reached, size: target &- reached),
                memory.copy(bytes, to: target),
                memory.clear(end, size: segment.memsz &- segment.filesz)
            else { throw Fault(.imageTooLarge, .programHeader(UInt64(index)), value: size, limit: memory.count) }
            reached = target &+ segment.memsz
        }
        guard let supplement else { return }
        let target = memory.address &+ (supplement.start &- linkStart)
        guard memory.clear(reached, size: target &- reached), supplement.write(to: &memory, at: target) else {
            throw Fault(.imageTooLarge, .none, value: size, limit: memory.count)
        }
    }
}
