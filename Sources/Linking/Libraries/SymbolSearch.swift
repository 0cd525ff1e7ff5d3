// The search for the definition of a symbol, and the cost of all searches of a relocation run.

import Architecture
import Bytes
import Diagnostics
public import ELF

/// The definition of the symbol that a relocation refers to.
public struct Definition: Equatable, Sendable {
    /// The symbol, in the table of the file that defines it.
    public let symbol: Symbol
    /// The bias of the file that defines it, which is added to the value if that is an address.
    public let bias: UInt64
    /// The index in the link map of the file that defines it; also 0 for symbols that the loader defines.
    public let linkIndex: Int

    /// S, if it is an address: absolute symbols are not rebased.
    var address: UInt64 { symbol.isAbsolute ? symbol.value : symbol.value &+ bias }
}

/// The purpose of a search, which decides what may be found.
enum SearchPurpose: UInt8 {
    /// An address that pointers are compared with: for a function that a fixed file refers to, its PLT entry there.
    case address
    /// A definition, of a function to call or of a thread-local variable.
    case definition
    /// The original of a copied object: a definition that is not the application's.
    case original

    /// The purpose of a search by a relocation of type `type`.
    init(_ type: UInt32) {
        switch type {
        case RelocationNumber.copy: self = .original
        case RelocationNumber.jumpSlot, RelocationNumber.dtpMod64, RelocationNumber.dtpOff64, RelocationNumber.tpOff64,
            RelocationNumber.dtpOff32, RelocationNumber.tpOff32, RelocationNumber.tlsDesc:
            self = .definition
        default: self = .address
        }
    }
}

/// The searches of one relocation run: the last one, and the cost of all of them.
struct SymbolSearch {
    /// The steps taken: bytes hashed and compared, symbols and versions looked at.
    var steps: UInt64 = 0
    /// The number of steps allowed. A malicious table could make searches arbitrarily slow; those of linkers need far fewer steps.
    private let limit: UInt64
    /// The number of searches that found the array of initialisers that the loader makes.
    var initialiserReferences: UInt64 = 0
    /// The number of copied objects whose size differs from that of their original.
    var resizedCopies: UInt64 = 0
    /// The index of the file whose malformed tables stopped a search; nil if none has.
    var culprit: Int?

    /// The symbol in question, the index of its file, and the purpose.
    var symbol: UInt32 = 0, linkIndex = -1, purpose = SearchPurpose.address
    /// Its name, and its required version.
    var name = HashedName(), version = SymbolVersion()
    /// The result. It is kept because linkers sort relocations by symbol: the next relocation may need it again.
    var found = FoundSymbol.none

    /// The number of steps allowed for each byte of the files.
    static var stepsPerByte: UInt64 { 64 }

    /// Searches in files of `size` bytes in total.
    @inline(never)
    init(size: UInt64) { limit = size &* SymbolSearch.stepsPerByte }

    /// Takes `count` steps. Throws `symbolSearchTooLong`.
    mutating func add(_ count: UInt64) throws(Fault) {
        steps &+= count
        guard steps <= limit else { throw Fault(.symbolSearchTooLong, value: limit) }
    }

    /// Whether the strings at these offsets of two string tables are equal.
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

    /// Whether `symbol` can be the definition, if its name is the right one.
    func accepts(_ symbol: Symbol) -> Bool {
        guard symbol.value != 0 || symbol.isAbsolute || symbol.isThreadLocal, symbol.isCodeOrData else { return false }
        // An undefined symbol with a value other than 0 is a PLT entry, whose address is the function's for all files.
        return !symbol.isUndefined || purpose == .address
    }
}

/// The result of a search.
enum FoundSymbol: Equatable {
    /// Nothing.
    case none
    /// The symbol at `index` of the symbol table of the file at `linkIndex`.
    case symbol(index: UInt64, linkIndex: Int)
    /// A symbol that the loader defines: a link address of the application.
    case provided(UInt64)
}
