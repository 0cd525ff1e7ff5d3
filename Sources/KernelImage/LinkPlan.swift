// Which files are loaded together, in which order, and where each goes.

import Diagnostics
import Bytes
import ELF

/// The plan of a link map: everything about it but the objects, which are kept in room that the caller gives.
public struct LinkPlan: Equatable, Sendable {
    /// How many objects there are, the application included.
    public private(set) var count = 0
    /// The number of bytes of all files.
    private(set) var fileSize: UInt64 = 0
    /// The largest alignment of a segment.
    public private(set) var alignment: UInt64 = 0

    /// The template of thread-local storage, where libraries have some: its link address in the application, and how many
    /// bytes are initialised, in all, and its alignment.
    public private(set) var templateStart: UInt64 = 0
    public private(set) var templateFileSize: UInt64 = 0, templateSize: UInt64 = 0, templateAlignment: UInt64 = 0
    /// The number of blocks.
    private var blockCount: UInt64 = 0
    /// Where between them there is room for a block, as distances from TP.
    private var gapStart: UInt64 = 0, gapEnd: UInt64 = 0
    /// Whether a library has thread-local storage.
    public private(set) var hasMergedTemplate = false
    /// What the loader adds: data that is only read, and code; behind it, the image's end.
    public private(set) var dataStart: UInt64 = 0, dataEnd: UInt64 = 0, codeStart: UInt64 = 0, end: UInt64 = 0
    /// The distances of all blocks, by their number.
    private(set) var distances: UInt64 = 0
    /// The symbols that the loader defines.
    private(set) var provided = ProvidedSymbols()
    /// The libraries, those first that others need; four bits each, the first one lowest.
    private var order: UInt64 = 0

    /// The number of initialisers of libraries.
    public var initialiserCount: UInt64 { (provided.initialisersEnd &- provided.initialisersStart) / 8 }
    /// The link address of the array of libraries' initialisers in the application, and behind it that of finalisers.
    public var initialisersStart: UInt64 { provided.initialisersStart }
    /// The link address of `__tls_get_addr`.
    public var threadLocalAddress: UInt64 { provided.threadLocalAddress }
    /// The number of libraries.
    public var libraryCount: Int { max(count, 1) &- 1 }

    /// No objects.
    init() {}

    /// Finds out what `application`, the first of `files`, needs of the others, and where that goes; fills `list`.
    mutating func find(
        _ files: borrowing NamedFiles, _ application: KernelImage, _ list: inout MutableSpan<LinkedObject>
    ) throws(Fault) {
        for index in 0..<files.count { fileSize &+= files[index].size }
        var search = SymbolSearch(size: fileSize)
        let names = FileNames(files)
        try add(0, files, names, application, &list)
        var index = 0
        while index < count {
            do throws(Fault) {
                try addDependencies(of: index, files, names, &search, &list)
            } catch { throw error.of(file: list[index].file) }
            index &+= 1
        }
        for index in 0..<count {
            do throws(Fault) {
                try checkVersions(of: index, files, names, &search, list)
            } catch { throw error.of(file: list[index].file) }
        }
        try layOut(behind: application.linkStart &+ application.size, &list)
        sortByDependency(list)
    }

    // MARK: Finding

    @inline(never)
    private mutating func add(
        _ file: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ image: KernelImage,
        _ list: inout MutableSpan<LinkedObject>
    ) throws(Fault) {
        list[count] = try LinkedObject(file, of: files, image)
        if list[count].nameSize == 0 { (list[count].name, list[count].nameSize) = names.fileName(file) }
        if let tls = image.tls, tls.memsz > 0 { try placeBlock(tls, &list) }
        alignment = max(alignment, list[count].alignment)
        count &+= 1
    }

