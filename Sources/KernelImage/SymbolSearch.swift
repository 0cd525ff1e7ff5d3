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

    init(_ type: UInt32) {
        switch type {
        case 5: self = .original
        case 7, 16, 17, 18, 21, 23, 36: self = .definition
        default: self = .address
        }
    }
}

/// Searches of one relocation run: what they have cost, and the last one's result.
struct SymbolSearch {
    /// Steps taken: bytes hashed and compared, symbols and versions looked at.
    private(set) var steps: UInt64 = 0
    /// How many are allowed. Tables made for it can make searches as slow as they like; those that linkers make take far less.
    private let limit: UInt64
    /// How many searches found something that the loader defines.
    fileprivate(set) var initialiserReferences: UInt64 = 0
    /// The last symbol searched for, and what for: linkers sort relocations by symbol.
    private var lastObject = -1, lastSymbol: UInt32 = 0, lastPurpose = SearchPurpose.address
    private var last = FoundSymbol.none

    /// How many steps each byte of the files allows.
    static var stepsPerByte: UInt64 { 64 }

    /// Searches in files of `size` bytes together.
    init(size: UInt64) { limit = size &* SymbolSearch.stepsPerByte }

    /// The result of the last search, if it was this one and found something.
    fileprivate func remembered(_ object: Int, _ symbol: UInt32, _ purpose: SearchPurpose) -> FoundSymbol {
        object == lastObject && symbol == lastSymbol && purpose == lastPurpose ? last : .none
    }

    fileprivate mutating func remember(
        _ object: Int, _ symbol: UInt32, _ purpose: SearchPurpose, _ found: FoundSymbol
    ) {
        (lastObject, lastSymbol, lastPurpose, last) = (object, symbol, purpose, found)
    }

    /// Takes `count` steps. Throws `symbolSearchTooLong`.
    mutating func add(_ count: UInt64) throws(Fault) {
        steps &+= count
        guard steps <= limit else { throw Fault(.symbolSearchTooLong, value: limit) }
    }

