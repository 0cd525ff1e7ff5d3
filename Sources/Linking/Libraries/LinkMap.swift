// Several files loaded together, as those see them who only look.

import Bytes
public import Diagnostics

/// The application and the shared objects that it needs, directly or not (gABI, "Shared Object Dependencies").
///
/// The objects follow the application's image in the order in which they were found, breadth first, which is the order in
/// which symbols are searched. Behind them lies what the loader adds: the template of all blocks of thread-local storage, the
/// arrays of initialisers and finalisers, and `__tls_get_addr`. All of it is one image.
public struct LinkMap: ~Escapable, Sendable {
    /// The plan, in room that the caller gives: as a part of this structure it would be copied with it. None where the
    /// application is alone.
    @usableFromInline let plans: Span<LinkPlan>

    /// Everything that is known, where there are objects.
    @inlinable @inline(__always)
    public var plan: LinkPlan { plans[0] }

    /// The object at `index`, below `count`.
    @inlinable @inline(__always)
    public subscript(index: Int) -> LinkedFile { plans[0].objects[index] }

    /// Whether the application is alone.
    public var isEmpty: Bool { count == 0 }

    /// How many objects there are, the application included; 0 where it is alone.
    public let count: Int

    /// No objects: the application is alone.
    @_lifetime(immortal)
    public init() {
        plans = Span()
        count = 0
    }

    /// The map that the only one of `plans` is the plan of.
    @_lifetime(copy plans)
    public init(_ plans: Span<LinkPlan>) {
        self.plans = plans
        count = plans[0].count
    }

    /// Finds out what the application, the first of `files`, needs of the others, and plans where it goes, in the only one of
    /// `plans`, in which nothing is known yet.
    ///
    /// Throws `needsLibrary` for what none of them is, `versionMissing` for what one of them lacks, `notSharedObject`, and the
    /// faults of malformed files. A fault's names are in the file whose number it has.
    @_lifetime(copy plans)
    public init(_ files: borrowing NamedFiles, in plans: consuming MutableSpan<LinkPlan>) throws(Fault) {
        var room = plans
        try room[0].find(files)
        self.init(room.asSpan())
    }
}
