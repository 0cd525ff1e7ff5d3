// Which definition a symbol of one of several files stands for: searched as dynamic linkers do (gABI, "Shared Object
// Dependencies"; Linux Standard Base, "Symbol Versioning"), the application first, then the objects in the order in which
// they were found.

import Bytes
import Diagnostics
public import ELF

/// The symbol that a relocation refers to, as its definition has it.
public struct Definition: Equatable, Sendable {
    /// The symbol, in the table of the object that defines it.
    public let symbol: Symbol
    /// What is added to the value where that is an address.
    public let bias: UInt64
    /// The object that defines it, as an index in the link map; 0 too for what the loader defines.
    public let object: Int

    /// S, where it is an address: what is absolute is not moved.
    var address: UInt64 { symbol.isAbsolute ? symbol.value : symbol.value &+ bias }
}

/// What a search is for, which decides what may be found.
enum SearchPurpose: UInt8 {
    /// An address that pointers are compared with: for a function that a fixed file calls, its PLT entry there.
    case address
    /// What is called or is thread-local: a definition.
    case definition
    /// The original of a copied object: a definition that is not the application's.
    case original

    /// What a relocation of type `type` is after: COPY an original; JUMP_SLOT, DTPMOD64, DTPOFF64, TPOFF64, DTPOFF32, TPOFF32 and
    /// TLSDESC a definition; all others an address.
    init(_ type: UInt32) {
        switch type {
        case 5: self = .original
        case 7, 16, 17, 18, 21, 23, 36: self = .definition
        default: self = .address
        }
    }
}

/// Searches of one relocation run: the last one, and what all of them have cost.
struct SymbolSearch {
    /// Steps taken: bytes hashed and compared, symbols and versions looked at.
    fileprivate(set) var steps: UInt64 = 0
    /// How many are allowed. Tables made for it can make searches as slow as they like; those that linkers make take far less.
    private let limit: UInt64
    /// How many searches found the array of initialisers that the loader makes.
    fileprivate(set) var initialiserReferences: UInt64 = 0
    /// How many copied objects have another size than their original.
    var resizedCopies: UInt64 = 0
    /// The object whose tables a search could not go on for; nil as long as there is none.
    fileprivate(set) var culprit: Int?

    /// The symbol that is searched for, of which object, and what for.
    fileprivate var symbol: UInt32 = 0, object = -1, purpose = SearchPurpose.address
    /// Its name, and the version that it is wanted with.
    fileprivate var name = HashedName(), version = SymbolVersion()
    /// What was found. Linkers sort relocations by symbol, so that it may be wanted again.
    fileprivate var found = FoundSymbol.none

    /// How many steps each byte of the files allows.
    static var stepsPerByte: UInt64 { 64 }

    /// Searches in files of `size` bytes together.
    @inline(never)
    init(size: UInt64) { limit = size &* SymbolSearch.stepsPerByte }

    /// Takes `count` steps. Throws `symbolSearchTooLong`.
    mutating func add(_ count: UInt64) throws(Fault) {
        steps &+= count
        guard steps <= limit else { throw Fault(.symbolSearchTooLong, value: limit) }
    }

    /// Whether the strings at these offsets of two string tables are the same.
    @inline(never)
    mutating func isSame(
        _ left: UInt32, _ leftTable: FileRange, _ right: UInt32, _ rightTable: FileRange, _ files: borrowing ByteView
    ) throws(Fault) -> Bool {
        guard let length = leftTable.length(UInt64(left), files),
            rightTable.length(UInt64(right), files) == length
        else { return false }
        try add(length &* 3)
        return files.areSame(leftTable.start &+ UInt64(left), rightTable.start &+ UInt64(right), count: length)
    }

    /// Whether `symbol`, if it has the name, can be what is meant.
    fileprivate func accepts(_ symbol: Symbol) -> Bool {
        // STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON, STT_TLS and STT_GNU_IFUNC are code and data.
        guard symbol.value != 0 || symbol.isAbsolute || symbol.isThreadLocal,
            0b100_0110_0111 &>> UInt32(symbol.type) & 1 == 1
        else { return false }
        // A value that is not 0 makes an undefined symbol the PLT entry that stands for the function.
        return !symbol.isUndefined || purpose == .address
    }
}

/// The index of a symbol and of the object that defines it, or the address of what the loader defines.
struct FoundSymbol: Equatable, Sendable {
    private let bits: UInt64

    private init(bits: UInt64) { self.bits = bits }
    init(_ index: UInt64, in object: Int) { bits = index &+ 1 | UInt64(object) << 48 }
    /// An address below 2^60.
    init(provided address: UInt64) { bits = 1 << 63 | address }

