// One of several files that are loaded together: where it lies, where it goes, and where its tables are.

public import Bytes
import Diagnostics
import ELF

/// A file as the firmware handed it over: where its bytes and its name are.
public struct NamedFile: Equatable, Sendable {
    /// The offset of its first byte, and how many there are.
    public var start: UInt64, size: UInt64
    /// The offset of its string, which begins with its path, and the string's length; 0 where it has none.
    public var string: UInt64, stringSize: UInt64

    /// A file.
    public init(start: UInt64, size: UInt64, string: UInt64 = 0, stringSize: UInt64 = 0) {
        self.start = start
        self.size = size
        self.string = string
        self.stringSize = stringSize
    }
}

/// Several files in one view; the first is the application.
public struct NamedFiles: ~Escapable {
    /// What all offsets count in.
    public let bytes: ByteView
    private var list = InlineArray<16, NamedFile>(repeating: NamedFile(start: 0, size: 0))
    /// How many there are.
    public private(set) var count = 0

    /// No files, in `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView) { self.bytes = bytes }

    /// The largest number of files.
    public static var capacity: Int { 16 }

    /// The file at `index`, below `count`.
    public subscript(index: Int) -> NamedFile {
        get { list.span[index] }
        set { list[index] = newValue }
    }

    /// Adds a file, of at most `capacity`.
    @_lifetime(self: copy self)
    public mutating func append(_ file: NamedFile) {
        guard count < NamedFiles.capacity else { return }
        list[count] = file
        count &+= 1
    }
}

/// Where a string table lies, in the view of all files.
struct StringTable: Equatable, Sendable {
    var start: UInt64 = 0, size: UInt64 = 0

    /// The length of the string at `offset`; nil where none ends there.
    func length(_ offset: UInt64, _ files: borrowing ByteView) -> UInt64? {
        guard offset < size else { return nil }
        return files.stringLength(at: start &+ offset, limit: size &- offset &- 1)
    }
}

/// What the loader knows of a file that it loads together with others. Nothing but numbers, so that an array can hold it: all
/// offsets count in the view of all files.
public struct LinkedObject: Equatable, Sendable {
    /// Which of the files it is; 0 is the application.
    public internal(set) var file = 0
    /// The file's first byte, and how many there are.
    public internal(set) var start: UInt64 = 0, size: UInt64 = 0
    /// The name that it goes by: DT_SONAME, or else its file's; an offset, and a length.
    public internal(set) var name: UInt64 = 0, nameSize: UInt64 = 0
    /// What is added to its link addresses to make them the application's.
    public var displacement: UInt64 = 0
    /// The first of its own link addresses, and the number of bytes that it needs in memory.
    public internal(set) var linkStart: UInt64 = 0, memorySize: UInt64 = 0
    /// The largest alignment of its segments, at least a page.
    var alignment: UInt64 = 0
    /// Its program headers, and how many there are; what PT_GNU_RELRO covers; its supplement, 0 where it has none.
    var programHeaders: UInt64 = 0, programHeaderCount: UInt64 = 0
    var fixedStart: UInt64 = 0, fixedEnd: UInt64 = 0
    var supplement: UInt64 = 0

    /// PT_DYNAMIC, and its size.
    var dynamic: UInt64 = 0, dynamicSize: UInt64 = 0
    /// DT_SYMTAB and how many symbols there are, and DT_STRTAB.
    var symbols: UInt64 = 0, symbolCount: UInt64 = 0
    var strings = StringTable()
    /// DT_GNU_HASH or else DT_HASH, from which names are found.
    var hash = HashTable()
    /// DT_VERSYM, and the tables that it refers to.
    var versions = VersionTables()
    /// DT_SYMBOLIC.
    var isSymbolic = false
    /// The number of its block of thread-local storage, 0 where it has none, and how far below TP the block begins.
    public internal(set) var threadLocalModule: UInt64 = 0, threadLocalDistance: UInt64 = 0
    /// Where the block's initialised bytes are, as a link address of its own, and how many there are.
    var threadLocalStart: UInt64 = 0, threadLocalFileSize: UInt64 = 0
    /// The objects that it needs, four bits each, the first one lowest; and their number.
    private var dependencies: UInt64 = 0
    private(set) var dependencyCount: UInt64 = 0
    /// How many functions DT_INIT and DT_INIT_ARRAY name, and DT_FINI and DT_FINI_ARRAY.
    public internal(set) var initialiserCount: UInt64 = 0, finaliserCount: UInt64 = 0

