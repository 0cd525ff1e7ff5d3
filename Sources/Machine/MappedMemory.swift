// Physical memory, which the loader's own page tables map to itself, and once more further up.

internal import CMachine

/// The machine's memory, as spans over its second mapping: there no address that can be read is that of a null pointer.
public enum MappedMemory {
    /// The first address that can be read: firmware may leave structures anywhere, and kexec leaves one at 0.
    public static var start: UInt64 { 0 }
    /// The end of what is mapped.
    public static var end: UInt64 { 1 << 32 }
    /// The loader's own bytes: from its first to the one behind its last.
    public static var loader: (start: UInt64, end: UInt64) { (cm_loader_start(), cm_loader_end()) }
    /// The address behind the loader's code.
    public static var loaderCodeEnd: UInt64 { cm_loader_code_end() }

    /// All memory that can be read.
    public static var readable: RawSpan {
        @_lifetime(immortal) get { span(start, size: end - start) }
    }

    /// `size` bytes at `address`, for reading.
    @_lifetime(immortal)
    public static func span(_ address: UInt64, size: UInt64) -> RawSpan {
        precondition(address <= end && size <= end - address)
        // Mapped by entry.S, and nobody takes it away before the kernel is entered.
        let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(cm_alias(address))).unsafelyUnwrapped
        let span = unsafe RawSpan(_unsafeStart: pointer, byteCount: Int(size))
        return unsafe _overrideLifetime(span, borrowing: ())
    }

    /// `size` bytes at `address`, for writing. The caller's plan keeps ranges apart; nothing else does.
    @_lifetime(immortal)
    public static func mutableSpan(_ address: UInt64, size: UInt64) -> MutableRawSpan {
        precondition(address <= end && size <= end - address)
        // As above.
        let pointer = unsafe UnsafeMutableRawPointer(bitPattern: UInt(cm_alias(address))).unsafelyUnwrapped
        let span = unsafe MutableRawSpan(_unsafeStart: pointer, byteCount: Int(size))
        return unsafe _overrideLifetime(span, borrowing: ())
    }
}
