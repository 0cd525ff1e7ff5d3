// Loads and relocates several files as one image.

import Architecture
public import Bytes
public import Diagnostics
import ELF

extension LinkMap {
    /// Loads all files from `files` into `memory`, whose addresses are link addresses of the application and which has room
    /// up to the plan's end, and relocates them for link address + `bias`.
    ///
    /// Relocations that need no other file's bytes come first, libraries before the files that need them. Then copies are made. Then
    /// resolver functions are called through `resolve` by their run-time address. Then copies are made again, because an original may hold
    /// a function's choice. Without `mayResolve` the first resolver function is a fault, `resolverOutOfPlace`.
    ///
    /// Throws as loading and relocating one file does. A fault's names are in the file whose number it has.
    public func load(
        _ files: ByteView, bias: UInt64, into memory: inout ByteRegion, mayResolve: Bool,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) -> RelocationCounts {
        let scope = SymbolScope(self, files, bias: bias)
        try scope.copySegments(to: &memory)
        var counts = RelocationCounts()
        var search = SymbolSearch(size: plan.fileSize)
        var pass = Pass.relocate
        while true {
            if pass.isNeeded(copies: counts[RelocationNumber.copy], calls: counts.indirect) {
                try scope.perform(pass, &memory, &counts, &search, mayResolve, resolve)
            }
            if pass == .relocate {
                counts.initialiserReferences = search.initialiserReferences
                counts.searchSteps = search.steps
                counts.resizedCopies = search.resizedCopies
            }
            guard let next = Pass(rawValue: pass.rawValue &+ 1) else { break }
            pass = next
        }
        try scope.writeAdditions(to: &memory)
        return counts
    }

    /// The relocator of the file at `index`, for link address + `bias` of the application.
    @_lifetime(copy files, copy self)
    public func relocator(_ index: Int, _ files: ByteView, _ bias: UInt64) -> Relocator {
        Relocator(self[index], index, of: SymbolScope(self, files, bias: bias))
    }
}

/// The passes over the files, in this order.
private enum Pass: UInt8 {
    /// Relocations are applied.
    case relocate
    /// Originals are copied (R_X86_64_COPY).
    case copy
    /// Resolver functions are called for libraries.
    case resolveLibraries
    /// Originals are copied again: one of them may hold a resolver function's choice.
    case copyChosen
    /// Resolver functions are called for the application.
    case resolveApplication

    /// Whether the pass has anything to do, given the numbers of copies and of calls of resolver functions.
    func isNeeded(copies: UInt64, calls: UInt64) -> Bool {
        switch self {
        case .relocate: true
        case .copy: copies > 0
        case .copyChosen: copies > 0 && calls > 0
        case .resolveLibraries, .resolveApplication: calls > 0
        }
    }
}

extension SymbolScope {
    /// Copies the files' segments, and clears the memory between and after them.
    fileprivate func copySegments(to memory: inout ByteRegion) throws(Fault) {
        var reached = memory.address
        for index in 0..<link.count {
            let start = link[index].linkStart &+ link[index].displacement
            guard memory.clear(reached, size: start &- reached),
                var part = memory.part(start, size: link[index].memorySize)
            else { throw tooSmall(memory) }
            try link[index].load(files, into: &part)
            reached = start &+ link[index].memorySize
        }
        guard memory.clear(reached, size: link.plan.end &- reached) else { throw tooSmall(memory) }
    }

    private func tooSmall(_ memory: borrowing ByteRegion) -> Fault {
        Fault(.imageTooLarge, .none, value: link.plan.end &- memory.address, limit: memory.count)
    }

    /// Does `pass` to each file, the last one first.
    fileprivate func perform(
        _ pass: Pass, _ memory: inout ByteRegion, _ counts: inout RelocationCounts, _ search: inout SymbolSearch,
        _ mayResolve: Bool, _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) {
        var index = pass == .resolveApplication ? 1 : link.count
        let first = pass == .resolveLibraries ? 1 : 0
        do throws(Fault) {
            while index > first {
                index &-= 1
                let relocator = Relocator(link[index], index, of: self)
                if pass == .copy || pass == .copyChosen {
                    try copyOriginals(relocator, &memory, &search)
                    continue
                }
                // Its part of the memory, by its own link addresses.
                let start = link[index].linkStart
                guard
                    var part = memory.part(
                        start &+ link[index].displacement, size: link[index].memorySize, as: start)
                else { throw Fault(.imageTooLarge, .none, value: link.plan.end) }
                if pass == .relocate {
                    try relocator.apply(to: &part, &counts, &search)
                } else {
                    try relocator.resolveIndirect(in: &part, mayResolve: mayResolve, resolve)
                }
            }
        } catch { throw error.of(file: link[search.culprit ?? index].file) }
    }

