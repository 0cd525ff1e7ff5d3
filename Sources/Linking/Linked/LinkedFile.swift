// A linked file: the places of its bytes in the file and in memory, and of its tables.

import Architecture
import Bytes
import Diagnostics
import ELF

/// A linked file, whether it is loaded alone or together with others. It holds only numbers, so that it can be an array's element. All
/// offsets count in the view of all files.
public struct LinkedFile: Sendable {
    /// The number of the file; 0 is the application.
    public internal(set) var file = 0
    /// The file's bytes.
    var bytes = FileRange()

    // MARK: Segments, see `read`

    /// The offset of the program headers, their number, and an index before which there is no PT_LOAD with memory.
    var programHeaders: UInt64 = 0, programHeaderCount = 0, firstLoad = 0
    /// The index of the PT_LOAD that the entry point is in; only an application needs one.
    public internal(set) var entrySegment: Int?
    /// The index of the first PT_NOTE; nil if there is none.
    public internal(set) var firstNote: Int?
    /// The first of its own link addresses, the end of its last PT_LOAD segment, and the end of `descriptorThunks` if it has some.
    public internal(set) var linkStart: UInt64 = 0, linkEnd: UInt64 = 0
    var memoryEnd: UInt64 = 0
    /// The largest p_align of a PT_LOAD segment, and of PT_TLS, whose template keeps its alignment; at least 1.
    public internal(set) var alignment: UInt64 = 0
    /// The link addresses that PT_GNU_RELRO covers: none without such a segment, or if its end does not fit in 64 bits.
    var fixedStart: UInt64 = 0, fixedEnd: UInt64 = 0
    /// PT_TLS: its address, its sizes in the file and in memory, its alignment.
    public internal(set) var threadLocalStart: UInt64 = 0, threadLocalFileSize: UInt64 = 0
    public internal(set) var threadLocalSize: UInt64 = 0, threadLocalAlignment: UInt64 = 0
    /// The number of its block of thread-local storage, 0 if it has none, and the block's distance below TP.
    public internal(set) var threadLocalModule: UInt64 = 0, threadLocalDistance: UInt64 = 0
    /// PT_DYNAMIC.
    var dynamic = FileRange()

    // MARK: Tables of the dynamic section, see `readTables`

    /// Whether the tables of relocations are sound.
    var hasTables = false
    /// Whether the tables by which symbols are looked up are sound. An image whose relocations refer to no symbol does not need them,
    /// so their faults are thrown when a symbol is looked up: see `requireSymbols`.
    var hasSymbols = false
    /// DT_RELA, DT_REL and DT_JMPREL, whether the last has addends, and DT_RELR.
    var rela = FileRange(), rel = FileRange(), plt = FileRange(), pltHasAddends = false, packed = FileRange()
    /// DT_RELACOUNT, 0 if it is absent.
    var relativeCount: UInt64 = 0
    /// Whether there is a DT_NEEDED.
    var needsLibraries = false
    /// DT_SYMTAB, the number of symbols, and DT_STRTAB.
    var symbols: UInt64 = 0, symbolCount: UInt64 = 0
    var strings = FileRange()

    // MARK: For other files

    /// DT_SONAME, and the last component of the path in its module's string; empty if there is none.
    private(set) var soname = FileRange(), fileName = FileRange()
    /// Whether all tables could be read.
    private(set) var isSound = false
    /// DT_GNU_HASH or else DT_HASH, in which names are looked up.
    private(set) var hash = HashTable()
    /// DT_VERSYM, and the tables that it refers to.
    private(set) var versions = VersionTables()
    /// DT_SYMBOLIC.
    private(set) var isSymbolic = false
    /// DT_INIT and DT_INIT_ARRAY, and DT_FINI and DT_FINI_ARRAY; empty for the application, which runs its own.
    private(set) var initialisers = FunctionList(), finalisers = FunctionList()

    // MARK: Decided by the link plan

    /// The displacement, which is added to its link addresses to make them the application's.
    public var displacement: UInt64 = 0
    /// The files that it needs, as indices in the link map, and their number.
    private var dependencies = InlineArray<16, Int>(repeating: 0)
    private(set) var dependencyCount = 0
    /// Whether it is in the order of initialisers, or the files that it needs are being added to that.
    var isVisited = false

    /// A file that has not been read yet.
    @inline(never)
    public init() {}

