// Several files loaded together: which of them, in which order, and where each goes.

import Bytes
public import Diagnostics
import ELF

/// The application and the shared objects that it needs, directly or not (gABI, "Shared Object Dependencies").
///
/// The objects follow the application's image in the order in which they were found, breadth first, which is the order in
/// which symbols are searched. Behind them lies what the loader adds: the template of all blocks of thread-local storage, the
/// arrays of initialisers and finalisers, and `__tls_get_addr`. All of it is one image.
public struct LinkMap: ~Copyable, ~Escapable {
    /// Room for the objects, which the caller gives: as a part of this structure they would be copied with it.
    private var list: MutableSpan<LinkedObject>
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

    /// The objects; the application is the first.
    var objects: Span<LinkedObject> {
        @_lifetime(borrow self) get { list.span.extracting(0..<count) }
    }

    /// The object at `index`, below `count`.
    public subscript(index: Int) -> LinkedObject { list[index] }

    /// The number of initialisers of libraries.
    public var initialiserCount: UInt64 { (provided.initialisersEnd &- provided.initialisersStart) / 8 }

    /// The number of libraries.
    public var libraryCount: Int { max(count, 1) &- 1 }

    /// No objects: the application is alone. `list` has room for an object per file.
    @_lifetime(copy list)
    public init(alone list: consuming MutableSpan<LinkedObject>) { self.list = list }

    /// Finds out what `application`, the first of `files`, needs of the others, and plans where it goes.
    ///
    /// Throws `needsLibrary` for what none of them is, `versionMissing` for what one of them lacks, `notSharedObject`, and the
    /// faults of malformed files. A fault's names are in the file whose number it has.
    @_lifetime(self: copy self)
    public mutating func add(_ files: borrowing NamedFiles, _ application: KernelImage) throws(Fault) {
        guard list.count >= files.count else {
            throw Fault(.tooManyModules, value: UInt64(files.count), limit: UInt64(list.count))
        }
        for index in 0..<files.count { fileSize &+= files[index].size }
        var search = SymbolSearch(size: fileSize)
        let names = FileNames(files)
        try add(0, files, names, application)
        var index = 0
        while index < count {
            do throws(Fault) {
                try addDependencies(of: index, files, names, &search)
            } catch { throw error.of(file: list[index].file) }
            index &+= 1
        }
        for index in 0..<count {
            do throws(Fault) {
                try checkVersions(of: index, files, names, &search)
            } catch { throw error.of(file: list[index].file) }
        }
        try layOut(behind: application.linkStart &+ application.size)
        sortByDependency()
    }

    // MARK: Finding

    @_lifetime(self: copy self)
    @inline(never)
    private mutating func add(
        _ file: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ image: KernelImage
    ) throws(Fault) {
        list[count] = try LinkedObject(file, of: files, image)
        if list[count].nameSize == 0 { (list[count].name, list[count].nameSize) = names.fileName(file) }
        if let tls = image.tls, tls.memsz > 0 { try placeBlock(tls) }
        alignment = max(alignment, list[count].alignment)
        count &+= 1
    }

    /// Puts the block of `tls`, the object's that is being added, below those of the objects before.
    @_lifetime(self: copy self)
    private mutating func placeBlock(_ tls: ProgramHeader) throws(Fault) {
        let (needed, overflow) = tls.memsz.addingReportingOverflow(templateSize)
        // Of the addresses congruent to p_vaddr the highest at which there is room; see `ThreadLocalBlock`.
        let mask = max(tls.align, 1) &- 1
        let distance = needed &+ ((0 &- tls.vaddr &- needed) & mask)
        guard !overflow, distance <= 1 << 46, mask < 1 << 46 else {
            throw Fault(.imageTooLarge, .none, value: needed, limit: 1 << 46)
        }
        blockCount &+= 1
        list[count].threadLocalModule = blockCount
        list[count].threadLocalDistance = distance
        list[count].threadLocalStart = tls.vaddr
        list[count].threadLocalFileSize = tls.filesz
        templateSize = distance
        templateAlignment = max(templateAlignment, mask &+ 1)
        if count > 0 { hasMergedTemplate = true }
    }

    @_lifetime(self: copy self)
    private mutating func addDependencies(
        of index: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ search: inout SymbolSearch
    ) throws(Fault) {
        let section = try list[index].dynamicSection(files.bytes)
        var cursor = 0
        while let offset = SharedObjectSection.nextNeeded(section, &cursor) {
            guard let file = try names.find(offset, list[index].strings, files, &search) else {
                // Those behind it are looked up when the sentence is written.
                let name = list[index].strings.start &+ offset &- list[index].start
                throw Fault(.needsLibrary, .none, nameOffset: name)
            }
            list[index].needs(try object(of: file, files, names))
        }
    }

    /// The index of the object of the file at `file`, which is added where it is new.
    @_lifetime(self: copy self)
    private mutating func object(
        of file: Int, _ files: borrowing NamedFiles, _ names: FileNames
    ) throws(Fault) -> Int {
        for index in 0..<count where list[index].file == file { return index }
        do throws(Fault) {
            let range = files[file]
            let view = try files.bytes.slice(at: range.start, size: range.size, else: .moduleOutsideMemory, .none)
            let image = try KernelImage(view, as: .library)
            guard !image.isFixed else { throw Fault(.notSharedObject, .header) }
            try add(file, files, names, image)
        } catch { throw error.of(file: file) }
        return count &- 1
    }

