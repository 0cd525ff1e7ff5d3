// A listing of the relocations of a linked file, one by one.

import Architecture
import Bytes
public import Diagnostics
public import ELF

/// One relocation and its place in the list.
public struct ListedRelocation: Equatable, Sendable {
    /// The entry; an address of DT_RELR appears as R_X86_64_RELATIVE with its addend in place.
    public let entry: RelocationEntry
    /// The table and the index of the entry, for DT_RELR of the word.
    public let location: FaultLocation
}

/// All relocations of an image, in the order in which they are applied.
public struct ListedRelocations: ~Escapable {
    private var packed: PackedRelocations
    private let linkedFile: LinkedFile
    private let files: ByteView
    private var cursor = EntryCursor()

    @_lifetime(copy relocator)
    init(_ relocator: borrowing Relocator) {
        linkedFile = relocator.own
        files = relocator.scope.files
        packed = PackedRelocations(files.part(linkedFile.packed))
    }

    /// The next one; nil after the last. Throws `relativeRelocationMisplaced`.
    public mutating func next() throws(Fault) -> ListedRelocation? {
        if let address = try packed.nextAddress() {
            return ListedRelocation(
                entry: RelocationEntry(offset: address, info: UInt64(RelocationNumber.relative), addend: nil),
                location: .relocation(table: DynamicTag.relr, index: packed.wordsRead &- 1))
        }
        return linkedFile.next(&cursor, files)
    }
}

/// A position in the tables: the current table, and the entry.
struct EntryCursor {
    fileprivate var table = 0, index = 0
}

extension LinkedFile {
    /// The entry at `cursor`, which moves on to the next; nil after the last. Those of DT_RELR are not included.
    func next(_ cursor: inout EntryCursor, _ files: ByteView) -> ListedRelocation? {
        while cursor.table < 3 {
            let entries = table(cursor.table, files)
            let index = cursor.index
            if index < entries.count {
                cursor.index = index &+ 1
                return ListedRelocation(
                    entry: entries[index],
                    location: .relocation(table: entries.tag, index: UInt64(truncatingIfNeeded: index)))
            }
            cursor.table &+= 1
            cursor.index = 0
        }
        return nil
    }
}

extension Relocator {
    /// All relocations.
    public var listed: ListedRelocations {
        @_lifetime(copy self) get { ListedRelocations(self) }
    }

    /// The symbol at `index` of the dynamic symbol table, and the file offset of its name; nil if there is none.
    public func symbol(at index: UInt32) -> (symbol: Symbol, nameOffset: UInt64)? {
        let symbols = own.symbolTable(scope.files)
        return symbols[index].map { ($0, symbols.nameOffset(of: $0)) }
    }
}
