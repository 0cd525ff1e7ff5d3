// Loads and relocates several files as one image.

public import Bytes
public import Diagnostics
import ELF

extension LinkMap {
    /// Loads all objects from `files` into `memory`, whose addresses are link addresses of the application and which has room
    /// up to `plan.end`, and relocates them for link address + `bias`.
    ///
    /// What needs no other object's bytes comes first, libraries before those that need them; then copies; then what resolver
    /// functions choose, called through `resolve` by their run-time address, and copies once more, since an original may hold
    /// such a choice. Without `mayResolve` the first function that would be called is a fault, `resolverOutOfPlace`.
    ///
    /// Throws what loading and relocating one file throws. A fault's names are in the file whose number it has.
    public func load(
        _ files: ByteView, bias: UInt64, into memory: inout ByteRegion, mayResolve: Bool,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) -> RelocationCounts {
        var reached = memory.address
        for index in 0..<count { try load(index, files, into: &memory, &reached) }
        guard memory.clear(reached, size: plan.end &- reached) else { throw tooSmall(memory) }

        var counts = RelocationCounts()
        var search = SymbolSearch(size: plan.fileSize)
        for index in (0..<count).reversed() {
            do throws(Fault) {
                try relocate(index, files, bias, &memory, &counts, &search)
            } catch { throw error.of(file: objects[index].file) }
        }
        counts.initialiserReferences = search.initialiserReferences
        counts.searchSteps = search.steps
        if counts[5] > 0 { counts.resizedCopies = try copyOriginals(files, bias, &memory, &search) }
        if counts.indirect > 0 {
            for index in (1..<count).reversed() { try choose(index, files, bias, &memory, mayResolve, resolve) }
            if counts[5] > 0 { _ = try copyOriginals(files, bias, &memory, &search) }
            try choose(0, files, bias, &memory, mayResolve, resolve)
        }
        try writeAdditions(files, bias, &memory)
        return counts
    }

    private func tooSmall(_ memory: borrowing ByteRegion) -> Fault {
        Fault(.imageTooLarge, .none, value: plan.end &- memory.address, limit: memory.count)
    }

    /// Copies the object's segments, and clears what lies between the one before and it.
    @inline(never)
    private func load(
        _ index: Int, _ files: ByteView, into memory: inout ByteRegion, _ reached: inout UInt64
    ) throws(Fault) {
        let objects = objects
        let start = objects[index].linkStart &+ objects[index].displacement
        let size = objects[index].memorySize
        let image = try objects[index].image(in: files)
        guard memory.clear(reached, size: start &- reached), var part = memory.part(start, size: size)
        else { throw tooSmall(memory) }
        try image.load(into: &part)
        reached = start &+ size
    }

    /// What relocates the object at `index`, for link address + `bias` of the application.
    @_lifetime(copy files, copy self)
    @inline(never)
    public func relocator(_ index: Int, _ files: ByteView, _ bias: UInt64) throws(Fault) -> Relocator {
        try Relocator(try objects[index].image(in: files), index, of: self, files, bias: bias)
    }

    /// The object's part of `memory`, whose addresses are its own link addresses.
    @_lifetime(&memory)
    private func part(_ index: Int, of memory: inout ByteRegion) throws(Fault) -> ByteRegion {
        let (start, displacement) = (objects[index].linkStart, objects[index].displacement)
        guard let part = memory.part(start &+ displacement, size: objects[index].memorySize, as: start) else {
            throw Fault(.imageTooLarge, .none, value: plan.end)
        }
        return part
    }

    @inline(never)
    private func relocate(
        _ index: Int, _ files: ByteView, _ bias: UInt64, _ memory: inout ByteRegion, _ counts: inout RelocationCounts,
        _ search: inout SymbolSearch
    ) throws(Fault) {
        let relocator = try relocator(index, files, bias)
        var part = try part(index, of: &memory)
        try relocator.apply(to: &part, &counts, &search)
    }

    /// Calls the resolver functions that the object's relocations depend on.
    @inline(never)
    private func choose(
        _ index: Int, _ files: ByteView, _ bias: UInt64, _ memory: inout ByteRegion, _ mayResolve: Bool,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) {
        do throws(Fault) {
            let relocator = try relocator(index, files, bias)
            var part = try part(index, of: &memory)
            if mayResolve {
                try relocator.resolveIndirect(in: &part, resolve)
            } else {
                let fault = try relocator.firstIndirect(in: part, .resolverOutOfPlace)
                if fault.place != .none { throw fault }
            }
        } catch { throw error.of(file: objects[index].file) }
    }

    /// Applies R_X86_64_COPY; returns how many have another size than their original.
    private func copyOriginals(
        _ files: ByteView, _ bias: UInt64, _ memory: inout ByteRegion, _ search: inout SymbolSearch
    ) throws(Fault) -> UInt64 {
        var resized: UInt64 = 0
        for index in (0..<count).reversed() {
            do throws(Fault) {
                let relocator = try relocator(index, files, bias)
                var relocations = ListedRelocations(relocator, packed: false)
                while let relocation = try relocations.next() {
                    let entry = relocation.entry
                    guard entry.type == 5 else { continue }
                    let part = try part(index, of: &memory)
                    let outcome = try relocator.outcome(of: entry, relocation.place, in: part, &search)
                    guard case .copy(let source, let size) = outcome else { continue }
                    if try relocator.isResized(entry, size, &search) { resized &+= 1 }
                    memory.copy(from: source &- bias, to: entry.offset &+ objects[index].displacement, size: size)
                }
            } catch { throw error.of(file: objects[index].file) }
        }
        return resized
    }

