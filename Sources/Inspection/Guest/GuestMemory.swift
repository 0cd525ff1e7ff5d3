// The guest's physical memory below 4 GiB, on the host: sparse, so that only written pages cost anything.

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
        guard size <= 1 << 32, let memory = GuestMemory(size: max(size, 1)) else {
            throw Fault(.imageTooLarge, .none, value: size, limit: 1 << 32)
        }
        return memory
    }

    /// The memory that the guest's loader can read; this object must outlive it.
    var readable: PhysicalMemory {
        @_lifetime(immortal) get { PhysicalMemory(ByteView(span(AddressRange(0, size))), origin: 0) }
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

    /// The bytes of `range`, for writing. Only the boot's plan keeps ranges apart, as in the guest.
    @_lifetime(immortal)
    func region(_ range: AddressRange, at address: UInt64? = nil) -> ByteRegion {
        precondition(range.end <= size)
        // As above.
        let span = unsafe MutableRawSpan(_unsafeStart: base + Int(range.start), byteCount: Int(range.size))
        return ByteRegion(unsafe _overrideLifetime(span, borrowing: ()), at: address ?? range.start)
    }

    /// Copies `bytes` to `address`; false if they do not fit.
    @discardableResult
    func write(_ bytes: ByteView, at address: UInt64) -> Bool {
        guard address <= size, bytes.count <= size - address else { return false }
        var target = region(AddressRange(at: address, size: bytes.count))
        return target.copy(bytes, to: address)
    }

    /// Puts `bytes`, which are all of the file `input` if that is given, at `address`: whole pages of a file are mapped rather than copied,
    /// if it permits that. False if they do not fit.
    func write(_ bytes: ByteView, at address: UInt64, from input: InputFile?) -> Bool {
        guard address <= size, bytes.count <= size - address else { return false }
        let whole = bytes.count & ~0xfff
        // In bounds by the line above; pages that are written later are copied then.
        guard let input, whole > 0, address & 0xfff == 0, UInt64(input.bytes.byteCount) == bytes.count,
            unsafe input.map(0, size: whole, over: base + Int(address))
        else { return write(bytes, at: address) }
        return write(ByteView(bytes.span.extracting(Int(whole)...)), at: address + whole)
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

    /// Loads `image` with its first byte at address 0, as `LinkedImage.load` does, into memory that has not been written yet: zeros cost
    /// nothing, and whole pages of the file are mapped rather than copied, if `input` permits that, because most of a large image is never
    /// read.
    func load(_ image: borrowing LinkedImage, from input: InputFile?) throws(Fault) {
        if let descriptorThunks = image.descriptorThunks {
            var target = region(AddressRange(0, image.size), at: image.linkStart)
            descriptorThunks.write(to: &target, at: descriptorThunks.start)
        }
        for index in 0..<image.programHeaders.count
        where image.programHeaders.type(index) == ProgramHeader.Kind.load && image.programHeaders[index].memsz > 0 {
            let segment = image.programHeaders[index]
            let bytes = try segment.contents(image.file, index: UInt64(index))
            let start = segment.vaddr &- image.linkStart
            let end = start &+ segment.filesz
            let (first, last) = ((start &+ 0xfff) & ~0xfff, end & ~0xfff)
            // In bounds: segments lie in the image, in ascending order, without overlap, and the memory has its size.
            if let input, first < last, (segment.offset &- start) & 0xfff == 0, last <= size,
                unsafe input.map(segment.offset &+ (first &- start), size: last &- first, over: base + Int(first))
            {
                write(ByteView(bytes.span.extracting(..<Int(first &- start))), at: start)
                write(ByteView(bytes.span.extracting(Int(last &- start)...)), at: last)
            } else if !write(bytes, at: start) {
                throw Fault(.imageTooLarge, .programHeader(UInt64(index)), value: image.size, limit: size)
            }
        }
    }
}
