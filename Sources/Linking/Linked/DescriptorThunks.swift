// Code that relocations need and the file lacks: the loader adds it after the image, and the kernel keeps it.

import Architecture
import Bytes

/// The code that TLS descriptors call, after the image.
///
/// A descriptor is two words: a function and its argument. Code calls the function with the descriptor's address in rax,
/// and gets back the variable's offset from TP; no other register changes (x86-64 psABI, TLS descriptors). With one module,
/// whose block has a fixed place below TP, the argument is the offset, and the function need only load it.
public struct DescriptorThunks: Equatable, Sendable {
    /// Its link address, a multiple of `Thunks.alignment`.
    public let start: UInt64

    /// Its size.
    public static var size: UInt64 { 2 &* Thunks.descriptorFunctionSize }
    /// The link address after its last byte.
    public var end: UInt64 { start &+ DescriptorThunks.size }
    /// The link address of the function that returns its descriptor's argument.
    var offsetResolver: UInt64 { start }
    /// The link address of the function for undefined weak symbols. It returns the argument minus TP, so the variable's address is
    /// the argument.
    var undefinedResolver: UInt64 { start &+ Thunks.descriptorFunctionSize }

    /// The code for an image that ends at `linkEnd`; nil if the address space ends too early.
    ///
    /// It shares the image's last page if there is room, and otherwise has the next page to itself: some kernels take `_end`, rounded
    /// up to a page, for the end of the image, and give away the memory after it.
    public init?(after linkEnd: UInt64) {
        let pageSize = PageSize.size4KiB.rawValue
        guard linkEnd < UInt64.max &- 2 &* pageSize else { return nil }
        let aligned = (linkEnd &+ (Thunks.alignment &- 1)) & ~(Thunks.alignment &- 1)
        let page = (linkEnd &+ (pageSize &- 1)) & ~(pageSize &- 1)
        start = page &- linkEnd >= DescriptorThunks.size &+ (aligned &- linkEnd) ? aligned : page
    }

    /// The code at link address `start`.
    init(at start: UInt64) { self.start = start }

    /// Writes the code; false if `memory` ends before it.
    @discardableResult
    func write<Memory: ImageMemory & ~Copyable & ~Escapable>(to memory: inout Memory, at address: UInt64) -> Bool {
        let words = Thunks.descriptorFunctions
        return memory.copy(ByteView(words.span), to: address)
    }
}