    // MARK: What the loader adds

    /// Writes the template of thread-local storage, the arrays, and `__tls_get_addr`, for an image that has been relocated.
    private func writeAdditions(_ files: ByteView, _ bias: UInt64, _ memory: inout ByteRegion) throws(Fault) {
        let objects = objects
        for index in 0..<count where objects[index].threadLocalModule != 0 {
            let distance = objects[index].threadLocalDistance
            memory.store(0 &- distance, at: plan.distances &+ objects[index].threadLocalModule &* 8)
            guard plan.hasMergedTemplate else { continue }
            memory.copy(
                from: objects[index].threadLocalStart &+ objects[index].displacement,
                to: plan.templateStart &+ plan.templateSize &- distance, size: objects[index].threadLocalFileSize)
        }
        writeThreadLocalAddress(to: &memory)
        var next = plan.provided.initialisersStart
        for position in 0..<plan.libraryCount {
            try writeInitialisers(plan.ordered(position), files, bias, &memory, at: &next)
        }
        next = plan.provided.finalisersStart
        for position in (0..<plan.libraryCount).reversed() {
            try writeFinalisers(plan.ordered(position), files, bias, &memory, at: &next)
        }
    }

    /// DT_INIT, then DT_INIT_ARRAY.
    private func writeInitialisers(
        _ index: Int, _ files: ByteView, _ bias: UInt64, _ memory: inout ByteRegion, at next: inout UInt64
    ) throws(Fault) {
        let section = SharedObjectSection(try objects[index].dynamicSection(files))
        if section.initialiser != 0 {
            memory.store(section.initialiser &+ objects[index].displacement &+ bias, at: next)
            next &+= 8
        }
        let size = section.initialisersSize & ~7
        try copyArray(section.initialisers, size, of: index, &memory, to: next)
        next &+= size
    }

    /// DT_FINI_ARRAY from its plan.end, then DT_FINI.
    private func writeFinalisers(
        _ index: Int, _ files: ByteView, _ bias: UInt64, _ memory: inout ByteRegion, at next: inout UInt64
    ) throws(Fault) {
        let section = SharedObjectSection(try objects[index].dynamicSection(files))
        let size = section.finalisersSize & ~7
        try copyArray(section.finalisers, size, of: index, &memory, to: next)
        // Turned round in place.
        var (low, high) = (next, next &+ size)
        while low &+ 16 <= high {
            high &-= 8
            let (first, last) = (memory.load(UInt64.self, at: low) ?? 0, memory.load(UInt64.self, at: high) ?? 0)
            memory.store(last, at: low)
            memory.store(first, at: high)
            low &+= 8
        }
        next &+= size
        if section.finaliser != 0 {
            memory.store(section.finaliser &+ objects[index].displacement &+ bias, at: next)
            next &+= 8
        }
    }

    /// Copies `size` bytes at link address `start` of the object at `index`, which has been relocated.
    @inline(never)
    private func copyArray(
        _ start: UInt64, _ size: UInt64, of index: Int, _ memory: inout ByteRegion, to target: UInt64
    ) throws(Fault) {
        let (first, count) = (objects[index].linkStart, objects[index].memorySize)
        let offset = start &- first
        guard offset <= count, size <= count &- offset else {
            throw Fault(.arrayOutsideImage, .none, value: start, limit: first &+ count).of(file: objects[index].file)
        }
        memory.copy(from: start &+ objects[index].displacement, to: target, size: size)
    }

    /// Writes `__tls_get_addr`, which finds its table 0x0a bytes behind its start.
    private func writeThreadLocalAddress(to memory: inout ByteRegion) {
        let code = plan.codeStart
        // mov (%rdi), %rax; lea plan.distances(%rip), %rdx
        memory.store(0x158d_4807_8b48 as UInt64, at: code)
        memory.store(UInt32(truncatingIfNeeded: plan.distances &- (code &+ 0x0a)), at: code &+ 6)
        // mov (%rdx,%rax,8), %rdx; add 8(%rdi), %rdx
        memory.store(0x0857_0348_c214_8b48 as UInt64, at: code &+ 0x0a)
        // test %rax, %rax; je 1f; add %fs:0, %rdx: module 0 is that of weak variables that nobody defines.
        memory.store(0x0348_6409_74c0_8548 as UInt64, at: code &+ 0x12)
        memory.store(0x8948_0000_0000_2514 as UInt64, at: code &+ 0x1a)
        // 1: mov %rdx, %rax; ret
        memory.store(0xcccc_c3d0 as UInt32, at: code &+ 0x22)
        memory.store(0xcccc as UInt16, at: code &+ 0x26)
    }
}

extension Relocator {
    /// Whether the object that `entry` copies, `size` bytes, has another size in one of the two files.
    fileprivate func isResized(
        _ entry: RelocationEntry, _ size: UInt64, _ search: inout SymbolSearch
    ) throws(Fault) -> Bool {
        guard let symbol = symbols[entry.symbol] else { return false }
        let original = try scope?.definition(of: symbol, at: entry.symbol, in: object, .original, &search)
        return symbol.size != size || original.map { $0.symbol.size != size } ?? false
    }
}