    /// The offset of its name: DT_SONAME, or else that of its file.
    public var name: UInt64 { soname.size > 0 ? soname.start : fileName.start }
    /// The name's length.
    public var nameSize: UInt64 { soname.size > 0 ? soname.size : fileName.size }

    /// Reads everything about the file at `index` of `files`. Throws the file's fault, if it has one. Its names are set even then, if it is
    /// an ELF file that has some.
    mutating func read(_ index: Int, of files: borrowing NamedFiles) throws(Fault) {
        self = LinkedFile()
        file = index
        let named = files[index]
        fileName = files.bytes.lastPart(
            of: FileRange(start: named.string, size: named.stringSize), until: UInt8(ascii: " "))
        let header = try FileHeader(
            try files.bytes.slice(at: named.start, size: named.size, else: .moduleOutsideMemory, .none))
        // The application has already been checked as one.
        try read(header, as: .library, FileRange(start: named.start, size: named.size), files.bytes)
        var section = DynamicSection()
        try section.read(files.bytes.part(dynamic))
        try readName(section, files.bytes)
        guard index == 0 || header.type != .executable else { throw Fault(.notSharedObject, .header) }
        try requireTables(files.bytes)
        if strings.size > 0 { _ = try range(of: DynamicTag.stringTable, section, files.bytes, size: strings.size) }
        do throws(Fault) {
            try readHashTable(section, files.bytes)
            try readVersions(section, files.bytes)
        } catch {
            hasSymbols = false
            hash = HashTable()
            versions = VersionTables()
        }
        isSymbolic = section.value(DynamicTag.symbolic) != nil || section[DynamicTag.flags] & 2 != 0
        if index > 0 {
            initialisers.single = section[DynamicTag.initialiser]
            initialisers.array.start = section[DynamicTag.initialisers]
            initialisers.array.size = section[DynamicTag.initialisersSize]
            finalisers.single = section[DynamicTag.finaliser]
            finalisers.array.start = section[DynamicTag.finalisers]
            finalisers.array.size = section[DynamicTag.finalisersSize]
            let count = max(initialisers.count, finalisers.count)
            // Each function is a word of the image.
            guard count <= memorySize else {
                throw Fault(.arrayOutsideImage, value: count &* 8, limit: memorySize)
            }
        }
        isSound = true
    }

    /// Finds DT_SONAME, even if tables are malformed.
    private mutating func readName(_ section: borrowing DynamicSection, _ files: ByteView) throws(Fault) {
        guard section[DynamicTag.stringTableSize] > 0, let address = section.stringTable,
            let place = try? fileRange(at: address, .none, files)
        else { return }
        strings.start = place.start
        strings.size = section[DynamicTag.stringTableSize]
        let name = section[DynamicTag.name]
        if name != 0, let length = strings.length(name, files) {
            soname.start = strings.start &+ name
            soname.size = length
        }
    }

    /// The bytes from the start of the table that the entry with `tag` names to the end of its segment in the file; at least `size`.
    private func range(
        of tag: UInt64, _ section: borrowing DynamicSection, _ files: ByteView, size: UInt64 = 0
    ) throws(Fault) -> FileRange {
        try fileRange(at: section[tag], size: size, .dynamic(tag), files)
    }

    /// Throws the fault of the tables by which symbols are looked up, if they have one.
    func requireSymbols(_ files: ByteView) throws(Fault) {
        if hasSymbols { return }
        var section = DynamicSection()
        try section.read(files.part(dynamic))
        var again = self
        try again.readSymbols(section, files)
        try again.readHashTable(section, files)
        try again.readVersions(section, files)
    }

    private mutating func readHashTable(
        _ section: borrowing DynamicSection, _ files: ByteView
    ) throws(Fault) {
        let isGNU = section.gnuHash != nil
        if !isGNU, section.hash == nil { return }
        let tag = isGNU ? DynamicTag.gnuHash : DynamicTag.hash
        let table = try range(of: tag, section, files)
        guard hash.read(table, isGNU: isGNU, symbolCount: symbolCount, files) else {
            throw Fault(.hashTableMalformed, .dynamic(tag))
        }
    }

    private mutating func readVersions(
        _ section: borrowing DynamicSection, _ files: ByteView
    ) throws(Fault) {
        if section[DynamicTag.versions] != 0 {
            let table = try range(of: DynamicTag.versions, section, files, size: symbolCount &* 2)
            versions.symbols = table.start
        }
        if section[DynamicTag.definedVersions] != 0 {
            versions.defined = try versionList(DynamicTag.definedVersions, .defined, section, files)
        }
        if section[DynamicTag.neededVersions] != 0 {
            versions.needed = try versionList(DynamicTag.neededVersions, .needed, section, files)
        }
    }