    /// Nothing.
    static var none: FoundSymbol { FoundSymbol(bits: 0) }
    /// Whether the loader defines it, and at which link address of the application.
    var isProvided: Bool { bits >> 63 == 1 }
    var address: UInt64 { bits & ~(1 << 63) }
    /// The object, and the index.
    var object: Int { Int(bits >> 48) }
    var index: UInt64 { (bits & 0xffff_ffff_ffff) &- 1 }
}

/// The objects of a link map, and the bytes that they lie in: where symbols are searched.
struct SymbolScope: ~Escapable, Sendable {
    let link: LinkMap
    let files: ByteView
    /// What is added to the application's link addresses.
    let bias: UInt64

    @_lifetime(copy files, copy link)
    init(_ link: LinkMap, _ files: ByteView, bias: UInt64) {
        self.link = link
        self.files = files
        self.bias = bias
    }

    /// The definition that the symbol at `index` of object `object` stands for; nil where nobody defines it.
    ///
    /// Throws `symbolSearchTooLong`.
    @inline(never)
    func definition(
        of index: UInt32, in object: Int, _ purpose: SearchPurpose, _ search: inout SymbolSearch
    ) throws(Fault) -> Definition? {
        guard let symbol = symbol(UInt64(index), in: object) else { return nil }
        var found = FoundSymbol.none
        // Nothing comes before the application's own definitions but, for a copy, the original.
        if symbol.isLocal || object == 0 && !symbol.isUndefined && purpose != .original {
            if symbol.isUndefined { return nil }
            found = FoundSymbol(UInt64(index), in: object)
        } else {
            if search.symbol != index || search.object != object || search.purpose != purpose
                || search.found == .none
            {
                search.symbol = index
                search.object = object
                search.purpose = purpose
                try find(symbol, &search)
            }
            found = search.found
            if found == .none { return nil }
            if found.isProvided { return Definition(symbol: Symbol(function: found.address), bias: bias, object: 0) }
        }
        guard let definition = self.symbol(found) else { return nil }
        return Definition(symbol: definition, bias: bias &+ link[found.object].displacement, object: found.object)
    }

    /// The symbol at `index` of object `object`, nil where its table is shorter.
    @inline(never)
    func symbol(_ index: UInt64, in object: Int) -> Symbol? { link[object].symbol(index, files) }

    private func symbol(_ found: FoundSymbol) -> Symbol? { symbol(found.index, in: found.object) }

    /// Whether run-time address `address` is in one of the objects' memory.
    func contains(_ address: UInt64) -> Bool {
        for index in 0..<link.count {
            let start = link[index].linkStart &+ link[index].displacement &+ bias
            if address &- start < link[index].memorySize { return true }
        }
        return false
    }

    /// The version that the symbol at `index` of `object` is wanted with, and of which file.
    func wantedVersion(_ index: UInt32, in object: Int) -> SymbolVersion {
        var steps: UInt64 = 0
        return link[object].versions.version(of: UInt64(index), files, &steps)
    }

    /// Finds what `symbol`, the one that `search` is for, stands for.
    @inline(never)
    private func find(_ symbol: Symbol, _ search: inout SymbolSearch) throws(Fault) {
        search.found = .none
        let object = search.object
        let strings = link[object].strings
        guard let length = strings.length(UInt64(symbol.name), files) else {
            search.culprit = object
            try link[object].requireSymbols(files)
            return search.culprit = nil
        }
        search.name.read(files, at: strings.start &+ UInt64(symbol.name), length: length)
        search.version = link[object].versions.version(of: UInt64(search.symbol), files, &search.steps)
        try search.add(length)

        try findAnywhere(&search)
        let found = search.found
        if found != .none, symbol.isProtected, found.object != object {
            // Only a PLT entry of the application's can stand for a protected symbol: it leads to it.
            var isEntry = search.purpose == .address && self.symbol(found)?.isUndefined == true
            if isEntry {
                search.purpose = .definition
                try findAnywhere(&search)
                search.purpose = .address
                isEntry = search.found != .none && search.found.object == object
            }
            search.found = isEntry ? found : FoundSymbol(UInt64(search.symbol), in: object)
        }
        let provided = link.plan.provided
        if found == .none, let address = provided.address(of: search.name, files) {
            if provided.isInitialiserArray(address) { search.initialiserReferences &+= 1 }
            search.found = FoundSymbol(provided: address)
        }
    }

    /// Searches all objects in their order.
    @inline(never)
    private func findAnywhere(_ search: inout SymbolSearch) throws(Fault) {
        if link[search.object].isSymbolic {
            try find(in: search.object, &search)
            if search.found != .none, symbol(search.found)?.isUnique != true { return }
        }
        search.found = .none
        var index = search.purpose == .original ? 1 : 0
        while search.found == .none, index < link.count {
            try find(in: index, &search)
            index &+= 1
        }
    }

