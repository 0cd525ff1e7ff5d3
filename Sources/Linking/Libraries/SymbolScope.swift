// Finds the definition of a symbol among several files, as dynamic linkers do (gABI, "Shared Object Dependencies"; Linux Standard Base,
// "Symbol Versioning"): the application is searched first, then the libraries in the order in which they were found.

import Bytes
import Diagnostics
import ELF

/// The files of a link map, and their bytes: the scope in which symbols are searched.
struct SymbolScope: ~Escapable, Sendable {
    let link: LinkMap
    let files: ByteView
    /// The bias, which is added to the application's link addresses.
    let bias: UInt64

    @_lifetime(copy files, copy link)
    init(_ link: LinkMap, _ files: ByteView, bias: UInt64) {
        self.link = link
        self.files = files
        self.bias = bias
    }

    /// The definition of the symbol at `index` of the file at `linkIndex`; nil if no file defines it.
    ///
    /// Throws `symbolSearchTooLong`.
    @inline(never)
    func definition(
        of index: UInt32, in linkIndex: Int, _ purpose: SearchPurpose, _ search: inout SymbolSearch
    ) throws(Fault) -> Definition? {
        guard let symbol = symbol(UInt64(index), in: linkIndex) else { return nil }
        // The application's own definitions come first, except in a search for the original of a copy.
        if symbol.isLocal || linkIndex == 0 && !symbol.isUndefined && purpose != .original {
            if symbol.isUndefined { return nil }
            return Definition(symbol: symbol, bias: bias &+ link[linkIndex].displacement, linkIndex: linkIndex)
        }
        if search.symbol != index || search.linkIndex != linkIndex || search.purpose != purpose || search.found == .none
        {
            search.symbol = index
            search.linkIndex = linkIndex
            search.purpose = purpose
            try find(symbol, &search)
        }
        switch search.found {
        case .none: return nil
        case .provided(let address): return Definition(symbol: Symbol(function: address), bias: bias, linkIndex: 0)
        case .symbol(let index, let linkIndex):
            guard let definition = self.symbol(index, in: linkIndex) else { return nil }
            return Definition(symbol: definition, bias: bias &+ link[linkIndex].displacement, linkIndex: linkIndex)
        }
    }

    /// The symbol at `index` of the file at `linkIndex`; nil if its table is shorter.
    @inline(never)
    func symbol(_ index: UInt64, in linkIndex: Int) -> Symbol? { link[linkIndex].symbol(index, files) }

    /// Whether run-time address `address` is in one of the files' memory.
    func contains(_ address: UInt64) -> Bool {
        for index in 0..<link.count {
            let start = link[index].linkStart &+ link[index].displacement &+ bias
            if address &- start < link[index].memorySize { return true }
        }
        return false
    }

    /// The version that the symbol at `index` of the file at `linkIndex` requires, and the file that should define it.
    func wantedVersion(_ index: UInt32, in linkIndex: Int) -> SymbolVersion {
        var steps: UInt64 = 0
        return link[linkIndex].versions.version(of: UInt64(index), files, &steps)
    }

    /// Finds the definition of `symbol`, which `search` is for.
    @inline(never)
    private func find(_ symbol: Symbol, _ search: inout SymbolSearch) throws(Fault) {
        search.found = .none
        let linkIndex = search.linkIndex
        let strings = link[linkIndex].strings
        guard let length = strings.length(UInt64(symbol.name), files) else {
            search.culprit = linkIndex
            try link[linkIndex].requireSymbols(files)
            return search.culprit = nil
        }
        search.name.read(files, at: strings.start &+ UInt64(symbol.name), length: length)
        search.version = link[linkIndex].versions.version(of: UInt64(search.symbol), files, &search.steps)
        try search.add(length)

        try findAnywhere(&search)
        let found = search.found
        if case .symbol(let index, let definer) = found, symbol.isProtected, definer != linkIndex {
            // Only a PLT entry of the application can replace a protected symbol: the entry leads to it.
            var isEntry = search.purpose == .address && self.symbol(index, in: definer)?.isUndefined == true
            if isEntry {
                search.purpose = .definition
                try findAnywhere(&search)
                search.purpose = .address
                if case .symbol(_, linkIndex) = search.found {} else { isEntry = false }
            }
            search.found = isEntry ? found : .symbol(index: UInt64(search.symbol), linkIndex: linkIndex)
        }
        let provided = link.plan.provided
        if found == .none, let address = provided.address(of: search.name, files) {
            if provided.isInitialiserArray(address) { search.initialiserReferences &+= 1 }
            search.found = .provided(address)
        }
    }

    /// Searches all files in their order.
    private func findAnywhere(_ search: inout SymbolSearch) throws(Fault) {
        if link[search.linkIndex].isSymbolic {
            try find(in: search.linkIndex, &search)
            if case .symbol(let index, let linkIndex) = search.found, symbol(index, in: linkIndex)?.isUnique != true {
                return
            }
        }
        search.found = .none
        var index = search.purpose == .original ? 1 : 0
        while search.found == .none, index < link.count {
            try find(in: index, &search)
            index &+= 1
        }
    }

    /// Searches the file at `index` for a definition that others may use.
    private func find(in index: Int, _ search: inout SymbolSearch) throws(Fault) {
        search.found = .none
        if !link[index].hasSymbols {
            search.culprit = index
            try link[index].requireSymbols(files)
        }
        let table = link[index].hash
        var candidate = table.first(search.name, files)
        // A symbol with a version, although none was asked for, is accepted if it is the only one.
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
                    if !symbol.isLocal { search.found = .symbol(index: candidate, linkIndex: index) }
                    return
                case .onlyIfAlone:
                    versionedCount &+= 1
                    versioned = symbol.isLocal ? 0 : candidate
                case .no: break
                }
            }
            candidate = table.next(candidate, word)
        }
        if versionedCount == 1, versioned != 0 { search.found = .symbol(index: versioned, linkIndex: index) }
    }

    /// Whether `symbol` of the file at `index` has the name in question.
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

    /// Whether the symbol at `candidate` of the file at `index` has the required version.
    private func match(
        _ candidate: UInt64, in index: Int, _ search: inout SymbolSearch
    ) throws(Fault) -> Match {
        guard link[index].versions.symbols != 0 else { return .yes }
        let number = link[index].versions.number(candidate, files)
        if search.version.number == 0 {
            // The base version, or the first one, which older files were linked with; otherwise the default version.
            if number & VersionIndex.number <= VersionIndex.first { return .yes }
            return number & VersionIndex.hidden == 0 ? .onlyIfAlone : .no
        }
        let own = link[index].versions.version(of: candidate, files, &search.steps)
        try search.add(0)
        if own.number == 0 { return (search.version.number | number) & VersionIndex.hidden != 0 ? .no : .yes }
        guard own.hash == search.version.hash else { return .no }
        let strings = link[search.linkIndex].strings
        return try search.isSame(own.name, link[index].strings, search.version.name, strings, files) ? .yes : .no
    }
}