    /// How far below TP the block of `tls` begins at the least, where what is nearer than `used` is taken: of the addresses
    /// congruent to p_vaddr the highest; see `ThreadLocalBlock`.
    private static func distance(_ tls: ProgramHeader, below used: UInt64) -> UInt64 {
        let needed = used &+ tls.memsz
        return needed &+ ((0 &- tls.vaddr &- needed) & (max(tls.align, 1) &- 1))
    }

    /// Puts the block of `tls`, the object's that is being added, below those of the objects before.
    private mutating func placeBlock(_ tls: ProgramHeader, _ list: inout MutableSpan<LinkedObject>) throws(Fault) {
        let mask = max(tls.align, 1) &- 1
        guard tls.memsz <= 1 << 46, mask < 1 << 46, templateSize <= 1 << 46 else {
            throw Fault(.imageTooLarge, .none, value: tls.memsz, limit: 1 << 46)
        }
        // In the largest gap that alignment has left, or else below all; as glibc does, so that both come to the same.
        var distance = LinkPlan.distance(tls, below: gapStart)
        if distance <= gapEnd {
            gapStart = distance
        } else {
            distance = LinkPlan.distance(tls, below: templateSize)
            if distance &- templateSize &- tls.memsz > gapEnd &- gapStart {
                gapStart = templateSize
                gapEnd = distance &- tls.memsz
            }
            templateSize = distance
        }
        blockCount &+= 1
        list[count].threadLocalModule = blockCount
        list[count].threadLocalDistance = distance
        list[count].threadLocalStart = tls.vaddr
        list[count].threadLocalFileSize = tls.filesz
        templateAlignment = max(templateAlignment, mask &+ 1)
        if count > 0 { hasMergedTemplate = true }
    }

    private mutating func addDependencies(
        of index: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ search: inout SymbolSearch,
        _ list: inout MutableSpan<LinkedObject>
    ) throws(Fault) {
        let section = try list[index].dynamicSection(files.bytes)
        var cursor = 0
        while let offset = SharedObjectSection.nextNeeded(section, &cursor) {
            guard let file = try names.find(offset, list[index].strings, files, &search) else {
                // Those behind it are looked up when the sentence is written.
                let name = list[index].strings.start &+ offset &- list[index].start
                throw Fault(.needsLibrary, .none, nameOffset: name)
            }
            let needed = try object(of: file, files, names, &list)
            list[index].needs(needed)
        }
    }

    /// The index of the object of the file at `file`, which is added where it is new.
    private mutating func object(
        of file: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ list: inout MutableSpan<LinkedObject>
    ) throws(Fault) -> Int {
        for index in 0..<count where list[index].file == file { return index }
        do throws(Fault) {
            let range = files[file]
            let view = try files.bytes.slice(at: range.start, size: range.size, else: .moduleOutsideMemory, .none)
            let image = try KernelImage(view, as: .library)
            guard !image.isFixed else { throw Fault(.notSharedObject, .header) }
            try add(file, files, names, image, &list)
        } catch { throw error.of(file: file) }
        return count &- 1
    }

    private func checkVersions(
        of index: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ search: inout SymbolSearch,
        _ list: borrowing MutableSpan<LinkedObject>
    ) throws(Fault) {
        let strings = list[index].strings
        var needs = list[index].versions.needs
        while let wanted = needs.next(files.bytes) {
            guard let file = try names.find(wanted.file, strings, files, &search) else {
                throw Fault(.needsLibrary, .none, nameOffset: strings.start &+ wanted.file &- list[index].start)
            }
            var target = 0
            while target < count, list[target].file != file { target &+= 1 }
            // What is not loaded defines nothing, and a file without versions has every one.
            guard target < count, list[target].versions.definedSize > 0, !wanted.isWeak else { continue }
            var definitions = list[target].versions.definitions
            var isDefined = false
            while !isDefined, let version = definitions.next(files.bytes) {
                try search.add(1)
                guard version.hash == wanted.hash else { continue }
                isDefined = try search.isSame(
                    version.name, list[target].strings, wanted.name, strings, files.bytes)
            }
            guard isDefined else { throw Fault(.versionMissing, .none, value: UInt64(wanted.number)) }
        }
    }

