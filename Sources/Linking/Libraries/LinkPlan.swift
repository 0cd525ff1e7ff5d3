// Which files are loaded together, in which order, and where each goes.

import Architecture
import Diagnostics
import Bytes
import ELF

/// The plan for an application and its shared objects. It is large, so it is filled and read in place.
public struct LinkPlan: Sendable {
    /// The files. Those that are loaded come first, the application before the others.
    public var linkedFiles = InlineArray<16, LinkedFile> { _ in LinkedFile() }
    /// The number of files that are loaded, including the application.
    public private(set) var count = 0
    /// The number of bytes of all files.
    private(set) var fileSize: UInt64 = 0
    /// The largest alignment of a segment.
    public private(set) var alignment: UInt64 = 0

    /// The template of thread-local storage, if libraries have some: its link address in the application, its initialised bytes,
    /// its size in all, and its alignment.
    public private(set) var templateStart: UInt64 = 0
    public private(set) var templateFileSize: UInt64 = 0, templateSize: UInt64 = 0, templateAlignment: UInt64 = 0
    /// The number of blocks.
    private var blockCount: UInt64 = 0
    /// The gap between blocks that is free for another block, as distances from TP.
    private var gapStart: UInt64 = 0, gapEnd: UInt64 = 0
    /// Whether a library has thread-local storage.
    public private(set) var hasMergedTemplate = false
    /// The additions of the loader: read-only data, then code, which ends with the image.
    public private(set) var dataStart: UInt64 = 0, dataEnd: UInt64 = 0, codeStart: UInt64 = 0, end: UInt64 = 0
    /// The distances of all blocks, by their number.
    private(set) var distances: UInt64 = 0
    /// The symbols that the loader defines.
    private(set) var provided = ProvidedSymbols()
    /// The libraries in the order of their initialisation, and their number so far.
    private var order = InlineArray<16, Int>(repeating: 0), orderCount = 0

    /// The number of initialisers of libraries.
    public var initialiserCount: UInt64 { (provided.initialisersEnd &- provided.initialisersStart) / 8 }
    /// The link address in the application of the array of libraries' initialisers; that of the finalisers follows.
    var initialisersStart: UInt64 { provided.initialisersStart }
    /// The link address of `__tls_get_addr`.
    public var threadLocalAddress: UInt64 { provided.threadLocalAddress }

    /// An empty plan.
    public init() {}

    /// Clears the plan, except for the files themselves: `find` reads them all.
    private mutating func forget() {
        (count, fileSize, alignment, orderCount) = (0, 0, 0, 0)
        (templateFileSize, templateSize, templateAlignment) = (0, 0, 0)
        (blockCount, gapStart, gapEnd, hasMergedTemplate) = (0, 0, 0, false)
    }

    /// Finds out which of `files` the application, the first of them, needs, and where they go. Replaces the previous plan.
    mutating func find(_ files: borrowing NamedFiles) throws(Fault) {
        forget()
        for index in 0..<files.count {
            fileSize &+= files[index].size
            // A file's fault is reported if the file is needed.
            try? linkedFiles[index].read(index, of: files)
        }
        // Faults are in this file.
        var file = 0
        do throws(Fault) {
            var search = SymbolSearch(size: fileSize)
            try add(0, files)
            // Files that are needed are added meanwhile.
            var index = 0
            while index < count {
                var cursor: UInt64 = 0
                while let name = linkedFiles.span[index].nextNeeded(&cursor, files.bytes) {
                    file = linkedFiles.span[index].file
                    var needed = try find(name, of: index, files, &search)
                    if needed >= count {
                        file = linkedFiles.span[needed].file
                        try add(needed, files)
                        needed = count &- 1
                    }
                    linkedFiles[index].needs(needed)
                }
                index &+= 1
            }
            for index in 0..<count {
                file = linkedFiles.span[index].file
                try checkVersions(of: index, files, &search)
            }
        } catch { throw error.of(file: file) }
        try layOut()
        for index in (0..<count).reversed() { visit(index) }
    }

    // MARK: Finding

