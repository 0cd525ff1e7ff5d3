// One search for the definition of a symbol, and what all searches of a relocation run have cost.

import Architecture
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

    /// What a relocation of type `type` searches for.
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

/// Searches of one relocation run: the last one, and what all of them have cost.
struct SymbolSearch {
    /// Steps taken: bytes hashed and compared, symbols and versions looked at.
    var steps: UInt64 = 0
    /// How many are allowed. A malicious table could make searches as slow as it likes; those of linkers take far fewer.
    private let limit: UInt64
    /// How many searches found the array of initialisers that the loader makes.
    var initialiserReferences: UInt64 = 0
    /// How many copied objects have another size than their original.
    var resizedCopies: UInt64 = 0
    /// The object whose malformed tables stopped a search; nil as long as none has.
    var culprit: Int?

    /// The symbol that is searched for, of which object, and what for.
    var symbol: UInt32 = 0, object = -1, purpose = SearchPurpose.address
    /// Its name, and the version that it is wanted with.
    var name = HashedName(), version = SymbolVersion()
    /// What was found. It is kept because linkers sort relocations by symbol: the next may want it again.
    var found = FoundSymbol.none

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
    func accepts(_ symbol: Symbol) -> Bool {
        guard symbol.value != 0 || symbol.isAbsolute || symbol.isThreadLocal, symbol.isCodeOrData else { return false }
        // A value that is not 0 makes an undefined symbol the PLT entry that stands for the function.
        return !symbol.isUndefined || purpose == .address
    }
}

/// What a search has found.
enum FoundSymbol: Equatable {
    /// Nothing.
    case none
    /// The symbol at an index of the object at another.
    case symbol(index: UInt64, object: Int)
    /// What the loader defines: a link address of the application.
    case provided(UInt64)
}