    /// Applies R_X86_64_COPY.
    private func copyOriginals(
        _ relocator: borrowing Relocator, _ memory: inout ByteRegion, _ search: inout SymbolSearch
    ) throws(Fault) {
        var cursor = EntryCursor()
        while let relocation = relocator.own.next(&cursor, files) {
            guard relocation.entry.type == RelocationNumber.copy else { continue }
            do throws(Fault) {
                guard case .copy(let source, let size) = try relocator.copy(relocation.entry, &search) else { continue }
                let target = relocation.entry.offset &+ link[relocator.linkIndex].displacement
                memory.copy(from: source &- bias, to: target, size: size)
            } catch { throw error.at(relocation.location) }
        }
    }

    // MARK: The loader's additions

    /// Writes the template of thread-local storage, the arrays, and `__tls_get_addr`, for an image that has been relocated.
    fileprivate func writeAdditions(to memory: inout ByteRegion) throws(Fault) {
        for index in 0..<link.count {
            let distance = link[index].threadLocalDistance
            if link[index].threadLocalModule != 0 {
                memory.put(0 &- distance, at: link.plan.distances &+ link[index].threadLocalModule &* 8)
                if link.plan.hasMergedTemplate {
                    memory.copy(
                        from: link[index].threadLocalStart &+ link[index].displacement,
                        to: link.plan.templateStart &+ link.plan.templateSize &- distance,
                        size: link[index].threadLocalFileSize)
                }
            }
        }
        writeThreadLocalAddress(to: &memory)
        // Finalisers lie after initialisers, and are called in the opposite order.
        var next = link.plan.provided.initialisersStart
        for position in 0..<link.count &- 1 {
            try writeFunctions(of: link.plan.ordered(position), areLast: false, to: &memory, at: &next)
        }
        for position in (0..<link.count &- 1).reversed() {
            try writeFunctions(of: link.plan.ordered(position), areLast: true, to: &memory, at: &next)
        }
    }

    /// Writes to `next` the addresses of the file's functions to call first: DT_INIT, then those of DT_INIT_ARRAY; or of those to call
    /// last: those of DT_FINI_ARRAY from its end, then DT_FINI. The file is the one at `index`, which has been relocated.
    @inline(never)
    private func writeFunctions(
        of index: Int, areLast: Bool, to memory: inout ByteRegion, at next: inout UInt64
    ) throws(Fault) {
        let displacement = link[index].displacement
        let functions = areLast ? link[index].finalisers : link[index].initialisers
        let start = functions.array.start
        let size = functions.array.size & ~7
        guard size == 0 || link[index].holds(start, size) else {
            throw Fault(.arrayOutsideImage, .none, value: start, limit: link[index].memoryEnd)
                .of(file: link[index].file)
        }
        // One word more than the array has, for the function outside it.
        var offset: UInt64 = 0
        while offset <= size {
            var function = functions.single &+ displacement &+ bias
            let isSingle = offset == (areLast ? size : 0)
            if !isSingle {
                let place = areLast ? size &- offset &- 8 : offset &- 8
                function = memory.word(at: start &+ displacement &+ place)
            }
            offset &+= 8
            if isSingle, functions.single == 0 { continue }
            memory.put(function, at: next)
            next &+= 8
        }
    }

    /// Writes `__tls_get_addr`.
    private func writeThreadLocalAddress(to memory: inout ByteRegion) {
        let code = link.plan.codeStart
        let distance = link.plan.distances &- (code &+ Thunks.threadLocalAddressOrigin)
        let words = Thunks.threadLocalAddress(tableDistance: distance)
        memory.copy(ByteView(words.span), to: code)
    }
}
