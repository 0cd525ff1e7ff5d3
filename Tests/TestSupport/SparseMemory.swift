// Memory of 4 GiB for boots on the host.

public import Bytes
public import Firmware
import Glibc
public import Memory

/// Memory from address 0 on; untouched pages cost nothing.
public final class SparseMemory {
    private let base: UnsafeMutableRawPointer
    private let size = 1 << 32

    /// Memory full of zeros.
    public init() {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
            fatalError("no address space for 4 GiB")
        }
        self.base = base
    }

    deinit { munmap(base, size) }

    /// All of it; this object must outlive it.
    public var readable: PhysicalMemory {
        @_lifetime(immortal) get {
            let span = RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: size)
            return PhysicalMemory(ByteView(_overrideLifetime(span, borrowing: ())), origin: 0)
        }
    }

    /// The bytes of `range`, for writing, at addresses from `address` on; this object must outlive them.
    @_lifetime(immortal)
    public func region(_ range: AddressRange, at address: UInt64) -> ByteRegion {
        precondition(range.end <= UInt64(size))
        let span = MutableRawSpan(_unsafeStart: base + Int(range.start), byteCount: Int(range.size))
        return ByteRegion(_overrideLifetime(span, borrowing: ()), at: address)
    }

    /// The number at `address`.
    public func number<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at address: UInt64) -> Word {
        precondition(address <= UInt64(size - MemoryLayout<Word>.size))
        return base.loadUnaligned(fromByteOffset: Int(address), as: type)
    }

    /// The bytes of `range`.
    public func bytes(_ range: AddressRange) -> [UInt8] {
        precondition(range.end <= UInt64(size))
        return Array(UnsafeRawBufferPointer(start: base + Int(range.start), count: Int(range.size)))
    }

    /// Copies `bytes` to `address`.
    public func write(_ bytes: [UInt8], at address: UInt64) {
        precondition(address + UInt64(bytes.count) <= UInt64(size))
        bytes.withUnsafeBytes { source in
            if let start = source.baseAddress { (base + Int(address)).copyMemory(from: start, byteCount: bytes.count) }
        }
    }

    /// Fills `range` with arbitrary bytes.
    public func spoil(_ range: AddressRange) { memset(base + Int(range.start), 0xcc, Int(range.size)) }

    /// Whether `range` is still as `spoil` left it.
    public func isSpoiled(_ range: AddressRange) -> Bool {
        let start = base + Int(range.start)
        // All bytes equal the first if each equals the one before it.
        return range.isEmpty
            || start.load(as: UInt8.self) == 0xcc && memcmp(start, start + 1, Int(range.size) - 1) == 0
    }
}
