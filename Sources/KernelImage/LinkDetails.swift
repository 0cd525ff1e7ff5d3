// What the sentence of a fault tells where several files are loaded together: names that one file does not know.

public import Diagnostics
import Bytes
import ELF

extension FaultDetails {
    /// The details of `fault`, which is in one of `files`; all names are in that file.
    public init(of fault: Fault, in files: borrowing NamedFiles) {
        self.init(fault)
        do throws(Fault) {
            guard fault.file < files.count else { return }
            let range = files[fault.file]
            let file = try files.bytes.slice(at: range.start, size: range.size, else: .moduleOutsideMemory, .none)
            self.init(of: fault, in: file)
            switch fault.rule {
            case .needsLibrary: try listMissing(fault, file, files)
            case .versionMissing: try describeVersion(UInt16(truncatingIfNeeded: fault.value), nil, fault, file, files)
            case .symbolVersionMissing: try describeVersion(nil, symbol, fault, file, files)
            case .symbolUndefined: try listUndefined(symbol, fault, files)
            default: break
            }
        } catch {}
    }

    /// The libraries that are missing, besides the first.
    private mutating func listMissing(_ fault: Fault, _ file: ByteView, _ files: borrowing NamedFiles) throws(Fault) {
        let object = try LinkedObject(fault.file, of: files, try KernelImage(file, as: .library))
        let names = FileNames(files)
        var search = SymbolSearch(size: UInt64(file.count))
        let section = try object.dynamicSection(files.bytes)
        var cursor = 0
        while let offset = SharedObjectSection.nextNeeded(section, &cursor), furtherNames.listed < 4 {
            let name = object.strings.start &+ offset &- object.start
            if name != nameOffset, try names.find(offset, object.strings, files, &search) == nil {
                furtherNames.append(name)
            }
        }
    }

    /// The symbol, its version, and the file that shall define it: of a version's number the first symbol that has it, or of a
    /// symbol its version.
    private mutating func describeVersion(
        _ number: UInt16?, _ symbol: UInt32?, _ fault: Fault, _ file: ByteView, _ files: borrowing NamedFiles
    ) throws(Fault) {
        let object = try LinkedObject(fault.file, of: files, try KernelImage(file, as: .library))
        let bytes = files.bytes
        var index = UInt64(symbol ?? 1)
        if let number {
            while index < object.symbolCount, object.versions.number(index, bytes).map({ $0 & 0x7fff }) != number {
                index &+= 1
            }
        }
        var steps: UInt64 = 0
        let strings = object.strings.start &- object.start
        let own = number ?? object.versions.number(index, bytes) ?? 0
        guard let version = object.versions.version(own, bytes, &steps) else { return }
        nameOffset = object.symbol(index, bytes).map { strings &+ UInt64($0.name) } ?? 0
        furtherNames.append(strings &+ version.name)
        furtherNames.append(strings &+ version.file)
    }

    /// The symbols that no file defines, besides the one at `first`.
    @inline(never)
    private mutating func listUndefined(
        _ first: UInt32, _ fault: Fault, _ files: borrowing NamedFiles
    ) throws(Fault) {
        var room = InlineArray<16, LinkedObject>(repeating: LinkedObject())
        let range = files[0]
        let view = try files.bytes.slice(at: range.start, size: range.size, else: .moduleOutsideMemory, .none)
        let link = try LinkMap(files, try KernelImage(view), in: room.mutableSpan)
        let scope = SymbolScope(link, files.bytes, bias: 0)
        var search = SymbolSearch(size: link.plan.fileSize)
        furtherNames = FurtherNames()
        for index in 0..<link.count where scope.objects[index].file == fault.file {
            for other in 1..<max(scope.objects[index].symbolCount, 1) where other != UInt64(first) {
                guard let symbol = scope.objects[index].symbol(other, files.bytes), symbol.isUndefined, !symbol.isWeak,
                    try scope.definition(
                        of: symbol, at: UInt32(truncatingIfNeeded: other), in: index, .address, &search) == nil
                else { continue }
                let strings = scope.objects[index].strings.start &- scope.objects[index].start
                furtherNames.append(strings &+ UInt64(symbol.name))
            }
        }
    }
}
