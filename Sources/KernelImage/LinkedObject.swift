// One of several files that are loaded together: where it lies, where it goes, and where its tables are.

import Bytes
import Diagnostics
import ELF

/// What the loader knows of a file that it loads together with others. Nothing but numbers, so that an array can hold it: all
/// offsets count in the view of all files.
public struct LinkedObject: Sendable {
    /// Which of the files it is; 0 is the application.
    public internal(set) var file = 0
    /// The file's bytes.
    private var bytes = FileRange()
    /// DT_SONAME, and the last part of the path that it was given with; empty where there is none.
    private(set) var soname = FileRange(), fileName = FileRange()
    /// Whether all of it could be read.
    private(set) var isSound = false
    /// What is added to its link addresses to make them the application's.
    public var displacement: UInt64 = 0
    /// The first of its own link addresses, and the number of bytes that it needs in memory.
    public private(set) var linkStart: UInt64 = 0, memorySize: UInt64 = 0
    /// The largest alignment of its segments, at least a page.
    private(set) var alignment: UInt64 = 0
    /// Its program headers; what PT_GNU_RELRO covers; its supplement, 0 where it has none.
    private(set) var programHeaders = FileRange()
    private(set) var fixedStart: UInt64 = 0, fixedEnd: UInt64 = 0
    private(set) var supplement: UInt64 = 0

    /// PT_DYNAMIC.
    private var dynamic = FileRange()
    /// DT_SYMTAB and how many symbols there are, and DT_STRTAB.
    private var symbols: UInt64 = 0
    private(set) var symbolCount: UInt64 = 0
    private(set) var strings = FileRange()
    /// DT_GNU_HASH or else DT_HASH, from which names are found.
    private(set) var hash = HashTable()
    /// DT_VERSYM, and the tables that it refers to.
    private(set) var versions = VersionTables()
    /// DT_SYMBOLIC.
    private(set) var isSymbolic = false
    /// PT_TLS: its address, its sizes in the file and in memory, its alignment.
    private(set) var threadLocalStart: UInt64 = 0, threadLocalFileSize: UInt64 = 0
    private(set) var threadLocalSize: UInt64 = 0, threadLocalAlignment: UInt64 = 0
    /// The number of its block of thread-local storage, 0 where it has none, and how far below TP the block begins.
    public internal(set) var threadLocalModule: UInt64 = 0, threadLocalDistance: UInt64 = 0
    /// The objects that it needs, four bits each, the first one lowest; and their number.
    private var dependencies: UInt64 = 0
    private(set) var dependencyCount: UInt64 = 0
    /// How many functions DT_INIT and DT_INIT_ARRAY name, and DT_FINI and DT_FINI_ARRAY.
    private(set) var initialiserCount: UInt64 = 0, finaliserCount: UInt64 = 0

    /// An object of which nothing is known yet.
    public init() {}

    /// The name that it goes by: DT_SONAME, or else its file's; an offset.
    public var name: UInt64 { soname.size > 0 ? soname.start : fileName.start }
    /// The name's length.
    public var nameSize: UInt64 { soname.size > 0 ? soname.size : fileName.size }

    /// Reads all about the file at `index` of `files`. Throws what is wrong with it; its names are known nevertheless, if it is
    /// an ELF file that has some.
    @inline(never)
    mutating func read(_ index: Int, of files: borrowing NamedFiles) throws(Fault) {
        self = LinkedObject()
        file = index
        let named = files[index]
        bytes.start = named.start
        bytes.size = named.size
        fileName = files.bytes.lastPart(
            of: FileRange(start: named.string, size: named.stringSize), until: UInt8(ascii: " "))
        let image = try image(in: files.bytes)
        if let segment = image.dynamicIndex.map({ image.programHeaders[$0] }) {
            dynamic.start = bytes.start &+ segment.offset
            dynamic.size = segment.filesz
        }
        let section = try section(files.bytes)
        if section[DynamicTag.stringTableSize] > 0, let address = section.stringTable,
            let place = try? image.fileOffset(of: address, size: 0, .none)
        {
            strings.start = bytes.start &+ place.start
            strings.size = section[DynamicTag.stringTableSize]
            let name = section[DynamicTag.name]
            if name != 0, let length = strings.length(name, files.bytes) {
                soname.start = strings.start &+ name
                soname.size = length
            }
        }
        guard index == 0 || !image.isFixed else { throw Fault(.notSharedObject, .header) }
        linkStart = image.linkStart
        memorySize = image.size
        alignment = max(image.alignment, 0x1000)
        programHeaders.start = bytes.start &+ image.header.programHeaderOffset
        programHeaders.size = image.header.programHeaderCount &* ProgramHeader.size
        (fixedStart, fixedEnd) = image.readOnlyAfterRelocation
        supplement = image.supplement?.start ?? 0
        if let segment = image.tls {
            threadLocalStart = segment.vaddr
            threadLocalFileSize = segment.filesz
            threadLocalSize = segment.memsz
            threadLocalAlignment = max(segment.align, 1)
        }
        symbolCount = try DynamicTables(image).symbols.count
        if symbolCount > 0 { symbols = try offset(of: DynamicTag.symbolTable, section, image).start }
        if strings.size > 0 { _ = try offset(of: DynamicTag.stringTable, section, image, size: strings.size) }
        try readHashTable(section, image, files.bytes)
        try readVersions(section, image, files.bytes)
        isSymbolic = section.value(DynamicTag.symbolic) != nil || section[DynamicTag.flags] & 2 != 0
        if index > 0 {
            initialiserCount =
                (section[DynamicTag.initialiser] != 0 ? 1 : 0) &+ section[DynamicTag.initialisersSize] / 8
            finaliserCount = (section[DynamicTag.finaliser] != 0 ? 1 : 0) &+ section[DynamicTag.finalisersSize] / 8
            let count = max(initialiserCount, finaliserCount)
            // Each is a word of the image.
            guard count <= memorySize else {
                throw Fault(.arrayOutsideImage, value: count &* 8, limit: memorySize)
            }
        }
        isSound = true
    }