    // MARK: Placing

    private mutating func layOut(behind start: UInt64, _ list: inout MutableSpan<LinkedObject>) throws(Fault) {
        var next = start
        for index in 1..<count {
            // Its link addresses and the application's differ by a multiple of its alignment.
            let rest = list[index].linkStart & (list[index].alignment &- 1)
            let size = list[index].memorySize
            guard let address = (next > rest ? next &- rest : 0).aligned(to: list[index].alignment), address < 1 << 62,
                size < 1 << 62
            else { throw tooLarge(next) }
            list[index].displacement = address &+ rest &- list[index].linkStart
            next = address &+ rest &+ size
        }
        // The block is as large as kernels round it up to.
        guard let size = templateSize.aligned(to: max(templateAlignment, 1)), let page = next.aligned(to: 0x1000) else {
            throw tooLarge(next)
        }
        templateSize = size
        dataStart = page
        for index in 0..<count where list[index].threadLocalModule != 0 {
            let fileSize = list[index].threadLocalFileSize
            let end = size &- list[index].threadLocalDistance &+ fileSize
            if fileSize > 0 { templateFileSize = max(templateFileSize, end) }
        }
        guard let template = page.aligned(to: max(templateAlignment, 16)) else { throw tooLarge(page) }
        templateStart = template
        if hasMergedTemplate { next = template &+ templateFileSize } else { next = page }
        guard next >= page, next < 1 << 62 else { throw tooLarge(next) }
        distances = (next &+ 15) & ~15
        next = distances &+ 17 &* 8
        provided.initialisersStart = next
        for index in 1..<count { next &+= list[index].initialiserCount &* 8 }
        provided.initialisersEnd = next
        provided.finalisersStart = next
        for index in 1..<count { next &+= list[index].finaliserCount &* 8 }
        provided.finalisersEnd = next
        dataEnd = next
        codeStart = (next &+ 0xfff) & ~0xfff
        provided.threadLocalAddress = codeStart
        end = codeStart &+ LinkPlan.codeSize

    }

    private func tooLarge(_ end: UInt64) -> Fault { Fault(.imageTooLarge, .none, value: end, limit: 1 << 62) }

    /// The bytes of `__tls_get_addr`.
    static var codeSize: UInt64 { 0x28 }

    // MARK: Order of initialisers

    /// The library at `index` in the order of initialisation, below `count` - 1: those first that others need, of two that need
    /// each other the one that was reached first last.
    func ordered(_ index: Int) -> Int { Int(order >> (UInt64(index) &* 4) & 15) }

    private mutating func sortByDependency(_ list: borrowing MutableSpan<LinkedObject>) {
        var visited: UInt64 = 0
        var position: UInt64 = 0
        for index in (0..<count).reversed() { visit(index, &visited, &position, list) }
    }

    /// Adds the objects that the one at `index` needs, and then itself. Goes no deeper than there are objects.
    private mutating func visit(
        _ index: Int, _ visited: inout UInt64, _ position: inout UInt64, _ list: borrowing MutableSpan<LinkedObject>
    ) {
        guard visited >> UInt64(index) & 1 == 0 else { return }
        visited |= 1 << UInt64(index)
        // The application comes last, whoever needs it.
        guard index > 0 else { return }
        for dependency in 0..<list[index].dependencyCount {
            visit(list[index].dependency(dependency), &visited, &position, list)
        }
        order |= UInt64(index) << (position &* 4)
        position &+= 1
    }
}

extension UInt64 {
    /// The next multiple of `alignment`, a power of two; nil where it does not fit in 64 bits.
    fileprivate func aligned(to alignment: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow(alignment &- 1)
        return overflow ? nil : sum & ~(alignment &- 1)
    }
}
