// Physical memory, which the loader's own page tables map to itself, and a second time at higher addresses.

internal import CMachine

/// The machine's memory, as spans over its second mapping, in which no valid address is a null pointer.
public enum MappedMemory {
    /// The first address that can be read: firmware may leave structures anywhere, and kexec leaves one at 0.
    public static var start: UInt64 { 0 }
    /// The end of the mapped memory.
    public static var end: UInt64 { 1 << 32 }
    /// The loader's own bytes: the address of the first, and the address after the last.
    public static var loader: (start: UInt64, end: UInt64) { (cm_loader_start(), cm_loader_end()) }
    /// The address after the loader's code.
    public static var loaderCodeEnd: UInt64 { cm_loader_code_end() }

    /// All memory that can be read.
    public static var readable: RawSpan {
        @_lifetime(immortal) get { span(start, size: end - start) }
    }

    /// The `size` bytes at `address`, for reading.
    @_lifetime(immortal)
    public static func span(_ address: UInt64, size: UInt64) -> RawSpan {
        precondition(address <= end && size <= end - address)
        // entry.S maps it, and the mapping stays until the kernel is entered.
        let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(cm_alias(address))).unsafelyUnwrapped
        let span = unsafe RawSpan(_unsafeStart: pointer, byteCount: Int(size))
        return unsafe _overrideLifetime(span, borrowing: ())
    }

    /// The `size` bytes at `address`, for writing. Only the caller's plan keeps ranges apart.
    @unsafe @_lifetime(immortal)
    public static func mutableSpan(_ address: UInt64, size: UInt64) -> MutableRawSpan {
        precondition(address <= end && size <= end - address)
        // As above.
        let pointer = unsafe UnsafeMutableRawPointer(bitPattern: UInt(cm_alias(address))).unsafelyUnwrapped
        let span = unsafe MutableRawSpan(_unsafeStart: pointer, byteCount: Int(size))
        return unsafe _overrideLifetime(span, borrowing: ())
    }
}
