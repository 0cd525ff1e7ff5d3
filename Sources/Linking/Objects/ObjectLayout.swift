// The memory layout of an object file, as a linker would have decided it.

/// The layout of an object file's image, as link addresses: it begins at 0.
///
///     code | constants | TLS template | arrays of functions, data | zeros | common symbols | GOT, stubs |
///     descriptor code | scratch
///
/// There is no PLT: in one image every call can reach every function, so L, the PLT entry's address, is S.
struct ObjectLayout {
    /// The alignment of the block of thread-local storage, the link address of its template, and its distance below TP (variant
    /// II; its first byte is a multiple of its alignment).
    var blockAlignment: UInt64 = 1, templateStart: UInt64 = 0, blockDistance: UInt64 = 0
    /// The largest alignment of an array of functions.
    var arrayAlignment: UInt64 = 8
    /// Whether a section is both written and executed.
    var hasWrittenCode = false
    /// Whether a relocation needs a TLS descriptor.
    var hasDescriptors = false
    /// Whether stubs or the code of TLS descriptors follow.
    var hasGeneratedCode = false
    /// Whether the file has its own __tls_get_addr, so that its code for the general and local dynamic models works unchanged.
    var hasTLSFunction = false
    /// The GOT, with the stubs of STT_GNU_IFUNC symbols.
    var tableStart: UInt64 = 0, tableEnd: UInt64 = 0
    /// The code that TLS descriptors call, if there are any.
    var descriptorThunks = DescriptorThunks(at: 0)
    /// The end of the program's own memory: its `_end`.
    var programEnd: UInt64 = 0
    /// The loader's scratch memory: a word for each section, then a record for each symbol.
    var scratch = LinkScratch()
    /// The end of everything.
    var end: UInt64 = 0
    /// The largest alignment.
    var alignment: UInt64 = 1
    /// The link address of `_start`.
    var entry: UInt64 = 0
}
