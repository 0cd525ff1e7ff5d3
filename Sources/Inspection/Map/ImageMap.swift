// The parts of a file, and the place of each in memory: the model of the picture's first half.

import AnyELF
import Architecture
import Memory
import Boot
import Bytes
import Diagnostics
import ELF
import Linking

/// The kinds of part, by their contents.
enum PartKind: String, CaseIterable {
    case header, code, constants, data, threadLocal, zero, library, made, fileOnly

    /// The kind in words.
    var title: String {
        switch self {
        case .header: "headers"
        case .code: "code"
        case .constants: "constants"
        case .data: "data"
        case .threadLocal: "TLS template"
        case .zero: "zeros"
        case .library: "shared object"
        case .made: "made by the loader"
        case .fileOnly: "in the file only"
        }
    }
}

/// A part of a file, of the image, or of both.
struct MapPart: Equatable {
    var name: String
    var kind: PartKind
    /// File offsets; nil if it has no bytes in the file.
    var file: AddressRange?
    /// Addresses in the guest; nil if it is not in memory.
    var memory: AddressRange?
    /// The PT_LOAD segment that holds it.
    var segment: Int?

    /// The number of its bytes, in the file or in memory.
    var size: UInt64 { max(file?.size ?? 0, memory?.size ?? 0) }
}

/// The parts of a file and its image.
struct ImageMap {
    /// Gaps below this many bytes are padding, and not shown.
    static let gapLimit: UInt64 = 256

    /// The parts, by file offset; those without one come last, by address.
    private(set) var parts: [MapPart] = []
    /// The addresses of the words that are relocated, ascending.
    private(set) var relocated: [UInt64] = []
    /// The size of the file; parts past it are not taken.
    let fileSize: UInt64
    /// Why parts of the file do not appear; nil if all do.
    private(set) var remark: String?
    /// The access of each PT_LOAD segment, as `rwx`.
    private(set) var access: [Int: String] = [:]

    /// The parts of `application`'s file, at `bias`, with its `libraries`, whose `files` are in the same order.
    init(
        _ application: borrowing Application, bias: UInt64, libraries: [Rehearsal.Library], files: [InputFile?]
    ) throws(Fault) {
        fileSize = application.fileSize
        let header = application.contents.linked.header
        add("ELF header", .header, file: AddressRange(0, FileHeader.size))
        let programHeaders = header.programHeaderCount * ProgramHeader.size
        if programHeaders > 0 {
            add("program headers", .header, file: AddressRange(at: header.programHeaderOffset, size: programHeaders))
        }
        if application.isObject {
            try addObject(application.contents.object, header, bias)
        } else {
            try addLinked(application.contents.linked, header, bias)
        }
        if !libraries.isEmpty {
            for (library, file) in zip(libraries, files) { if let file { addLibrary(library, file) } }
            let plan = application.link.plan
            add(
                plan.hasMergedTemplate ? "TLS template, arrays" : "arrays", .made,
                memory: AddressRange(plan.dataStart &+ bias, plan.dataEnd &+ bias))
            add("__tls_get_addr", .made, memory: AddressRange(plan.codeStart &+ bias, plan.end &+ bias))
        }
        relocated.sort()
        sortParts()
    }

