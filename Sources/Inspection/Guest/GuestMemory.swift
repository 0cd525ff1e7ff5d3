// The guest's physical memory below 4 GiB, on the host: sparse, so that only written pages cost anything.

import Boot
import Memory
import Bytes
import Diagnostics
import ELF
import Firmware
import Glibc
import Linking

/// Memory in which a boot is rehearsed. Addresses are the guest's.
@safe final class GuestMemory: @unchecked Sendable {
    /// The number of bytes, from address 0 on.
    let size: UInt64
    private let base: UnsafeMutableRawPointer

    /// Memory of `size` bytes, all zero; nil if the host has no address space for it.
    init?(size: UInt64) {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        // A new mapping of its own; freed by deinit only.
        guard let count = Int(exactly: size),
            let base = unsafe mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe base != MAP_FAILED
        else { return nil }
        self.size = size
        unsafe self.base = unsafe base
    }

    /// Memory for an image that is viewed without a machine; throws `imageTooLarge` beyond 4 GiB, where the loader places none.
    static func forImage(size: UInt64) throws(Fault) -> GuestMemory {
        guard size <= BootSequence.memoryEnd, let memory = GuestMemory(size: max(size, 1)) else {
            throw Fault(.imageTooLarge, .none, value: size, limit: BootSequence.memoryEnd)
        }
        return memory
    }

    /// The memory that the guest's loader can read.
    var readable: PhysicalMemory {
        @_lifetime(borrow self) get { PhysicalMemory(ByteView(span(AddressRange(0, size))), origin: 0) }
    }

    deinit { unsafe munmap(base, Int(size)) }

    /// The bytes of `range`, for reading.
    @_lifetime(borrow self)
    func span(_ range: AddressRange) -> RawSpan {
        precondition(range.end <= size)
        // In bounds by the line above.
        return unsafe ByteView(start: UnsafeRawPointer(base + Int(range.start)), count: Int(range.size)).span
    }

    /// The bytes of `range`, for writing. Only the boot's plan keeps ranges apart, as in the guest.
    @_lifetime(borrow self)
    func region(_ range: AddressRange, at address: UInt64? = nil) -> ByteRegion {
        // Not used after this object, by its lifetime.
        unsafe unscopedRegion(range, at: address ?? range.start)
    }

    /// The same; this object must outlive it.
    @unsafe @_lifetime(immortal)
    func unscopedRegion(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        precondition(range.end <= size)
        // In bounds by the line above.
        return unsafe ByteRegion(start: base + Int(range.start), count: Int(range.size), at: address)
    }

    /// Copies `bytes` to `address`; false if they do not fit.
    @discardableResult
    func write(_ bytes: ByteView, at address: UInt64) -> Bool {
        guard address <= size, bytes.count <= size - address else { return false }
        var target = region(AddressRange(at: address, size: bytes.count))
        return target.copy(bytes, to: address)
    }

    /// Copies `bytes` to `address`; whole pages of the file `input`, if these are its bytes and it permits that, are mapped rather than
    /// copied, because most of a large file is never read. False if they do not fit.
    @discardableResult
    func write(_ bytes: borrowing ByteView, at address: UInt64, from input: InputFile?) -> Bool {
        guard address <= size, bytes.count <= size - address else { return false }
        let (first, last) = (address.pageAligned, (address + bytes.count).pageStart)
        guard let input, first < last, let offset = input.offset(of: bytes), offset % Page.size == address % Page.size,
            // In bounds by the first line; pages that are written later are copied then.
            unsafe input.map(offset + (first - address), size: last - first, over: base + Int(first))
        else { return write(copy bytes, at: address) }
        let (head, whole) = (first - address, last - address)
        write(bytes.part(at: 0, size: head), at: address)
        return write(bytes.part(at: whole, size: bytes.count - whole), at: last)
    }

    /// Copies `bytes` to `address`.
    func write(_ bytes: [UInt8], at address: UInt64) {
        // Bytes hold any value, and the array outlives the call.
        write(ByteView(unsafe bytes.span.bytes), at: address)
    }

    /// Stores `word` in `field` of the structure at `structure`, least significant byte first.
    func store<Word>(_ word: Word, in field: StructureField<Word>, of structure: UInt64) {
        let place = AddressRange(at: structure + field.offset, size: UInt64(MemoryLayout<Word>.size))
        var target = region(place)
        target.store(word, in: field, of: structure)
    }
}

extension GuestMemory {
    /// Memory with nothing but `image`, which begins at address 0, before it is relocated; its bytes are those of `input`, if that is
    /// given. Throws `imageTooLarge` if the host has no address space for it.
    static func holding(_ image: borrowing LinkedImage, from input: InputFile?) throws(Fault) -> GuestMemory {
        guard let memory = GuestMemory(size: max(image.size, 1)) else {
            throw Fault(.imageTooLarge, .header, value: image.size, limit: 1 << 46)
        }
        var target = UnwrittenImage(memory: memory, input: input, address: image.linkStart, count: image.size)
        try image.load(into: &target)
        return memory
    }
}

/// Memory in which nothing has been written yet: zeros cost nothing there, and files are mapped.
private struct UnwrittenImage: ImageMemory {
    let memory: GuestMemory
    let input: InputFile?
    let address: UInt64
    let count: UInt64

    func clear(_ address: UInt64, size: UInt64) -> Bool { true }

    func copy(_ source: borrowing ByteView, to address: UInt64) -> Bool {
        memory.write(source, at: address &- self.address, from: input)
    }
}
