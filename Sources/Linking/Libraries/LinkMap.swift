// The link map: several files that are loaded together as one image.

import Bytes
public import Diagnostics

/// The application and the shared objects that it needs, directly or not (gABI, "Shared Object Dependencies").
///
/// The files follow the application's image in the order in which they were found, breadth first, which is the order in which symbols are
/// searched. After them the loader adds the template of all blocks of thread-local storage, the arrays of initialisers and finalisers, and
/// `__tls_get_addr`. All of it is one image.
public struct LinkMap: ~Escapable, Sendable {
    /// The plan, in the caller's memory: a plan inside this structure would be copied with it. None if the application is alone.
    @usableFromInline let plans: Span<LinkPlan>

    /// The plan, if there are several files.
    @inlinable @inline(__always)
    public var plan: LinkPlan { plans[0] }

    /// The file at `index`, below `count`.
    @inlinable @inline(__always)
    public subscript(index: Int) -> LinkedFile { plans[0].linkedFiles[index] }

    /// Whether the application is alone.
    public var isEmpty: Bool { count == 0 }

    /// The number of files, including the application; 0 if it is alone.
    public let count: Int

    /// No files: the application is alone.
    @_lifetime(immortal)
    public init() {
        plans = Span()
        count = 0
    }

    /// The map of the only plan in `plans`.
    @_lifetime(copy plans)
    public init(_ plans: Span<LinkPlan>) {
        self.plans = plans
        count = plans[0].count
    }

    /// Finds out which of `files` the application, the first of them, needs, and where they go. Fills the only element of `plans`.
    ///
    /// Throws `needsLibrary` for a library that is missing, `versionMissing` for a version that a library lacks, `notSharedObject`, and
    /// the faults of malformed files. A fault's names are in the file whose number it has.
    @_lifetime(copy plans)
    public init(_ files: borrowing NamedFiles, in plans: consuming MutableSpan<LinkPlan>) throws(Fault) {
        var room = plans
        try room[0].find(files)
        self.init(room.asSpan())
    }
}
