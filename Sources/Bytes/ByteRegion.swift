// The checked way to write memory: the image, page tables, BootInfo, the device tree.

/// A range of memory that the boot may write, known by the address of its first byte. Nothing outside it can be written.
public struct ByteRegion: ~Copyable, ~Escapable {
    /// The memory.
    public var span: MutableRawSpan
    /// The address of its first byte, in the address space that the region's user chose.
    public let address: UInt64
    /// The number of bytes.
    public let count: UInt64

    /// Takes `span`, whose first byte has `address`.
    @_lifetime(copy span)
    public init(_ span: consuming MutableRawSpan, at address: UInt64) {
        count = UInt64(span.byteCount)
        self.span = span
        self.address = address
    }

    /// The offset of `size` bytes at `address`; nil if they are not all inside the region.
    @inlinable
    public func offset(of address: UInt64, size: UInt64) -> Int? {
        let offset = address &- self.address
        guard offset <= count, size <= count &- offset else { return nil }
        return Int(truncatingIfNeeded: offset)
    }

    /// The part of `size` bytes at `address`; nil if it is not all inside the region.
    @_lifetime(&self)
    public mutating func part(_ address: UInt64, size: UInt64) -> ByteRegion? {
        guard let offset = offset(of: address, size: size) else { return nil }
        let end = offset &+ Int(truncatingIfNeeded: size)
        return ByteRegion(span._mutatingExtracting(offset..<end), at: address)
    }

    /// The part of `size` bytes at `address`, in which the first byte has the address `name`; nil if it is not all inside the region.
    @_lifetime(&self)
    public mutating func part(_ address: UInt64, size: UInt64, as name: UInt64) -> ByteRegion? {
        guard let offset = offset(of: address, size: size) else { return nil }
        let end = offset &+ Int(truncatingIfNeeded: size)
        return ByteRegion(span._mutatingExtracting(offset..<end), at: name)
    }

    /// Stores `value` at `address`, least significant byte first; false if it does not fit in the region.
    @inlinable
    @discardableResult
    @_lifetime(self: copy self)
    public mutating func store<Word: FixedWidthInteger & BitwiseCopyable>(_ value: Word, at address: UInt64) -> Bool {
        guard let offset = offset(of: address, size: UInt64(MemoryLayout<Word>.size)) else { return false }
        // In bounds by the line above.
        unsafe span.storeBytes(of: value, toUncheckedByteOffset: offset, as: Word.self)
        return true
    }

