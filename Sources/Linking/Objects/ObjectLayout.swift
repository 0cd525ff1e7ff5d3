// The plan of an object file's memory: what a linker would have decided.

/// Where everything lies, as link addresses: the image begins at 0.
///
///     code | constants | TLS template | arrays of functions, data | zeros | common symbols | GOT, stubs |
///     descriptor code | scratch
///
/// There is no PLT: in one image every function is within reach of every call, so L, the PLT entry's address, is S.
struct ObjectLayout {
    /// The alignment of the block of thread-local storage, the link address of its template, and how far below TP it begins
    /// (variant II; its first byte is a multiple of its alignment).
    var blockAlignment: UInt64 = 1, templateStart: UInt64 = 0, blockDistance: UInt64 = 0
    /// The largest alignment of an array of functions.
    var arrayAlignment: UInt64 = 8
    /// Whether a section is both written and executed.
    var hasWrittenCode = false
    /// Whether a relocation wants a TLS descriptor.
    var hasDescriptors = false
    /// Whether stubs or the code of TLS descriptors follow.
    var hasGeneratedCode = false
    /// Whether the file brings its own __tls_get_addr, so that its code for the general and local dynamic models works
    /// as it stands.
    var hasTLSFunction = false
    /// The GOT, with the stubs of functions that choose an implementation.
    var tableStart: UInt64 = 0, tableEnd: UInt64 = 0
    /// The code that TLS descriptors call, where there are any.
    var descriptorThunks = DescriptorThunks(at: 0)
    /// The end of all that the program knows of: its `_end`.
    var programEnd: UInt64 = 0
    /// What the loader remembers while it loads: a word for each section, then a record for each symbol.
    var scratch = LinkScratch()
    /// The end of everything.
    var end: UInt64 = 0
    /// The largest alignment.
    var alignment: UInt64 = 1
    /// The link address of `_start`.
    var entry: UInt64 = 0
}