    /// The parts of a `file` that does not boot, at the addresses for which it was linked, as far as its headers are plausible.
    init(unbootable file: ByteView) {
        fileSize = file.count
        guard let header = try? AnyFileHeader(file), let headers = try? SegmentListing(file, header) else {
            if file.count > 0 { add("(no ELF header that can be read)", .fileOnly, file: AddressRange(0, file.count)) }
            return
        }
        add("ELF header", .header, file: AddressRange(0, header.form.headerSize))
        if headers.count > 0 {
            let size = UInt64(headers.count) * header.form.programHeaderSize
            add("program headers", .header, file: AddressRange(at: header.programHeaderOffset, size: size))
        }
        let all = (0..<headers.count).map { ($0, headers[$0]) }.filter { $0.1.isLoaded }
        // Only possible segments: in the file, in the address space, and not overlapping.
        var segments: [(Int, ProgramHeader)] = []
        for (number, segment) in all.sorted(by: { $0.1.vaddr < $1.1.vaddr }) {
            guard segment.vaddr.adding(segment.memsz) != nil, segment.filesz <= segment.memsz,
                file.contains(segment.offset, segment.filesz),
                segments.last.map({ $0.1.vaddr &+ $0.1.memsz <= segment.vaddr }) ?? true
            else { continue }
            segments.append((number, segment))
        }
        addLinked(file, header, segments, 0)
        if segments.count < all.count {
            let sentence = "\(counted(all.count - segments.count, "segment")) cannot be where the headers say"
            remark = remark.map { "\(sentence); \($0)" } ?? sentence
        }
        sortParts()
    }

    private mutating func sortParts() {
        parts.sort { left, right in
            (left.file?.start ?? .max, left.memory?.start ?? .max)
                < (right.file?.start ?? .max, right.memory?.start ?? .max)
        }
    }

    /// The number of relocated words that begin in `range`.
    func relocations(in range: AddressRange) -> Int { position(of: range.end) - position(of: range.start) }