    /// Where the table that the entry with `tag` names begins, and how many bytes there are up to the end of its segment in the
    /// file, at least `size`.
    @inline(never)
    private func offset(
        of tag: UInt64, _ section: borrowing DynamicSection, _ image: borrowing KernelImage, size: UInt64 = 0
    ) throws(Fault) -> FileRange {
        let (start, room) = try image.fileOffset(of: section[tag], size: size, .dynamic(tag))
        return FileRange(start: bytes.start &+ start, size: room)
    }

    private mutating func readHashTable(
        _ section: borrowing DynamicSection, _ image: borrowing KernelImage, _ files: borrowing ByteView
    ) throws(Fault) {
        let isGNU = section.gnuHash != nil
        if !isGNU, section.hash == nil { return }
        let tag = isGNU ? DynamicTag.gnuHash : DynamicTag.hash
        let table = try offset(of: tag, section, image)
        guard hash.read(table, isGNU: isGNU, symbolCount: symbolCount, files) else {
            throw Fault(.hashTableMalformed, .dynamic(tag))
        }
    }

    private mutating func readVersions(
        _ section: borrowing DynamicSection, _ image: borrowing KernelImage, _ files: borrowing ByteView
    ) throws(Fault) {
        if section[DynamicTag.versions] != 0 {
            let table = try offset(of: DynamicTag.versions, section, image, size: symbolCount &* 2)
            versions.symbols = table.start
        }
        if section[DynamicTag.definedVersions] != 0 {
            versions.defined = try versionList(DynamicTag.definedVersions, .defined, section, image, files)
        }
        if section[DynamicTag.neededVersions] != 0 {
            versions.needed = try versionList(DynamicTag.neededVersions, .needed, section, image, files)
        }
    }

    /// Where the list begins that the entry with `tag` names, once its form has been checked.
    private func versionList(
        _ tag: UInt64, _ kind: VersionList.Kind, _ section: borrowing DynamicSection, _ image: borrowing KernelImage,
        _ files: borrowing ByteView
    ) throws(Fault) -> UInt64 {
        let table = try offset(of: tag, section, image)
        if let entry = VersionList.malformedEntry(of: kind, in: table, files) {
            throw Fault(.versionTableMalformed, .dynamic(tag), value: entry, limit: table.size)
        }
        return table.start
    }

    /// The values of PT_DYNAMIC; none where there is no such segment.
    func section(_ files: borrowing ByteView) throws(Fault) -> DynamicSection {
        try DynamicSection(try files.slice(at: dynamic.start, size: dynamic.size, else: .segmentBeyondFile, .none))
    }

    /// The value of the DT_NEEDED entry that follows the first `cursor` bytes of PT_DYNAMIC; nil behind the last.
    @inline(never)
    func nextNeeded(_ cursor: inout UInt64, _ files: borrowing ByteView) -> UInt64? {
        while cursor < dynamic.size, let tag = files.word64(at: dynamic.start &+ cursor), tag != 0 {
            cursor &+= 16
            if tag == DynamicTag.needed { return files.word64(at: dynamic.start &+ cursor &- 8) }
        }
        return nil
    }

    /// The image of the object in `files`. An application has been checked as one before.
    @_lifetime(copy files)
    @inline(never)
    func image(in files: ByteView) throws(Fault) -> KernelImage {
        try KernelImage(
            try files.slice(at: bytes.start, size: bytes.size, else: .moduleOutsideMemory, .none), as: .library)
    }

    /// The offset in the file of the string at `offset` of its strings.
    func nameOffset(_ offset: UInt64) -> UInt64 { strings.start &+ offset &- bytes.start }

    /// The symbol at `index`, nil where the table is shorter.
    func symbol(_ index: UInt64, _ files: borrowing ByteView) -> Symbol? {
        guard index < symbolCount,
            let record = try? files.record(
                at: symbols &+ index &* Symbol.size, size: Symbol.size, else: .fileTooShort, .none)
        else { return nil }
        return Symbol(record)
    }

    /// How far below TP its block begins at the least, where what is nearer than `used` is taken: of the addresses congruent
    /// to p_vaddr the highest; see `ThreadLocalBlock`.
    func threadLocalDistance(below used: UInt64) -> UInt64 {
        let needed = used &+ threadLocalSize
        return needed &+ ((0 &- threadLocalStart &- needed) & (threadLocalAlignment &- 1))
    }

    /// The end of its own link addresses.
    var linkEnd: UInt64 { linkStart &+ memorySize }

    /// Whether `size` bytes at its own link address `address` are all its.
    func holds(_ address: UInt64, _ size: UInt64) -> Bool {
        address &- linkStart <= memorySize && size <= linkEnd &- address
    }

    /// Adds the object at `index` to those that it needs, unless it is among them.
    mutating func needs(_ index: Int) {
        for other in 0..<dependencyCount where dependency(other) == index { return }
        guard dependencyCount < 16 else { return }
        dependencies |= UInt64(index) &<< (dependencyCount &* 4)
        dependencyCount &+= 1
    }

    /// Which object is the one at `index` of those that it needs, below `dependencyCount`.
    func dependency(_ index: UInt64) -> Int { Int(truncatingIfNeeded: dependencies &>> (index &* 4) & 15) }
}
