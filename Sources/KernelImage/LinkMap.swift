// Several files loaded together: which of them, in which order, and where each goes.

import Bytes
public import Diagnostics
import ELF

/// The application and the shared objects that it needs, directly or not (gABI, "Shared Object Dependencies").
///
/// The objects follow the application's image in the order in which they were found, breadth first, which is the order in
/// which symbols are searched. Behind them lies what the loader adds: the template of all blocks of thread-local storage, the
/// arrays of initialisers and finalisers, and `__tls_get_addr`. All of it is one image.
public struct LinkMap: ~Escapable {
    /// The objects, the application first, in room that the caller gives: as a part of this structure they would be copied with it.
    let objects: Span<LinkedObject>
    /// Where everything goes.
    public let plan: LinkPlan

    /// The object at `index`, below `count`.
    public subscript(index: Int) -> LinkedObject { objects[index] }

    /// How many objects there are, the application included; 0 where it is alone.
    public var count: Int { plan.count }

    /// No objects: the application is alone.
    @_lifetime(immortal)
    public init() {
        objects = Span()
        plan = LinkPlan()
    }

    /// The map of `objects`, found by `plan`, that lie elsewhere than it says.
    @_lifetime(copy objects)
    public init(_ plan: LinkPlan, _ objects: Span<LinkedObject>) {
        self.plan = plan
        self.objects = objects
    }

    /// Finds out what `application`, the first of `files`, needs of the others, and plans where it goes. `list` has room for an
    /// object per file.
    ///
    /// Throws `needsLibrary` for what none of them is, `versionMissing` for what one of them lacks, `notSharedObject`, and the
    /// faults of malformed files. A fault's names are in the file whose number it has.
    @_lifetime(copy list)
    public init(
        _ files: borrowing NamedFiles, _ application: KernelImage, in list: consuming MutableSpan<LinkedObject>
    ) throws(Fault) {
        guard list.count >= files.count else {
            throw Fault(.tooManyModules, value: UInt64(files.count), limit: UInt64(list.count))
        }
        var list = list
        var plan = LinkPlan()
        try plan.find(files, application, &list)
        self.plan = plan
        objects = list.asSpan().extracting(0..<plan.count)
    }
}
