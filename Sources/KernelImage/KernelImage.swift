// An ELF file as something to load: validated once, then asked.

public import Bytes
public import Diagnostics
public import ELF

/// A linked ELF file (ET_EXEC or ET_DYN) whose headers and segments have been checked.
///
/// It is large, so it is filled where it lies, and referred to rather than copied.
public struct KernelImage: ~Escapable {
    /// The file.
    public let file: ByteView
    /// Its header.
    public let header: FileHeader
    /// Its program headers.
    public private(set) var programHeaders: ProgramHeaders
    /// The link address at which the image in memory begins: that of the first PT_LOAD segment, for a position-independent
    /// image rounded down to 2 MiB, so that its load address is a multiple of 2 MiB.
    public private(set) var linkStart: UInt64 = 0
    /// The largest p_align of a PT_LOAD segment, at least 1.
    public private(set) var alignment: UInt64 = 1
    /// The end of the last PT_LOAD segment, as a link address.
    public private(set) var linkEnd: UInt64 = 0
    /// The link addresses that PT_GNU_RELRO covers; none where there is no such segment, or it does not fit in 64 bits.
    public private(set) var readOnlyAfterRelocation: (start: UInt64, end: UInt64) = (0, 0)
    /// The index of PT_TLS and PT_DYNAMIC among the program headers, or nil.
    public private(set) var tlsIndex: Int?, dynamicIndex: Int?
    /// An index among the program headers before which there is no PT_LOAD with memory.
    private(set) var firstLoad = 0
    /// An index among the program headers before which there is no PT_NOTE.
    public private(set) var firstNote = 0
    /// The end of the supplement, or else of the last PT_LOAD segment.
    private var memoryEnd: UInt64 = 0

    /// The dynamic section's tables; where they are not all sound, which whoever needs them will be told, some.
    private(set) var tables: DynamicTables
    private(set) var hasSoundTables = true

    /// What its relocations need behind it, nil where they need nothing.
    public var supplement: Supplement? {
        memoryEnd == linkEnd ? nil : Supplement(at: memoryEnd &- Supplement.size)
    }
    /// Whether it has DT_NEEDED: it cannot do without other files.
    public var needsLibraries: Bool { hasSoundTables && tables.needsLibraries }
    /// The number of bytes of memory that the image needs, its supplement included.
    public var size: UInt64 { memoryEnd &- linkStart }
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
        self.init(unread: file, try FileHeader(file))
        try read(as: role)
    }

    /// `file`, of which no more than its header is known yet; `read` finds out the rest.
    @_lifetime(copy file)
    @inline(never)
    public init(unread file: ByteView, _ header: FileHeader) {
        self.file = file
        self.header = header
        let nothing = file.part(at: 0, size: 0)
        programHeaders = ProgramHeaders(nothing)
        tables = DynamicTables(nothing)
    }

    /// Validates every segment, and that the file is what `role` asks for.
    @_lifetime(self: copy self)
    @inline(never)
    public mutating func read(as role: Role = .application) throws(Fault) {
        guard header.type != .relocatable else { throw Fault(.objectFile, .header) }
        guard header.programHeaderCount > 0 else { throw Fault(.noProgramHeaders, .header) }
        programHeaders = try ProgramHeaders(file, header)
        var entryIsInside = role == .library
        var interpreter = 0
        // The types that were met, a bit each.
        var met: UInt32 = 0
        var next = 0
        while next < programHeaders.count {
            let index = next
            next &+= 1
            let segment = programHeaders[index]
            if segment.type == ProgramHeader.Kind.relro {
                let (end, overflow) = segment.vaddr.addingReportingOverflow(segment.memsz)
                if !overflow { readOnlyAfterRelocation = (segment.vaddr, end) }
            }
            guard segment.type <= ProgramHeader.Kind.tls, KernelImage.readTypes >> segment.type & 1 == 1 else {
                if segment.type == ProgramHeader.Kind.note, firstNote == 0 { firstNote = index }
                continue
            }
            let isLoaded = segment.type == ProgramHeader.Kind.load
            guard isLoaded || met >> segment.type & 1 == 0 else {
                throw Fault(.duplicateSegmentType, .programHeader(UInt64(index)), value: UInt64(segment.type))
            }
            met |= 1 << segment.type
            try segment.validate(index: UInt64(index), fileCount: file.count)
            switch segment.type {
            case ProgramHeader.Kind.tls: tlsIndex = index
            case ProgramHeader.Kind.dynamic: dynamicIndex = index
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
                entryIsInside = entryIsInside || header.entry >= segment.vaddr && header.entry < linkEnd
            }
        }
        guard linkEnd > 0 else { throw Fault(.noLoadSegment, .header) }
        guard entryIsInside else { throw Fault(.entryOutsideImage, .header, value: header.entry) }
        if header.type == .dynamic { linkStart &= ~0x1f_ffff }
        memoryEnd = linkEnd
        do { try tables.find(in: self) } catch { hasSoundTables = false }
        if hasSoundTables, tables.needDescriptorCode, let supplement = Supplement(behind: linkEnd) {
            memoryEnd = supplement.end
        }
        if met >> ProgramHeader.Kind.interpreter & 1 == 1, role == .application {
            throw Fault(
                .needsInterpreter, .programHeader(UInt64(interpreter)), nameOffset: programHeaders[interpreter].offset)
        }
        if let tlsIndex { try validateTemplate(tlsIndex) }
    }

    /// The types of segments that the loader reads the bytes of, a bit each: PT_LOAD, PT_DYNAMIC, PT_INTERP and PT_TLS.
    private static var readTypes: UInt32 { 0b1000_1110 }

    /// Throws `tlsOutsideImage` unless the initialised bytes of PT_TLS, at `index`, are in a segment's memory.
    private func validateTemplate(_ index: Int) throws(Fault) {
        let template = programHeaders[index]
        guard template.filesz > 0 else { return }
        if let holder = programHeaders.segment(at: template.vaddr) {
            let segment = programHeaders[holder]
            if template.filesz <= segment.memsz &- (template.vaddr &- segment.vaddr) { return }
        }
        throw Fault(.tlsOutsideImage, .programHeader(UInt64(index)), value: template.vaddr)
    }

    /// Copies every segment into `memory`, whose first byte stands for link address `linkStart`, and clears what the
    /// file has no bytes for. Throws `imageTooLarge` where `memory` has no room for `size` bytes.
    public func load(into memory: inout ByteRegion) throws(Fault) {
        guard size <= memory.count else { throw Fault(.imageTooLarge, value: size, limit: memory.count) }
        var reached = memory.address
        var index = firstLoad
        while index < programHeaders.count {
            let segment = programHeaders[index]
            index &+= 1
            guard segment.type == ProgramHeader.Kind.load, segment.memsz > 0 else { continue }
            let target = memory.address &+ (segment.vaddr &- linkStart)
            memory.clear(reached, size: target &- reached)
            memory.copy(file.part(at: segment.offset, size: segment.filesz), to: target)
            reached = target &+ segment.filesz
        }
        let end = memory.address &+ size
        memory.clear(reached, size: end &- reached)
        if let supplement { supplement.write(to: &memory, at: end &- Supplement.size) }
    }
}
