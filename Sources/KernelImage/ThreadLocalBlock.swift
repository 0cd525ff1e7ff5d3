// Where the block of thread-local storage lies, seen from the thread pointer (ELF Handling For Thread-Local Storage,
// variant II).

public import ELF

/// The image's block of thread-local storage, and the template that the kernel fills it from.
///
/// The thread pointer TP is aligned as PT_TLS asks, the block lies below it, and its first byte is congruent to p_vaddr
/// modulo p_align. Of the distances that satisfy this, linkers take the smallest that holds the block when they relax code
/// to the local-exec model, so it is the only one that may be used:
///
///     distance = p_memsz + ((-p_vaddr - p_memsz) mod p_align)
///
/// Kernels know nothing of p_vaddr: they put the block at TP - roundup(memsz, align). Where p_vaddr is not a multiple of
/// p_align they are therefore told of a template that begins `padding` bytes earlier, at a multiple: it is `padding`
/// bytes longer, and roundup(memsz + padding, align) - padding is that same distance.
public struct ThreadLocalBlock: Equatable, Sendable {
    /// How far below TP the block begins: the symbol with value 0 is at TP - `distance`.
    public let distance: UInt64
    /// p_vaddr modulo p_align.
    public let padding: UInt64

    /// The block of `segment`, a validated PT_TLS.
    public init(_ segment: ProgramHeader) {
        let mask = max(segment.align, 1) &- 1
        padding = segment.vaddr & mask
        // Wraps where the block does not fit below TP; then every offset is as meaningless as the block's size.
        distance = segment.memsz &+ ((0 &- segment.vaddr &- segment.memsz) & mask)
    }
}
