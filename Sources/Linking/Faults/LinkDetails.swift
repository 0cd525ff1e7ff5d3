// The details of a fault when several files are loaded together: names that need more than one file.

public import Diagnostics
import Bytes
import ELF

extension FaultDetails {
    /// The details of `fault`, which is in one of `files`; all names are in that file. `plans` has one element; it is filled again to find
    /// out how the files belong together.
    public init(of fault: Fault, in files: borrowing NamedFiles, linkPlan plans: consuming MutableSpan<LinkPlan>) {
        self.init(fault)
        guard fault.file < files.count else { return }
        let range = files[fault.file]
        do throws(Fault) {
            let file = try files.bytes.slice(at: range.start, size: range.size, else: .moduleOutsideMemory, .none)
            self.init(of: fault, in: file)
            switch fault.rule {
            case .needsLibrary, .versionMissing, .symbolVersionMissing, .symbolUndefined:
                try lookUp(fault, files, plans)
            default: break
            }
        } catch {}
    }

    /// Looks up the other names in the rule's sentence. Throws if they cannot be found.
    private mutating func lookUp(
        _ fault: Fault, _ files: borrowing NamedFiles, _ plans: consuming MutableSpan<LinkPlan>
    ) throws(Fault) {
        do throws(Fault) {
            try plans[0].find(files)
        } catch {
            // All files before the missing one are known.
            guard fault.rule == error.rule, fault.rule != .symbolUndefined else { return }
        }
        var index = 0
        while plans[0].linkedFiles[index].file != fault.file { index &+= 1 }
        if fault.rule == .needsLibrary { return listMissing(index, &plans[0], files) }
        let scope = SymbolScope(LinkMap(plans.asSpan()), files.bytes, bias: 0)
        switch fault.rule {
        case .versionMissing: describeVersion(UInt16(truncatingIfNeeded: fault.value), index, scope)
        case .symbolVersionMissing: describeVersion(nil, index, scope)
        default: try listUndefined(index, scope)
        }
    }

    /// Lists the missing libraries after the first.
    private mutating func listMissing(
        _ index: Int, _ plan: inout LinkPlan, _ files: borrowing NamedFiles
    ) {
        var search = SymbolSearch(size: plan.fileSize)
        var cursor: UInt64 = 0
        while let offset = plan.linkedFiles[index].nextNeeded(&cursor, files.bytes), furtherNames.listed < 4 {
            let name = plan.linkedFiles[index].nameOffset(offset)
            if name == nameOffset { continue }
            do throws(Fault) { _ = try plan.find(offset, of: index, files, &search) } catch {
                furtherNames.append(name)
            }
        }
    }

    /// Sets the symbol, its version, and the file that should define it. The symbol is the first one with the version `number`, or the
    /// fault's own.
    private mutating func describeVersion(_ number: UInt16?, _ index: Int, _ scope: borrowing SymbolScope) {
        var first = UInt64(symbol)
        if let number {
            first = 1
            while first < scope.link[index].symbolCount,
                scope.link[index].versions.number(first, scope.files) & VersionIndex.number
                    != number & VersionIndex.number
            {
                first &+= 1
            }
        }
        let version = scope.wantedVersion(UInt32(truncatingIfNeeded: first), in: index)
        guard version.number != 0 else { return }
        nameOffset = scope.symbol(first, in: index).map { name($0.name, index, scope) } ?? 0
        furtherNames.append(name(version.name, index, scope))
        furtherNames.append(name(version.file, index, scope))
    }

    /// Lists the other symbols that no file defines.
    private mutating func listUndefined(_ index: Int, _ scope: borrowing SymbolScope) throws(Fault) {
        var search = SymbolSearch(size: scope.link.plan.fileSize)
        furtherNames = FurtherNames()
        var other: UInt32 = 1
        while let symbol = scope.symbol(UInt64(other), in: index) {
            if other != self.symbol, symbol.isUndefined, !symbol.isWeak,
                try scope.definition(of: other, in: index, .address, &search) == nil
            {
                furtherNames.append(name(symbol.name, index, scope))
            }
            other &+= 1
        }
    }

    private func name(_ offset: UInt32, _ index: Int, _ scope: borrowing SymbolScope) -> UInt64 {
        scope.link[index].nameOffset(UInt64(offset))
    }
}

extension NamedFiles {
    /// The name by which the file at `index` is shown: its offset, and its length.
    public func name(_ index: Int) -> (start: UInt64, size: UInt64) {
        var file = LinkedFile()
        try? file.read(index, of: self)
        return (file.name, file.nameSize)
    }
}