    /// Searches the object at `index`. What is found is none where it has no definition that others may use.
    @inline(never)
    private func find(in index: Int, _ search: inout SymbolSearch) throws(Fault) {
        search.found = .none
        if !link[index].hasSymbols {
            search.culprit = index
            try link[index].requireSymbols(files)
        }
        let table = link[index].hash
        var candidate = table.first(search.name, files)
        // The only one with a version, where none was asked for: it is accepted where there is exactly one.
        var versioned: UInt64 = 0
        var versionedCount = 0
        try search.add(1)
        while let word = table.word(candidate, files) {
            try search.add(1)
            if table.mayBe(search.name, word), let symbol = link[index].symbol(candidate, files),
                search.accepts(symbol), isCalled(symbol, in: index, &search)
            {
                switch try match(candidate, in: index, &search) {
                case .yes:
                    if !symbol.isLocal { search.found = FoundSymbol(candidate, in: index) }
                    return
                case .onlyIfAlone:
                    versionedCount &+= 1
                    versioned = symbol.isLocal ? 0 : candidate
                case .no: break
                }
            }
            candidate = table.next(candidate, word)
        }
        if versionedCount == 1, versioned != 0 { search.found = FoundSymbol(versioned, in: index) }
    }

    /// Whether `symbol` of the object at `index` has the name that is searched for.
    private func isCalled(_ symbol: Symbol, in index: Int, _ search: inout SymbolSearch) -> Bool {
        let offset = UInt64(symbol.name)
        let strings = link[index].strings
        let length = search.name.length
        guard offset < strings.size, length < strings.size &- offset,
            files.byte(at: strings.start &+ offset &+ length) == 0
        else { return false }
        search.steps &+= length
        return strings.start &+ offset == search.name.start
            || files.areSame(strings.start &+ offset, search.name.start, count: length)
    }

    private enum Match { case yes, no, onlyIfAlone }

    /// Whether the symbol at `candidate` of the object at `index` has a version that is wanted.
    @inline(never)
    private func match(
        _ candidate: UInt64, in index: Int, _ search: inout SymbolSearch
    ) throws(Fault) -> Match {
        guard link[index].versions.symbols != 0 else { return .yes }
        let number = link[index].versions.number(candidate, files)
        if search.version.number == 0 {
            // The base version, or the first one, which older files were linked with; else a default one.
            if number & 0x7fff < 3 { return .yes }
            return number & 0x8000 == 0 ? .onlyIfAlone : .no
        }
        let own = link[index].versions.version(of: candidate, files, &search.steps)
        try search.add(0)
        if own.number == 0 { return (search.version.number | number) & 0x8000 != 0 ? .no : .yes }
        guard own.hash == search.version.hash else { return .no }
        let strings = link[search.object].strings
        return try search.isSame(own.name, link[index].strings, search.version.name, strings, files) ? .yes : .no
    }
}

/// The symbols that the loader defines where no file does, as link addresses of the application.
struct ProvidedSymbols: Equatable, Sendable {
    /// `__tls_get_addr`.
    var threadLocalAddress: UInt64 = 0
    /// `__loader_init_array_start`, `__loader_init_array_end`, `__loader_fini_array_start`, `__loader_fini_array_end`.
    var initialisersStart: UInt64 = 0, initialisersEnd: UInt64 = 0
    var finalisersStart: UInt64 = 0, finalisersEnd: UInt64 = 0

    /// The address of what is called `name`, nil where that is none of them.
    func address(of name: HashedName, _ files: borrowing ByteView) -> UInt64? {
        if name.length == 14 { return isSame(name, "__tls_get_addr", files) ? threadLocalAddress : nil }
        guard name.length == 23 || name.length == 25 else { return nil }
        if isSame(name, "__loader_init_array_start", files) { return initialisersStart }
        if isSame(name, "__loader_init_array_end", files) { return initialisersEnd }
        if isSame(name, "__loader_fini_array_start", files) { return finalisersStart }
        return isSame(name, "__loader_fini_array_end", files) ? finalisersEnd : nil
    }

    /// Whether `address` is where the array of initialisers begins.
    func isInitialiserArray(_ address: UInt64) -> Bool { address == initialisersStart }

    private func isSame(_ name: HashedName, _ literal: StaticString, _ files: borrowing ByteView) -> Bool {
        let text = ByteView(literal)
        guard text.count == name.length else { return false }
        for offset in 0..<name.length where text.byte(at: offset) != files.byte(at: name.start &+ offset) {
            return false
        }
        return true
    }
}