    /// The word at `address`; nil if it is not all inside the region.
    @inlinable
    public func load<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type, at address: UInt64) -> Word? {
        guard let offset = offset(of: address, size: UInt64(MemoryLayout<Word>.size)) else { return nil }
        // In bounds by the line above.
        return unsafe span.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Word.self)
    }

    /// The 64-bit word at `address`; 0 if it is not all inside the region.
    @inline(never)
    public func word(at address: UInt64) -> UInt64 { load(UInt64.self, at: address) ?? 0 }

    /// Stores `word` at `address`, as `store` does. Kept as a call: most callers are better off with one.
    @inline(never)
    @discardableResult
    @_lifetime(self: copy self)
    public mutating func put(_ word: UInt64, at address: UInt64) -> Bool { store(word, at: address) }

    /// Fills `count` 64-bit words from `address` on with `first`, `first + step` and so on, and returns `count`. Writes nothing and
    /// returns nil if they do not fit in the region.
    @_lifetime(self: copy self)
    public mutating func fill(at address: UInt64, first: UInt64, step: UInt64, count: UInt64) -> UInt64? {
        // `count` is far below 2^61: it is limited by the region's size in the next line.
        guard count <= self.count, let start = offset(of: address, size: count &* 8) else { return nil }
        var offset = start
        let end = start &+ Int(truncatingIfNeeded: count) &* 8
        // All are in bounds by the guard. Eight are stored at a time, two by two, and then the rest.
        var value = first
        if count >= 8 {
            var pair = SIMD2(first, first &+ step)
            let two = SIMD2(repeating: step &* 2)
            let eight = SIMD2(repeating: step &* 8)
            var second = pair &+ two
            var third = second &+ two
            var fourth = third &+ two
            repeat {
                unsafe span.storeBytes(of: pair, toUncheckedByteOffset: offset, as: SIMD2<UInt64>.self)
                unsafe span.storeBytes(of: second, toUncheckedByteOffset: offset &+ 16, as: SIMD2<UInt64>.self)
                unsafe span.storeBytes(of: third, toUncheckedByteOffset: offset &+ 32, as: SIMD2<UInt64>.self)
                unsafe span.storeBytes(of: fourth, toUncheckedByteOffset: offset &+ 48, as: SIMD2<UInt64>.self)
                pair &+= eight
                second &+= eight
                third &+= eight
                fourth &+= eight
                offset &+= 64
            } while offset < end &- 56
            value = pair[0]
        }
        while offset < end {
            unsafe span.storeBytes(of: value, toUncheckedByteOffset: offset, as: UInt64.self)
            value &+= step
            offset &+= 8
        }
        return count
    }

    /// Adds `value` to the 64-bit word at `address`; false if that is not all inside the region.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func add(_ value: UInt64, at address: UInt64) -> Bool {
        guard let offset = offset(of: address, size: 8) else { return false }
        // In bounds by the line above.
        let sum = unsafe span.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self) &+ value
        unsafe span.storeBytes(of: sum, toUncheckedByteOffset: offset, as: UInt64.self)
        return true
    }

    /// Adds `value` to the 64-bit words whose bit is set in `bits`, one bit for each of 64 words from `address` on. Returns the number of
    /// them. Adds nothing and returns nil if they are not all inside the region.
    @_lifetime(self: copy self)
    public mutating func add(_ value: UInt64, at address: UInt64, wherever bits: UInt64) -> UInt64? {
        let size = UInt64(64 &- bits.leadingZeroBitCount) &* 8
        guard let start = offset(of: address, size: size) else { return nil }
        // In bounds up to the highest bit, by the line above; the pointer does not leave the closure.
        return unsafe span.withUnsafeMutableBytes { memory in
            guard let words = memory.baseAddress else { return 0 }
            var word = unsafe words + start
            var remaining = bits
            // Run by run: mostly there is one run of all the words.
            while remaining != 0 {
                let skipped = remaining.trailingZeroBitCount
                remaining &>>= UInt64(skipped)
                unsafe word += skipped &* 8
                let run = (~remaining).trailingZeroBitCount
                // The last word comes first, by an instruction that reads and writes. On the host, a page of a mapped file that is
                // read before it is written costs a second page fault.
                unsafe ByteRegion.add(value, to: word + (run &- 1) &* 8)
                for index in 0..<run &- 1 {
                    unsafe ByteRegion.add(value, to: word + index &* 8)
                }
                unsafe word += run &* 8
                remaining = run < 64 ? remaining &>> UInt64(run) : 0
            }
            let count = UInt64(bits.nonzeroBitCount)
            return count
        }
    }

    @inline(__always)
    private static func add(_ value: UInt64, to word: UnsafeMutableRawPointer) {
        let sum = unsafe word.loadUnaligned(as: UInt64.self) &+ value
        unsafe word.storeBytes(of: sum, as: UInt64.self)
    }

    /// Copies all of `source` to `address`. Copies nothing and returns false if it does not fit in the region.
    @discardableResult
    @_lifetime(self: copy self)
    public mutating func copy(_ source: borrowing ByteView, to address: UInt64) -> Bool {
        guard let offset = offset(of: address, size: source.count) else { return false }
        if source.count == 0 { return true }
        let bytes = source.span
        // In bounds by the lines above; the pointers do not leave the closures.
        unsafe span.withUnsafeMutableBytes { target in
            unsafe bytes.withUnsafeBytes { source in
                let target = unsafe target.baseAddress.unsafelyUnwrapped + offset
                unsafe target.copyMemory(from: source.baseAddress.unsafelyUnwrapped, byteCount: source.count)
            }
        }
        return true
    }

    /// Copies `size` bytes from `source` to `address`; the ranges may overlap. Copies nothing and returns false if one of them is not
    /// inside the region.
    @inline(never)
    @discardableResult
    @_lifetime(self: copy self)
    public mutating func copy(from source: UInt64, to address: UInt64, size: UInt64) -> Bool {
        guard let from = offset(of: source, size: size), let to = offset(of: address, size: size) else { return false }
        if size == 0 { return true }
        // In bounds by the lines above; the pointer does not leave the closure.
        unsafe span.withUnsafeMutableBytes { memory in
            let start = unsafe memory.baseAddress.unsafelyUnwrapped
            unsafe (start + to).copyMemory(from: start + from, byteCount: Int(truncatingIfNeeded: size))
        }
        return true
    }

    /// Copies `count` bytes from `distance` bytes before `offset` to `offset`, in ascending order: if the distance is less than the
    /// count, they repeat, as LZ77 requires. Up to seven bytes of the region after them may change, too. Copies nothing and returns
    /// false if there are none, if they are not all inside the region, or if `distance` exceeds `offset`.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func repeatEarlier(at offset: Int, distance: Int, count: Int) -> Bool {
        let end = Int(truncatingIfNeeded: self.count)
        guard distance > 0, distance <= offset, offset <= end, count > 0, count <= end &- offset else { return false }
        let hasRoom = count <= end &- offset &- 8
        // In bounds by the lines above; the pointer does not leave the closure.
        unsafe span.withUnsafeMutableBytes { memory in
            var target = unsafe memory.baseAddress.unsafelyUnwrapped + offset
            var source = unsafe target - distance
            let last = unsafe target + count
            if hasRoom, distance >= 8 {
                // The distance is at least a word: a word is read before any of its bytes are written.
                repeat {
                    unsafe target.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
                    unsafe target += 8
                    unsafe source += 8
                } while unsafe target < last
            } else if hasRoom, distance == 1 {
                let word = UInt64(unsafe source.load(as: UInt8.self)) &* 0x0101_0101_0101_0101
                repeat {
                    unsafe target.storeBytes(of: word, as: UInt64.self)
                    unsafe target += 8
                } while unsafe target < last
            } else {
                while unsafe target < last {
                    unsafe target.storeBytes(of: source.load(as: UInt8.self), as: UInt8.self)
                    unsafe target += 1
                    unsafe source += 1
                }
            }
        }
        return true
    }

    /// Stores `byte` at `offset`; false if that is not inside the region.
    @inlinable @inline(__always)
    @_lifetime(self: copy self)
    public mutating func store(_ byte: UInt8, atOffset offset: Int) -> Bool {
        guard UInt64(bitPattern: Int64(offset)) < count else { return false }
        // In bounds by the line above.
        unsafe span.storeBytes(of: byte, toUncheckedByteOffset: offset, as: UInt8.self)
        return true
    }

    /// The region's bytes, for reading.
    public var contents: ByteView {
        @_lifetime(borrow self) get { ByteView(span.bytes) }
    }

    /// Clears `size` bytes at `address`. Clears nothing and returns false if they are not all inside the region.
    @discardableResult
    @_lifetime(self: copy self)
    public mutating func clear(_ address: UInt64, size: UInt64) -> Bool {
        guard let offset = offset(of: address, size: size) else { return false }
        if size == 0 { return true }
        // In bounds by the lines above; the pointer does not leave the closure.
        unsafe span.withUnsafeMutableBytes { target in
            let target = unsafe target.baseAddress.unsafelyUnwrapped + offset
            unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: Int(truncatingIfNeeded: size))
        }
        return true
    }
}

extension MutableSpan {
    /// The elements, which cannot change any more.
    @_lifetime(copy self)
    public consuming func asSpan() -> Span<Element> {
        // The only way to change them is consumed.
        unsafe _overrideLifetime(span, copying: self)
    }
}

extension MutableSpan where Element: ~Copyable {
    /// The elements in `range`, until the span is used again.
    @_lifetime(&self)
    public mutating func part(_ range: Range<Int>) -> MutableSpan<Element> { _mutatingExtracting(range) }
}