    /// The index of the file that the file at `index` names by the string at `offset` of its strings: by its DT_SONAME, or else by the last
    /// part of the path in its module's string. Throws `needsLibrary` if there is no such file; other missing files are looked up when the
    /// sentence is written.
    func find(
        _ offset: UInt64, of index: Int, _ files: borrowing NamedFiles, _ search: inout SymbolSearch
    ) throws(Fault) -> Int {
        let length = linkedFiles.span[index].strings.length(offset, files.bytes) ?? 0
        if length == 0 { try linkedFiles.span[index].requireSymbols(files.bytes) }
        // Each file's names are compared at most once.
        try search.add(length &* UInt64(truncatingIfNeeded: files.count))
        var name = FileRange(start: linkedFiles.span[index].strings.start &+ offset, size: length)
        var isPath = false
        while name.size > 0 {
            // Of several files with the name, the first counts.
            var found = -1
            for candidate in 0..<files.count {
                let own = isPath ? linkedFiles.span[candidate].fileName : linkedFiles.span[candidate].soname
                if own.size == name.size, found < 0 || linkedFiles.span[candidate].file < linkedFiles.span[found].file,
                    files.bytes.areSame(own.start, name.start, count: own.size)
                {
                    found = candidate
                }
            }
            if found >= 0 { return found }
            if isPath { break }
            // Of a path only the last part counts.
            name = files.bytes.lastPart(of: name, until: 0)
            isPath = true
        }
        throw Fault(.needsLibrary, nameOffset: linkedFiles.span[index].nameOffset(offset))
    }

    /// Adds the file at `index` among `linkedFiles` to the loaded ones. Throws the fault of the file, if it has one.
    private mutating func add(_ index: Int, _ files: borrowing NamedFiles) throws(Fault) {
        if !linkedFiles.span[index].isSound {
            let file = linkedFiles.span[index].file
            try linkedFiles[index].read(file, of: files)
        }
        linkedFiles.swapAt(index, count)
        try placeBlock()
        alignment = max(alignment, linkedFiles.span[count].alignment)
        count &+= 1
    }

    /// Places the block of thread-local storage of the file that is being added below those of earlier files.
    private mutating func placeBlock() throws(Fault) {
        var linkedFiles = linkedFiles.mutableSpan
        let size = linkedFiles[count].threadLocalSize
        guard size > 0 else { return linkedFiles[count].threadLocalModule = 0 }
        let mask = linkedFiles[count].threadLocalAlignment &- 1
        guard size <= 1 << 46, mask < 1 << 46, templateSize <= 1 << 46 else {
            throw Fault(.imageTooLarge, .none, value: size, limit: 1 << 46)
        }
        // It goes into the largest gap that alignment has left, or else below all blocks, as with glibc, so that both agree.
        var distance = linkedFiles[count].threadLocalDistance(below: gapStart)
        if distance <= gapEnd {
            gapStart = distance
        } else {
            distance = linkedFiles[count].threadLocalDistance(below: templateSize)
            if distance &- templateSize &- size > gapEnd &- gapStart {
                gapStart = templateSize
                gapEnd = distance &- size
            }
            templateSize = distance
        }
        blockCount &+= 1
        linkedFiles[count].threadLocalModule = blockCount
        linkedFiles[count].threadLocalDistance = distance
        templateAlignment = max(templateAlignment, mask &+ 1)
        if count > 0 { hasMergedTemplate = true }
    }

    private mutating func checkVersions(
        of index: Int, _ files: borrowing NamedFiles, _ search: inout SymbolSearch
    ) throws(Fault) {
        let strings = linkedFiles.span[index].strings
        var needs = linkedFiles.span[index].versions.needs
        while needs.next(files.bytes) {
            let wanted = needs.version
            let target = try find(UInt64(wanted.file), of: index, files, &search)
            // A file that is not loaded defines no version, and a file without versions counts as having every one.
            guard target < count, !wanted.isWeak, linkedFiles.span[target].versions.defined != 0 else { continue }
            var definitions = linkedFiles.span[target].versions.definitions
            var isDefined = false
            while !isDefined {
                guard definitions.next(files.bytes) else {
                    throw Fault(.versionMissing, value: UInt64(wanted.number & VersionIndex.number))
                }
                try search.add(1)
                guard definitions.version.hash == wanted.hash else { continue }
                isDefined = try search.isSame(
                    definitions.version.name, linkedFiles.span[target].strings, wanted.name, strings, files.bytes)
            }
        }
    }

    // MARK: Choosing from an archive

    /// Reads the file at `index` of `files`, and returns whether it needs others.
    @inline(never)  // So that its stack space is free for the next call; the same below.
    public mutating func needsOthers(_ index: Int, of files: borrowing NamedFiles) -> Bool {
        linkedFiles[index] = LinkedFile()
        try? linkedFiles[index].read(index, of: files)
        var cursor: UInt64 = 0
        // Read through a span, the files are not copied.
        return linkedFiles.mutableSpan.asSpan()[index].nextNeeded(&cursor, files.bytes) != nil
    }

