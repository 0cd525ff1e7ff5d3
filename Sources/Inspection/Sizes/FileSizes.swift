// The parts of a file by section, segment, symbol, crate and compile unit, as SizeBreakdown counts them.

import AnyELF
import Bytes
import Diagnostics
import ELF

/// A file's parts and their sizes.
struct FileSizes: ~Escapable {
    private let file: ByteView
    private let header: AnyFileHeader
    private let sections: SectionListing
    private let segments: SegmentListing

    /// Reads `file`. Throws the faults of its headers.
    @_lifetime(copy file)
    init(_ file: ByteView) throws(Fault) {
        self.file = file
        header = try AnyFileHeader(file)
        sections = try SectionListing(file, header)
        segments = try SegmentListing(file, header)
    }

    /// The parts by section or by segment.
    func breakdown(bySegment: Bool) -> SizeBreakdown {
        SizeBreakdown(
            bySegment ? segmentContainers : containers, nil, fileSize: file.count,
            remainder: bySegment ? "[in no segment]" : "[headers, padding]")
    }

    /// The parts by symbol or by crate; the symbols are those of `debug`, the file itself or one of debugging information. Throws the
    /// faults of malformed symbol tables.
    func breakdown(byCrate: Bool, symbolsOf debug: borrowing FileSizes) throws(Fault) -> SizeBreakdown {
        let containers = containers
        return SizeBreakdown(containers, try debug.symbols(byCrate, in: containers), fileSize: file.count)
    }

    /// Whether addresses in it are offsets in sections.
    var isObject: Bool { header.isObject }

    /// The parts by the compile units whose code is at `ranges`.
    func breakdown(_ ranges: [UnitRange]) -> SizeBreakdown {
        let containers = containers
        let places = AddressIndex(containers)
        var labels: [SizeBreakdown.Label] = []
        for range in ranges {
            guard let container = places.container(at: range.start) else { continue }
            labels.append(
                SizeBreakdown.Label(
                    container: container, start: range.start - containers[container].address,
                    size: range.end - range.start, name: range.name))
        }
        return SizeBreakdown(containers, labels, fileSize: file.count)
    }

    // MARK: Containers

    /// The sections, or in a file without them the segments, in the order of the headers.
    private var containers: [SizeBreakdown.Container] {
        guard sections.count > 0 else { return segmentContainers }
        return (0..<sections.count).map { index in
            let section = sections[index]
            let name = sections.name(section).text
            // Section 0 is the null section, whatever it holds; zeros of thread-local storage are in each thread's block.
            let isThreadZeros =
                section.type == SectionHeader.Kind.nobits && section.flags & SectionHeader.Flags.threadLocal != 0
            let isNone = section.type == SectionHeader.Kind.null
            return SizeBreakdown.Container(
                name: name.isEmpty ? "(no name)" : name, address: section.addr, size: isNone ? 0 : section.size,
                fileSize: isNone ? 0 : min(section.fileSize, file.count), isInMemory: section.isLoaded && !isThreadZeros
            )
        }
    }

    private var segmentContainers: [SizeBreakdown.Container] {
        var containers: [SizeBreakdown.Container] = []
        for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.load {
            let segment = segments[index]
            containers.append(
                SizeBreakdown.Container(
                    name: "LOAD \(containers.count) \(Names.segmentFlags(segment.flags))", address: segment.vaddr,
                    size: max(segment.memsz, segment.filesz), fileSize: min(segment.filesz, file.count),
                    isInMemory: true))
        }
        return containers
    }

    // MARK: Symbols

    /// Functions and variables by name or by crate: those of .symtab, or else of .dynsym. Each is in one of `containers`, which may be
    /// those of another file.
    private func symbols(_ byCrate: Bool, in containers: [SizeBreakdown.Container]) throws(Fault)
        -> [SizeBreakdown.Label]
    {
        let places = AddressIndex(containers)
        let template = threadLocalTemplate
        var complete: [SizeBreakdown.Label] = []
        var others: [SizeBreakdown.Label] = []
        try SymbolTableListing.forEach(of: file, header, sections) { (table) throws(Fault) in
            for index in 0..<table.count {
                let symbol = table[index]
                guard symbol.isSized else { continue }
                let isInTemplate = symbol.isThreadLocal && !header.isObject
                // Zeros of thread-local storage have no place: other sections lie at the addresses after the template.
                if isInTemplate, symbol.value >= template.filesz { continue }
                let address = isInTemplate ? template.start &+ symbol.value : symbol.value
                // In an object file all sections are at 0.
                let container = header.isObject ? Int(symbol.shndx) : places.container(at: address) ?? containers.count
                guard container < containers.count else { continue }
                let start = address &- containers[container].address
                guard start < containers[container].size else { continue }
                let mangled = table.strings.string(at: UInt64(symbol.name), limit: Demangler.longestSymbol).wholeText
                let name = byCrate ? CrateName.of(mangled) : Demangler.name(mangled) ?? mangled
                let label = SizeBreakdown.Label(container: container, start: start, size: symbol.size, name: name)
                if table.isComplete { complete.append(label) } else { others.append(label) }
            }
        }
        return complete.isEmpty ? others : complete
    }

    /// The link address of the template of thread-local storage, from which its symbols count, and the size of its initialised part.
    private var threadLocalTemplate: (start: UInt64, filesz: UInt64) {
        for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.tls {
            return (segments[index].vaddr, segments[index].filesz)
        }
        return (0, 0)
    }
}

/// Finds containers by address.
private struct AddressIndex {
    private let places: [(start: UInt64, size: UInt64, index: Int)]

    init(_ containers: [SizeBreakdown.Container]) {
        places = containers.indices.filter { containers[$0].isInMemory && containers[$0].size > 0 }
            .map { (containers[$0].address, containers[$0].size, $0) }
            .sorted { $0.start < $1.start }
    }

    /// The number of the container that address `address` is in; nil if there is none.
    func container(at address: UInt64) -> Int? {
        // The last that begins no later.
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].start <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, address - places[low - 1].start < places[low - 1].size else { return nil }
        return places[low - 1].index
    }
}

extension Symbol {
    /// Whether it is a function or a variable that has bytes in this file.
    fileprivate var isSized: Bool {
        size > 0 && !isUndefined && (isPlace || isThreadLocal || isIndirectFunction)
    }
}