    /// Whether the strings at these offsets of two string tables are the same.
    @inline(never)
    mutating func isSame(
        _ left: UInt64, _ leftTable: StringTable, _ right: UInt64, _ rightTable: StringTable,
        _ files: borrowing ByteView
    ) throws(Fault) -> Bool {
        guard let length = leftTable.length(left, files), rightTable.length(right, files) == length else {
            return false
        }
        try add(length &* 3)
        return files.areSame(leftTable.start &+ left, rightTable.start &+ right, count: length)
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
    let objects: Span<LinkedObject>
    let files: ByteView
    /// What is added to the application's link addresses.
    let bias: UInt64
    /// The number of bytes of all files.
    let fileSize: UInt64
    /// What the loader itself defines, as link addresses of the application.
    let provided: ProvidedSymbols

    @_lifetime(copy files, copy link)
    init(_ link: borrowing LinkMap, _ files: ByteView, bias: UInt64) {
        objects = link.objects
        self.files = files
        self.bias = bias
        fileSize = link.plan.fileSize
        provided = link.plan.provided
    }

    /// The definition that the symbol at `index` of object `object` stands for; nil where nobody defines it.
    ///
    /// Throws `symbolSearchTooLong`.
    @inline(never)
    func definition(
        of symbol: Symbol, at index: UInt32, in object: Int, _ purpose: SearchPurpose, _ search: inout SymbolSearch
    ) throws(Fault) -> Definition? {
        // Nothing comes before the application's own definitions but, for a copy, the original.
        if symbol.isLocal || object == 0 && !symbol.isUndefined && purpose != .original {
            return definition(symbol.isUndefined ? .none : FoundSymbol(UInt64(index), in: object))
        }
        let remembered = search.remembered(object, index, purpose)
        if remembered != .none { return definition(remembered) }

        let strings = objects[object].strings
        guard let length = strings.length(UInt64(symbol.name), files) else { return nil }
        let name = HashedName(files, at: strings.start &+ UInt64(symbol.name), length: length)
        var steps = length
        let number = objects[object].versions.number(UInt64(index), files) ?? 0
        let version = objects[object].versions.version(number, files, &steps)
        try search.add(steps)
        let wanted = WantedSymbol(name: name, version: version, object: object, purpose: purpose)

        var found = try find(wanted, &search)
        if found != .none, symbol.isProtected, found.object != object {
            // Only a PLT entry of the application's can stand for a protected symbol: it leads to it.
            var stricter = wanted
            stricter.purpose = .definition
            let isEntry = purpose == .address && self.symbol(found)?.isUndefined == true
            let strict = isEntry ? try find(stricter, &search) : .none
            if strict.object != object || strict == .none { found = FoundSymbol(UInt64(index), in: object) }
        }
        if found == .none, let address = provided.address(of: name, files) {
            if provided.isInitialiserArray(address) { search.initialiserReferences &+= 1 }
            found = FoundSymbol(provided: address)
        }
        search.remember(object, index, purpose, found)
        return definition(found)
    }

    private func symbol(_ found: FoundSymbol) -> Symbol? { objects[found.object].symbol(found.index, files) }

    private func definition(_ found: FoundSymbol) -> Definition? {
        if found == .none { return nil }
        if found.isProvided { return Definition(symbol: Symbol(function: found.address), bias: bias, object: 0) }
        guard let symbol = symbol(found) else { return nil }
        return Definition(symbol: symbol, bias: bias &+ objects[found.object].displacement, object: found.object)
    }

    /// Whether run-time address `address` is in one of the objects' memory.
    func contains(_ address: UInt64) -> Bool {
        for index in 0..<objects.count {
            let start = objects[index].linkStart &+ objects[index].displacement &+ bias
            if address &- start < objects[index].memorySize { return true }
        }
        return false
    }

    /// The version that the symbol at `index` of `object` is wanted with, and of which file; nil for none.
    func wantedVersion(_ index: UInt32, in object: Int) -> SymbolVersion? {
        var steps: UInt64 = 0
        let number = objects[object].versions.number(UInt64(index), files) ?? 0
        return objects[object].versions.version(number, files, &steps)
    }

    private func find(_ wanted: WantedSymbol, _ search: inout SymbolSearch) throws(Fault) -> FoundSymbol {
        let object = wanted.object
        if objects[object].isSymbolic {
            let found = try find(wanted, in: object, &search)
            if found != .none, symbol(found)?.isUnique != true { return found }
        }
        for index in 0..<objects.count {
            if wanted.purpose == .original, index == 0 { continue }
            let found = try find(wanted, in: index, &search)
            if found != .none { return found }
        }
        return .none
    }

    /// The definition in the object at `index`, none where it has none that others may use.
    @inline(never)
    private func find(
        _ wanted: WantedSymbol, in index: Int, _ search: inout SymbolSearch
    ) throws(Fault) -> FoundSymbol {
        var steps: UInt64 = 0
        var candidate = objects[index].hash.first(wanted.name, files, &steps)
        // The only one with a version, where none was asked for: it is accepted where there is exactly one.
        var versioned: UInt64 = 0
        var versionedCount = 0
        while candidate != 0 {
            try search.add(steps)
            steps = 0
            if let symbol = objects[index].symbol(candidate, files), wanted.accepts(symbol),
                isCalled(symbol, wanted.name, in: index, &steps)
            {
                switch try match(wanted, candidate, in: index, &search) {
                case .yes: return symbol.isLocal ? .none : FoundSymbol(candidate, in: index)
                case .onlyIfAlone:
                    versionedCount &+= 1
                    versioned = symbol.isLocal ? 0 : candidate
                case .no: break
                }
            }
            candidate = objects[index].hash.next(candidate, wanted.name, files, &steps)
        }
        try search.add(steps)
        return versionedCount == 1 && versioned != 0 ? FoundSymbol(versioned, in: index) : .none
    }

    /// Whether `symbol` of the object at `index` has this name.
    private func isCalled(_ symbol: Symbol, _ name: HashedName, in index: Int, _ steps: inout UInt64) -> Bool {
        let offset = UInt64(symbol.name)
        let strings = objects[index].strings
        guard offset < strings.size, name.length < strings.size &- offset,
            files.byte(at: strings.start &+ offset &+ name.length) == 0
        else { return false }
        steps &+= name.length
        return strings.start &+ offset == name.start
            || files.areSame(strings.start &+ offset, name.start, count: name.length)
    }

    private enum Match { case yes, no, onlyIfAlone }

    /// Whether the symbol at `candidate` of the object at `index` has a version that is wanted.
    private func match(
        _ wanted: WantedSymbol, _ candidate: UInt64, in index: Int, _ search: inout SymbolSearch
    ) throws(Fault) -> Match {
        guard let number = objects[index].versions.number(candidate, files) else { return .yes }
        guard let version = wanted.version else {
            // The base version, or the first one, which older files were linked with; else a default one.
            if number & 0x7fff < 3 { return .yes }
            return number & 0x8000 == 0 ? .onlyIfAlone : .no
        }
        var steps: UInt64 = 0
        let own = objects[index].versions.version(number, files, &steps)
        try search.add(steps)
        guard let own else { return version.isHidden || number & 0x8000 != 0 ? .no : .yes }
        guard own.hash == version.hash else { return .no }
        return try search.isSame(own.name, objects[index].strings, version.name, objects[wanted.object].strings, files)
            ? .yes : .no
    }
}

/// What is searched for.
private struct WantedSymbol {
    var name: HashedName
    /// The version, nil for any default one.
    var version: SymbolVersion?
    /// The object that refers to it, which has the version's name.
    var object: Int
    var purpose: SearchPurpose

    /// Whether `symbol`, if it has the name, can be what is meant.
    func accepts(_ symbol: Symbol) -> Bool {
        // STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_COMMON, STT_TLS and STT_GNU_IFUNC are code and data.
        guard symbol.value != 0 || symbol.isAbsolute || symbol.isThreadLocal, 0b100_0110_0111 >> symbol.type & 1 == 1
        else { return false }
        // A value that is not 0 makes an undefined symbol the PLT entry that stands for the function.
        return !symbol.isUndefined || purpose == .address
    }
}

extension ByteView {
    /// Whether `count` bytes at `left` are those at `right`.
    func areSame(_ left: UInt64, _ right: UInt64, count: UInt64) -> Bool {
        var offset: UInt64 = 0
        while offset &+ 8 <= count {
            guard word64(at: left &+ offset) == word64(at: right &+ offset) else { return false }
            offset &+= 8
        }
        while offset < count {
            guard byte(at: left &+ offset) == byte(at: right &+ offset) else { return false }
            offset &+= 1
        }
        return true
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