    /// Whether one of the files before the one at `index`, which has been read, needs it by its name. Each comparison takes the length of
    /// the name from `budget`; false if that is used up.
    @inline(never)
    public mutating func isNeeded(_ index: Int, of files: borrowing NamedFiles, budget: inout UInt64) -> Bool {
        let linkedFiles = linkedFiles.mutableSpan.asSpan()
        let (soname, fileName) = (linkedFiles[index].soname, linkedFiles[index].fileName)
        for other in 0..<index {
            var cursor: UInt64 = 0
            while let name = linkedFiles[other].nextNeeded(&cursor, files.bytes) {
                let length = linkedFiles[other].strings.length(name, files.bytes) ?? 0
                guard budget > length else { return false }
                budget &-= length &+ 1
                let wanted = FileRange(start: linkedFiles[other].strings.start &+ name, size: length)
                let last = files.bytes.lastPart(of: wanted, until: 0)
                if length > 0,
                    soname.size == length && files.bytes.areSame(soname.start, wanted.start, count: length)
                        || fileName.size == last.size
                            && files.bytes.areSame(fileName.start, last.start, count: last.size)
                {
                    return true
                }
            }
        }
        return false
    }

    // MARK: Placing

    private mutating func layOut() throws(Fault) {
        var linkedFiles = linkedFiles.mutableSpan
        // Kernels round the block's size up like this.
        templateSize = templateSize.aligned(to: templateAlignment)
        var next = linkedFiles[0].linkStart &+ linkedFiles[0].memorySize
        var initialisersSize: UInt64 = 0, finalisersSize: UInt64 = 0
        for index in 0..<count {
            if index > 0 {
                let size = linkedFiles[index].memorySize
                // Its link addresses and the application's differ by a multiple of its alignment.
                let alignment = max(linkedFiles[index].alignment, PageSize.size4KiB.rawValue)
                let rest = linkedFiles[index].linkStart & (alignment &- 1)
                let start = (next > rest ? next &- rest : 0).aligned(to: alignment) &+ rest
                guard next < LinkPlan.addressEnd, start < LinkPlan.addressEnd, size < LinkPlan.addressEnd else {
                    throw tooLarge(next)
                }
                linkedFiles[index].displacement = start &- linkedFiles[index].linkStart
                next = start &+ size
            }
            if linkedFiles[index].threadLocalFileSize > 0 {
                let end =
                    templateSize &- linkedFiles[index].threadLocalDistance &+ linkedFiles[index].threadLocalFileSize
                templateFileSize = max(templateFileSize, end)
            }
            initialisersSize &+= linkedFiles[index].initialisers.count &* 8
            finalisersSize &+= linkedFiles[index].finalisers.count &* 8
        }
        guard next < LinkPlan.addressEnd else { throw tooLarge(next) }
        dataStart = next.aligned(to: PageSize.size4KiB.rawValue)
        templateStart = dataStart.aligned(to: max(templateAlignment, Thunks.alignment))
        distances = (hasMergedTemplate ? templateStart &+ templateFileSize : dataStart).aligned(to: Thunks.alignment)
        provided.initialisersStart = distances &+ LinkPlan.distancesSize
        provided.initialisersEnd = provided.initialisersStart &+ initialisersSize
        provided.finalisersStart = provided.initialisersEnd
        provided.finalisersEnd = provided.finalisersStart &+ finalisersSize
        dataEnd = provided.finalisersEnd
        codeStart = dataEnd.aligned(to: PageSize.size4KiB.rawValue)
        provided.threadLocalAddress = codeStart
        end = codeStart &+ Thunks.threadLocalAddressSize
    }

    private func tooLarge(_ end: UInt64) -> Fault {
        Fault(.imageTooLarge, .none, value: end, limit: LinkPlan.addressEnd)
    }

    /// The end of the addresses in which files are placed: sums of two of them do not overflow.
    private static var addressEnd: UInt64 { 1 << 62 }
    /// The room for the distances of all blocks: a word for each module, and for module 0.
    private static var distancesSize: UInt64 { 17 &* 8 }

    // MARK: Order of initialisers

    /// The library at `index`, below `count` - 1, in the order of initialisation: libraries come before the files that need them. If two
    /// need each other, the one reached first comes last.
    func ordered(_ index: Int) -> Int { order.span[index] }

    /// Adds to the order the files that the one at `index` needs, and then itself. Recurses at most as deep as there are files.
    private mutating func visit(_ index: Int) {
        // The application comes last, even if a library needs it.
        guard index > 0, !linkedFiles.span[index].isVisited else { return }
        linkedFiles[index].isVisited = true
        for dependency in 0..<linkedFiles.span[index].dependencyCount {
            let needed = linkedFiles.span[index].dependency(dependency)
            visit(needed)
        }
        order[orderCount] = index
        orderCount &+= 1
    }
}

extension UInt64 {
    /// The first multiple of `alignment`, a power of two, from this number on, which must fit in 64 bits.
    fileprivate func aligned(to alignment: UInt64) -> UInt64 { (self &+ (alignment &- 1)) & ~(alignment &- 1) }
}