    /// Checks the form of the list that the entry with `tag` names, and returns its offset.
    private func versionList(
        _ tag: UInt64, _ kind: VersionList.Kind, _ section: borrowing DynamicSection, _ files: ByteView
    ) throws(Fault) -> UInt64 {
        let table = try range(of: tag, section, files)
        if let entry = VersionList.malformedEntry(of: kind, in: table, files) {
            throw Fault(.versionTableMalformed, .dynamic(tag), value: entry, limit: table.size)
        }
        return table.start
    }

    /// The value of the DT_NEEDED entry that follows the first `cursor` bytes of PT_DYNAMIC; nil after the last.
    @inline(never)
    func nextNeeded(_ cursor: inout UInt64, _ files: borrowing ByteView) -> UInt64? {
        while cursor < dynamic.size, let tag = files.word64(at: dynamic.start &+ cursor), tag != 0 {
            cursor &+= 16
            if tag == DynamicTag.needed { return files.word64(at: dynamic.start &+ cursor &- 8) }
        }
        return nil
    }

    /// The file offset of the string at `offset` of the file's string table.
    func nameOffset(_ offset: UInt64) -> UInt64 { strings.start &+ offset &- bytes.start }

    /// The dynamic symbols.
    @_lifetime(copy files)
    func symbolTable(_ files: ByteView) -> SymbolTable {
        SymbolTable(
            files.part(at: symbols, size: symbolCount &* Symbol.size),
            FileRange(start: strings.start &- bytes.start, size: strings.size), count: symbolCount)
    }

    /// The symbol at `index`, nil if the table is shorter.
    @inline(never)
    func symbol(_ index: UInt64, _ files: borrowing ByteView) -> Symbol? {
        guard index < symbolCount else { return nil }
        return Symbol(files.entry(at: Int(truncatingIfNeeded: symbols &+ index &* Symbol.size), size: 24))
    }

    /// The smallest distance below the thread pointer TP at which its block can begin if everything nearer than `used` is taken (ELF
    /// Handling For Thread-Local Storage, variant II).
    ///
    /// TP is aligned as PT_TLS asks, and the block's first byte is congruent to p_vaddr modulo p_align. When linkers relax code to the
    /// local-exec model they take the smallest such distance that holds the block, so an application can use no other:
    ///
    ///     distance = p_memsz + ((-p_vaddr - p_memsz) mod p_align)
    ///
    /// It wraps if the block does not fit below TP. Then the offsets are as meaningless as the block's size.
    func threadLocalDistance(below used: UInt64) -> UInt64 {
        let needed = used &+ threadLocalSize
        return needed &+ ((0 &- threadLocalStart &- needed) & (threadLocalAlignment &- 1))
    }

    /// The number of bytes that it needs in memory, including `descriptorThunks`.
    public var memorySize: UInt64 { memoryEnd &- linkStart }
    /// The code that its relocations need after it; nil if they need none.
    var descriptorThunks: DescriptorThunks? {
        memoryEnd == linkEnd ? nil : DescriptorThunks(at: memoryEnd &- DescriptorThunks.size)
    }

    /// Whether all of `size` bytes at its own link address `address` belong to it.
    func holds(_ address: UInt64, _ size: UInt64) -> Bool {
        address &- linkStart <= memorySize && size <= memoryEnd &- address
    }

    /// Adds the file at `index` of the link map to its dependencies, unless it is already one of them.
    mutating func needs(_ index: Int) {
        for other in 0..<dependencyCount where dependencies.span[other] == index { return }
        guard dependencyCount < dependencies.count else { return }
        dependencies[dependencyCount] = index
        dependencyCount &+= 1
    }

    /// The index in the link map of the dependency at `index`, below `dependencyCount`.
    func dependency(_ index: Int) -> Int { dependencies.span[index] }
}

/// Functions to call first, or last.
struct FunctionList: Sendable {
    /// The function outside the array, DT_INIT or DT_FINI; 0 if there is none.
    var single: UInt64 = 0
    /// The link addresses of an array of others.
    var array = FileRange()

    /// The number of functions.
    var count: UInt64 { (single != 0 ? 1 : 0) &+ array.size / 8 }
}
