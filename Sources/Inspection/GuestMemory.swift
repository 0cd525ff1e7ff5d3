// The guest's physical memory below 4 GiB, on the host: sparse, so that only what is written costs anything.

import AddressSpace
import Bytes
import Foundation

/// Memory in which a boot is rehearsed. Addresses are the guest's.
@safe final class GuestMemory {
    /// The number of bytes, from address 0 on.
    let size: UInt64
    private let base: UnsafeMutableRawPointer

    /// Memory of `size` bytes, all zero; nil where the host has no address space for it.
    init?(size: UInt64) {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        // A new mapping of its own; freed by deinit only.
        guard
            let base = unsafe mmap(nil, Int(size), PROT_READ | PROT_WRITE, flags, -1, 0), unsafe base != MAP_FAILED
        else { return nil }
        self.size = size
        unsafe self.base = unsafe base
    }

    deinit { unsafe munmap(base, Int(size)) }

    /// The bytes of `range`, for reading; the memory must outlive them.
    @_lifetime(immortal)
    func span(_ range: AddressRange) -> RawSpan {
        precondition(range.end <= size)
        // In bounds by the line above; every user holds on to the memory while it uses the span.
        let span = unsafe RawSpan(
            _unsafeStart: UnsafeRawPointer(base + Int(range.start)), byteCount: Int(range.size))
        return unsafe _overrideLifetime(span, borrowing: ())
    }

    /// The bytes of `range`, for writing. The boot's plan keeps ranges apart; nothing else does, as in the guest.
    @_lifetime(immortal)
    func region(_ range: AddressRange, at address: UInt64? = nil) -> ByteRegion {
        precondition(range.end <= size)
        // As above.
        let span = unsafe MutableRawSpan(_unsafeStart: base + Int(range.start), byteCount: Int(range.size))
        return ByteRegion(unsafe _overrideLifetime(span, borrowing: ()), at: address ?? range.start)
    }

    /// Copies `bytes` to `address`; false where they do not fit.
    @discardableResult
    func write(_ bytes: ByteView, at address: UInt64) -> Bool {
        guard address <= size, bytes.count <= size - address else { return false }
        var target = region(AddressRange(at: address, size: bytes.count))
        return target.copy(bytes, to: address)
    }

    /// Copies `bytes` to `address`.
    func write(_ bytes: [UInt8], at address: UInt64) {
        // Bytes hold any value, and the array outlives the call.
        write(ByteView(unsafe bytes.span.bytes), at: address)
    }

    /// Stores `word`, least significant byte first.
    func store<Word: FixedWidthInteger & BitwiseCopyable>(_ word: Word, at address: UInt64) {
        var target = region(AddressRange(at: address, size: UInt64(MemoryLayout<Word>.size)))
        target.store(word, at: address)
    }
}