    /// The number of relocated words below `address`.
    private func position(of address: UInt64) -> Int {
        var (low, high) = (0, relocated.count)
        while low < high {
            let middle = (low + high) / 2
            if relocated[middle] < address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func add(
        _ name: String, _ kind: PartKind, file: AddressRange? = nil, memory: AddressRange? = nil, segment: Int? = nil
    ) {
        // The sections of linked files have not been checked.
        if let file, file.end > fileSize { return }
        guard file?.isEmpty == false || memory?.isEmpty == false else { return }
        parts.append(MapPart(name: name, kind: kind, file: file, memory: memory, segment: segment))
    }

    // MARK: Linked files

    private mutating func addLinked(_ image: borrowing LinkedImage, _ header: FileHeader, _ bias: UInt64) throws(Fault)
    {
        let headers = image.programHeaders
        let segments = (0..<headers.count).map { ($0, headers[$0]) }.filter { $0.1.isLoaded }
        addLinked(image.file, AnyFileHeader(header), segments, bias)
        if let descriptorThunks = image.descriptorThunks {
            add(
                "code for TLS descriptors", .made,
                memory: AddressRange(descriptorThunks.start &+ bias, descriptorThunks.end &+ bias))
        }
        let relocator = try Relocator(copy image, bias: bias, as: .library)
        var list = relocator.listed
        while let relocation = try list.next() {
            if relocation.entry.type != RelocationNumber.none { relocated.append(relocation.entry.offset &+ bias) }
        }
    }

    /// Adds the sections of `file`, whose `segments` are in the order of their addresses, and the rest of the segments.
    private mutating func addLinked(
        _ file: ByteView, _ header: AnyFileHeader, _ segments: [(Int, ProgramHeader)], _ bias: UInt64
    ) {
        for (number, segment) in segments { access[number] = "\(Names.segmentFlags(segment.flags))" }
        do throws(Fault) {
            let table = try SectionListing(file, header)
            if table.count > 0 {
                add(
                    "section headers", .header,
                    file: AddressRange(
                        at: header.sectionHeaderOffset, size: UInt64(table.count) * header.form.sectionHeaderSize))
            }
            for index in 0..<table.count { addLinked(table[index], table.name(table[index]).text, segments, bias) }
        } catch { remark = "the section headers are damaged, so sections are not shown" }
        // Headers that a segment contains are in memory, too.
        for index in parts.indices where parts[index].kind == .header {
            guard let file = parts[index].file,
                let (number, segment) = segments.first(where: {
                    AddressRange(at: $0.1.offset, size: $0.1.filesz).contains(file)
                })
            else { continue }
            parts[index].memory = AddressRange(
                at: segment.vaddr &+ (file.start &- segment.offset) &+ bias, size: file.size)
            parts[index].segment = number
        }
        addRest(of: segments, bias)
    }

    /// Adds the sections of a shared object in memory, and the gaps between them. Its file is a different one.
    private mutating func addLibrary(_ library: Rehearsal.Library, _ input: InputFile) {
        let (name, file) = (printable(library.name), ByteView(input.bytes))
        var reached = library.memory.start
        var sections: [(name: String, kind: PartKind, memory: AddressRange)] = []
        if let image = try? LinkedImage(file, as: .library), let table = try? SectionListing(file, image.header) {
            let bias = library.memory.start &- image.linkStart
            for index in 0..<table.count {
                let section = table[index]
                let isInMemory = section.flags & SectionHeader.Flags.alloc != 0 && section.size > 0
                let isTemplate = section.flags & SectionHeader.Flags.threadLocal != 0
                guard isInMemory, !(isTemplate && section.type == SectionHeader.Kind.nobits) else { continue }
                let memory = AddressRange(at: section.addr &+ bias, size: section.size)
                guard library.memory.contains(memory) else { continue }
                sections.append(("\(name) \(table.name(section).text)", ImageMap.kind(section), memory))
            }
        }
        func addRest(until end: UInt64) {
            if end > reached, end - reached >= (sections.isEmpty ? 1 : ImageMap.gapLimit) {
                add("(\(name))", .library, memory: AddressRange(reached, end))
            }
        }
        for section in sections.sorted(by: { $0.memory.start < $1.memory.start }) {
            addRest(until: section.memory.start)
            add(section.name, section.kind, memory: section.memory)
            reached = max(reached, section.memory.end)
        }
        addRest(until: library.memory.end)
    }

    private mutating func addLinked(
        _ section: SectionHeader, _ name: String, _ segments: [(Int, ProgramHeader)], _ bias: UInt64
    ) {
        let isZero = section.type == SectionHeader.Kind.nobits
        let isThreadLocal = section.flags & SectionHeader.Flags.threadLocal != 0
        // The zeros of thread-local storage are not in the image, only in each thread's block.
        guard section.type != SectionHeader.Kind.null, section.size > 0, !(isZero && isThreadLocal) else { return }
        let memory = AddressRange(at: section.addr, size: section.size)
        let home = ImageMap.home(of: memory, segments)
        let isInMemory = section.flags & SectionHeader.Flags.alloc != 0 && home != nil
        guard isInMemory || !isZero else { return }
        add(
            name.isEmpty ? "(no name)" : name, isInMemory ? ImageMap.kind(section) : .fileOnly,
            file: isZero ? nil : AddressRange(at: section.offset, size: section.size),
            memory: isInMemory ? AddressRange(at: section.addr &+ bias, size: section.size) : nil,
            segment: isInMemory ? home?.0 : nil)
    }

    /// The segment that holds `range` of link addresses; segments are in the order of their addresses.
    private static func home(of range: AddressRange, _ segments: [(Int, ProgramHeader)]) -> (Int, ProgramHeader)? {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].1.vaddr <= range.start { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return nil }
        let segment = segments[low - 1].1
        return AddressRange(at: segment.vaddr, size: segment.memsz).contains(range) ? segments[low - 1] : nil
    }

    /// Adds the parts of the segments that no section and no header covers, if they are more than padding.
    private mutating func addRest(of segments: [(Int, ProgramHeader)], _ bias: UInt64) {
        let covered = parts.compactMap(\.memory).sorted { $0.start < $1.start }
        var next = 0
        for (number, segment) in segments {
            let segmentRange = AddressRange(at: segment.vaddr &+ bias, size: segment.memsz)
            var reached = segmentRange.start
            var isCovered = false
            while next < covered.count, covered[next].start < segmentRange.end {
                isCovered = true
                if covered[next].start > reached {
                    addHole(AddressRange(reached, covered[next].start), segment, number, bias, least: 256)
                }
                reached = max(reached, covered[next].end)
                next += 1
            }
            addHole(
                AddressRange(reached, segmentRange.end), segment, number, bias, least: isCovered ? 256 : 1)
        }
    }

    /// Adds a hole of at least `least` bytes, which may begin in the file's bytes, and end in the zeros.
    private mutating func addHole(
        _ hole: AddressRange, _ segment: ProgramHeader, _ number: Int, _ bias: UInt64, least: UInt64
    ) {
        guard hole.size >= least else { return }
        let start = segment.vaddr &+ bias
        let fileEnd = start &+ segment.filesz
        let stored = AddressRange(hole.start, min(hole.end, fileEnd))
        if !stored.isEmpty {
            add(
                "(segment \(number))", ImageMap.kind(segment),
                file: AddressRange(at: segment.offset &+ (stored.start &- start), size: stored.size),
                memory: stored, segment: number)
        }
        let zeros = AddressRange(max(hole.start, fileEnd), hole.end)
        if !zeros.isEmpty { add("(segment \(number))", .zero, memory: zeros, segment: number) }
    }

    private static func kind(_ segment: ProgramHeader) -> PartKind {
        segment.isExecutable ? .code : segment.isWritable ? .data : .constants
    }

    private static func kind(_ section: SectionHeader) -> PartKind {
        if section.flags & SectionHeader.Flags.threadLocal != 0 { return .threadLocal }
        if section.type == SectionHeader.Kind.nobits { return .zero }
        if section.flags & SectionHeader.Flags.execute != 0 { return .code }
        return section.flags & SectionHeader.Flags.write != 0 ? .data : .constants
    }

    // MARK: Object files

    private mutating func addObject(_ image: borrowing ObjectImage, _ header: FileHeader, _ bias: UInt64) throws(Fault)
    {
        var places: [UInt32: UInt64] = [:]
        try image.forEachPlace { section, address in places[section] = address }
        let names = try SectionListing(image.file, header)
        add(
            "section headers", .header,
            file: AddressRange(at: header.sectionHeaderOffset, size: UInt64(names.count) * SectionHeader.size))
        for index in 1..<max(image.sections.count, 1) {
            let section = image.sections[index]
            let isZero = section.type == SectionHeader.Kind.nobits
            let place = places[index]
            let name = names.name(section).text
            let memory = place.map { AddressRange(at: $0 &+ bias, size: section.size) }
            guard section.size > 0, memory != nil || !isZero else { continue }
            add(
                name.isEmpty ? "(no name)" : name, memory == nil ? .fileOnly : ImageMap.kind(section),
                file: isZero ? nil : AddressRange(at: section.offset, size: section.size), memory: memory)
        }
        let (table, scratch) = image.additions
        var common: AddressRange?
        try image.forEachCommonSymbol { address, size in
            common = AddressRange(common?.start ?? address, address &+ size)
        }
        if let common {
            add("common symbols", .zero, memory: AddressRange(common.start &+ bias, common.end &+ bias))
        }
        add("GOT and stubs", .made, memory: AddressRange(table.start &+ bias, table.end &+ bias))
        add("the loader's notes", .made, memory: AddressRange(scratch.start &+ bias, scratch.end &+ bias))
        for index in 0..<names.count {
            guard let place = places[names[index].info], var relocations = try names.relocations(index) else {
                continue
            }
            while try relocations.next() {
                let entry = relocations.entry
                if entry.type != RelocationNumber.none { relocated.append(place &+ entry.offset &+ bias) }
            }
        }
    }
}

extension ProgramHeader {
    /// Whether it occupies memory: PT_LOAD, and not empty.
    fileprivate var isLoaded: Bool { type == Kind.load && memsz > 0 }
}