    /// An object of which nothing is known yet.
    public init() {}

    /// The object of the file at `index` of `files`, whose image is `image`. Throws the faults of malformed tables.
    @inline(never)
    init(_ index: Int, of files: borrowing NamedFiles, _ image: KernelImage) throws(Fault) {
        file = index
        start = files[index].start
        size = files[index].size
        linkStart = image.linkStart
        memorySize = image.size
        alignment = max(image.alignment, 0x1000)
        programHeaders = start &+ image.header.programHeaderOffset
        programHeaderCount = image.header.programHeaderCount
        (fixedStart, fixedEnd) = image.readOnlyAfterRelocation
        supplement = image.supplement?.start ?? 0
        if let segment = image.dynamicIndex.map({ image.programHeaders[$0] }) {
            (dynamic, dynamicSize) = (start &+ segment.offset, segment.filesz)
        }
        let tables = try DynamicTables(image)
        let section = try tables.section()
        let shared = SharedObjectSection(try dynamicSection(files.bytes))
        let table = tables.symbols
        if let address = section.symbolTable, table.count > 0 {
            symbols = start &+ (try image.fileOffset(of: address, .dynamic(DynamicTag.symbolTable)))
            symbolCount = table.count
        }
        if let address = section.stringTable, let size = section.stringTableSize, size > 0 {
            // In the file, as the symbol table has made sure where there is one.
            _ = try image.contents(at: address, size: size, .dynamic(DynamicTag.stringTable))
            strings.start = start &+ (try image.fileOffset(of: address, .dynamic(DynamicTag.stringTable)))
            strings.size = size
        }
        hash = try HashTable(section, image, start: start, symbolCount: symbolCount)
        versions = try VersionTables(shared, image, start: start, symbolCount: symbolCount)
        isSymbolic = shared.isSymbolic
        if shared.name != 0, let length = strings.length(shared.name, files.bytes) {
            (name, nameSize) = (strings.start &+ shared.name, length)
        }
        if index > 0 {
            initialiserCount = (shared.initialiser != 0 ? 1 : 0) &+ shared.initialisersSize / 8
            finaliserCount = (shared.finaliser != 0 ? 1 : 0) &+ shared.finalisersSize / 8
            // Each is a word of the image.
            guard initialiserCount <= memorySize, finaliserCount <= memorySize else {
                throw Fault(.arrayOutsideImage, value: max(initialiserCount, finaliserCount) &* 8, limit: memorySize)
            }
        }
    }

    /// The bytes of PT_DYNAMIC; none where there is no such segment.
    @_lifetime(copy files)
    func dynamicSection(_ files: ByteView) throws(Fault) -> ByteView {
        try files.slice(at: dynamic, size: dynamicSize, else: .segmentBeyondFile, .none)
    }

    /// The image of the object in `files`, which has been one before.
    @_lifetime(copy files)
    @inline(never)
    borrowing func image(in files: ByteView) throws(Fault) -> KernelImage {
        try KernelImage(
            try files.slice(at: start, size: size, else: .moduleOutsideMemory, .none),
            as: file == 0 ? .application : .library)
    }

    /// The symbol at `index`, nil where the table is shorter.
    func symbol(_ index: UInt64, _ files: borrowing ByteView) -> Symbol? {
        guard index < symbolCount,
            let record = try? files.record(
                at: symbols &+ index &* Symbol.size, size: Symbol.size, else: .fileTooShort, .none)
        else { return nil }
        return Symbol(record)
    }

    /// Adds the object at `index` to those that it needs, unless it is among them.
    mutating func needs(_ index: Int) {
        for other in 0..<dependencyCount where dependency(other) == index { return }
        guard dependencyCount < 16 else { return }
        dependencies |= UInt64(index) << (dependencyCount &* 4)
        dependencyCount &+= 1
    }

    /// Which object is the one at `index` of those that it needs, below `dependencyCount`.
    func dependency(_ index: UInt64) -> Int { Int(dependencies >> (index &* 4) & 15) }
}
