// The number of relocations, by type.

import Architecture

/// The numbers of relocations that were applied, by type; those of DT_RELR count as RELATIVE.
public struct RelocationCounts: Equatable, Sendable {
    private var counts = RelocationType.ForEach<UInt64>(repeating: 0)

    /// No relocations.
    public init() {}

    /// The number of relocations of type `type`, which the psABI has.
    public subscript(type: UInt32) -> UInt64 { counts.span[Int(type)] }

    /// Adds `count` relocations of type `type`, which the psABI has.
    mutating func add(_ count: UInt64, _ type: UInt32) {
        guard count > 0 else { return }
        var counts = counts.mutableSpan
        counts[Int(type)] &+= count
        total &+= count
    }

    /// The numbers by type: see `MemoryMap.regions`.
    public var all: Span<UInt64> {
        @_lifetime(borrow self) get { counts.span }
    }

    /// The number of relocations that wait until a resolver function in the image is called.
    public internal(set) var indirect: UInt64 = 0

    /// The number of copies whose size differs from that of their original: as many bytes were copied as fit both.
    public internal(set) var resizedCopies: UInt64 = 0

    /// The steps that searches for symbols in several files took: bytes hashed and compared, symbols and versions looked at.
    var searchSteps: UInt64 = 0

    /// The number of symbols that refer to the array of libraries' initialisers, which the loader makes.
    public internal(set) var initialiserReferences: UInt64 = 0

    /// The number of relocations of all types.
    public private(set) var total: UInt64 = 0

    /// Whether all counts are equal.
    public static func == (left: RelocationCounts, right: RelocationCounts) -> Bool {
        for type in 0...RelocationType.lastNumber where left[type] != right[type] { return false }
        return left.indirect == right.indirect && left.resizedCopies == right.resizedCopies
            && left.searchSteps == right.searchSteps && left.initialiserReferences == right.initialiserReferences
    }
}