    private func checkVersions(
        of index: Int, _ files: borrowing NamedFiles, _ names: FileNames, _ search: inout SymbolSearch
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

    @_lifetime(self: copy self)
    private mutating func layOut(behind start: UInt64) throws(Fault) {
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
        end = codeStart &+ LinkMap.codeSize
    }

    private func tooLarge(_ end: UInt64) -> Fault { Fault(.imageTooLarge, .none, value: end, limit: 1 << 62) }

    // MARK: Order of initialisers

    /// The library at `index` in the order of initialisation, below `count` - 1: those first that others need, of two that need
    /// each other the one that was reached first last.
    func ordered(_ index: Int) -> Int { Int(order >> (UInt64(index) &* 4) & 15) }

    @_lifetime(self: copy self)
    private mutating func sortByDependency() {
        var visited: UInt64 = 0
        var position: UInt64 = 0
        for index in (0..<count).reversed() { visit(index, &visited, &position) }
    }

    /// Adds the objects that the one at `index` needs, and then itself. Goes no deeper than there are objects.
    @_lifetime(self: copy self)
    private mutating func visit(_ index: Int, _ visited: inout UInt64, _ position: inout UInt64) {
        guard visited >> UInt64(index) & 1 == 0 else { return }
        visited |= 1 << UInt64(index)
        // The application comes last, whoever needs it.
        guard index > 0 else { return }
        for dependency in 0..<list[index].dependencyCount {
            visit(list[index].dependency(dependency), &visited, &position)
        }
        order |= UInt64(index) << (position &* 4)
        position &+= 1
    }
}

/// By what names the files can be needed: DT_SONAME, or else the last part of the path that they were given with.
public struct FileNames {
    private var names = InlineArray<16, NamedFile>(repeating: NamedFile(start: 0, size: 0))

    /// The names of `files`.
    public init(_ files: borrowing NamedFiles) {
        for index in 0..<files.count {
            let file = files[index]
            // The file's own name: the end of the string's first word.
            var name = NamedFile(start: 0, size: 0)
            var end = file.string
            name.string = end
            while end &- file.string < file.stringSize, let byte = files.bytes.byte(at: end), byte != 0x20 {
                end &+= 1
                if byte == UInt8(ascii: "/") { name.string = end }
            }
            name.stringSize = end &- name.string
            if let soname = try? FileNames.soname(files, file) { (name.start, name.size) = soname }
            names[index] = name
        }
    }

    /// The name of the file at `index` for people: its offset, and its length.
    public func shown(_ index: Int) -> (start: UInt64, size: UInt64) {
        let name = names.span[index]
        return name.size > 0 ? (name.start, name.size) : (name.string, name.stringSize)
    }

    /// The last part of the path that the file at `index` was given with.
    func fileName(_ index: Int) -> (start: UInt64, size: UInt64) {
        (names.span[index].string, names.span[index].stringSize)
    }

    /// DT_SONAME of a sound shared object: where it is, and its length. What is wrong with one that is not is told when it is
    /// needed.
    private static func soname(
        _ files: borrowing NamedFiles, _ file: NamedFile
    ) throws(Fault) -> (start: UInt64, length: UInt64) {
        let view = try files.bytes.slice(at: file.start, size: file.size, else: .moduleOutsideMemory, .none)
        let image = try KernelImage(view, as: .library)
        guard let segment = image.dynamicIndex.map({ image.programHeaders[$0] }) else { return (0, 0) }
        let bytes = try view.slice(at: segment.offset, size: segment.filesz, else: .segmentBeyondFile, .none)
        let section = try DynamicSection(bytes)
        let name = SharedObjectSection(bytes).name
        guard name != 0, let table = section.stringTable, name < section.stringTableSize ?? 0 else { return (0, 0) }
        let start = try image.fileOffset(of: table, .dynamic(DynamicTag.stringTable)) &+ name
        let limit = (section.stringTableSize ?? 0) &- name
        return (file.start &+ start, view.stringLength(at: start, limit: limit) ?? 0)
    }

    /// The file that the string at `offset` of `strings` names, nil where it is none of them.
    func find(
        _ offset: UInt64, _ strings: StringTable, _ files: borrowing NamedFiles, _ search: inout SymbolSearch
    ) throws(Fault) -> Int? {
        guard let length = strings.length(offset, files.bytes), length > 0 else { return nil }
        let start = strings.start &+ offset
        // Each file's names are compared once at the most.
        try search.add(length &* UInt64(files.count))
        for index in 0..<files.count where names.span[index].size == length {
            if files.bytes.areSame(names.span[index].start, start, count: length) { return index }
        }
        // A name with a path stands for its last part.
        var last = start
        for index in 0..<length where files.bytes.byte(at: start &+ index) == UInt8(ascii: "/") {
            last = start &+ index &+ 1
        }
        let lastLength = length &- (last &- start)
        for index in 0..<files.count where names.span[index].stringSize == lastLength && lastLength > 0 {
            if files.bytes.areSame(names.span[index].string, last, count: lastLength) { return index }
        }
        return nil
    }
}

extension UInt64 {
    /// The next multiple of `alignment`, a power of two; nil where it does not fit in 64 bits.
    fileprivate func aligned(to alignment: UInt64) -> UInt64? {
        let (sum, overflow) = addingReportingOverflow(alignment &- 1)
        return overflow ? nil : sum & ~(alignment &- 1)
    }
}
