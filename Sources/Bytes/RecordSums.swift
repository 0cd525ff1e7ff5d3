// The loader's longest loop: the sums of records, such as the relocations R_*_RELATIVE of DT_RELA, stored many at a time.

extension ByteRegion {
    /// Stores the sums of records of three words, an address, a tag and a value, from the one at index `first` on: value + `bias` goes
    /// to the address. Stops at the first record whose tag is not `tag`, a power of two below 256, or whose address is not inside the
    /// region. Returns its index, or the number of records if all were stored.
    ///
    /// The tags of the first `vouched` records are known by other means. Only their lowest bytes are read, and a byte of 0 passes.
    @_lifetime(self: copy self)
    public mutating func storeSums(
        of records: borrowing ByteView, from first: Int, tagged tag: UInt64, plus bias: UInt64, vouched: Int = 0
    ) -> Int {
        let end = records.span.byteCount / RecordWriter.size &* RecordWriter.size
        guard count >= 8, first >= 0, first < end / RecordWriter.size else { return first }
        let start = address
        let last = count &- 8
        let words = records.span
        // Records are read below `end`; the pointers do not leave the closures.
        return unsafe span.withUnsafeMutableBytes { target in
            unsafe words.withUnsafeBytes { source in
                let records = unsafe source.baseAddress.unsafelyUnwrapped
                let writer = unsafe RecordWriter(
                    tag: tag, bias: bias, last: last, memory: target.baseAddress.unsafelyUnwrapped)
                var record = unsafe records + first &* RecordWriter.size
                // Groups are checked together if their addresses are offsets.
                let vouchedSize = start == 0 ? min(end, max(vouched, 0) &* RecordWriter.size) : 0
                unsafe record = writer.storeVouched(record, records + vouchedSize)
                unsafe record = writer.store(record, records + end, start)
                return unsafe (record - records) / RecordWriter.size
            }
        }
    }

    /// The part of `storeSums` that is the same for all records.
    @safe private struct RecordWriter {
        /// The size of a record, and of a group of 32.
        static var size: Int { 24 }
        static var groupSize: Int { 32 * 24 }
        let tag: UInt64
        let bias: UInt64
        /// The last offset at which a word fits in the region, and its memory.
        let last: UInt64, memory: UnsafeMutableRawPointer

        /// Stores the sums of the records from `first` to `end` in groups, for a region at address 0. Returns the first record that is
        /// left: one that must be checked alone, or any if there are fewer than a group.
        @inline(__always)
        func storeVouched(_ first: UnsafeRawPointer, _ end: UnsafeRawPointer) -> UnsafeRawPointer {
            guard unsafe end - first >= RecordWriter.groupSize else { return unsafe first }
            let lastGroup = unsafe end - RecordWriter.groupSize
            let record = unsafe storeGroups(first, lastGroup)
            // The rest is stored together with some records before it, whose sums are stored a second time.
            guard unsafe record > lastGroup, unsafe record < end else { return unsafe record }
            return unsafe storeGroups(lastGroup, lastGroup)
        }

        /// Stores groups from the one at `first` on, up to the one at `lastGroup` or a little further. Returns the record that comes
        /// next. This is the loader's longest loop.
        private func storeGroups(_ first: UnsafeRawPointer, _ lastGroup: UnsafeRawPointer) -> UnsafeRawPointer {
            var record = unsafe first
            while unsafe record <= lastGroup {
                if unsafe covers(record) {
                    unsafe storeGroup(record)
                    unsafe record += RecordWriter.groupSize
                    continue
                }
                // The addresses lie on both sides of a power of two. A group soon after this one lies on one side.
                let next = unsafe record + 8 * RecordWriter.size
                unsafe record = store(record, next, 0)
                if unsafe record < next { break }
            }
            return unsafe record
        }

        /// Whether a group's addresses are all in bounds, and its tags right as far as this can tell. False for some groups whose
        /// addresses are close to the region's end.
        ///
        /// The word at offset 1 of a record holds its address without the lowest byte, and above it the lowest byte of its tag. All
        /// these words or'ed together are no smaller than any of them, so if the address part is in bounds all addresses are; and
        /// the tag part is the tag, a single bit, only if each is the tag or 0.
        @inline(__always)
        private func covers(_ record: UnsafeRawPointer) -> Bool {
            var word: UInt64 = unsafe fourBits(record) | fourBits(record + 96)
            unsafe word |= fourBits(record + 192) | fourBits(record + 288)
            unsafe word |= fourBits(record + 384) | fourBits(record + 480)
            unsafe word |= fourBits(record + 576) | fourBits(record + 672)
            return word ^ tag << 56 < (last &+ 1) >> 8
        }

        @inline(__always)
        private func fourBits(_ record: UnsafeRawPointer) -> UInt64 {
            unsafe bits(record) | bits(record + 24) | bits(record + 48) | bits(record + 72)
        }

        @inline(__always)
        private func bits(_ record: UnsafeRawPointer) -> UInt64 {
            unsafe record.loadUnaligned(fromByteOffset: 1, as: UInt64.self)
        }

        /// Stores the sums of a group that `covers` has accepted.
        @inline(__always)
        private func storeGroup(_ record: UnsafeRawPointer) {
            unsafe storeEight(record)
            unsafe storeEight(record + 192)
            unsafe storeEight(record + 384)
            unsafe storeEight(record + 576)
        }

        @inline(__always)
        private func storeEight(_ record: UnsafeRawPointer) {
            unsafe storeOne(record)
            unsafe storeOne(record + 24)
            unsafe storeOne(record + 48)
            unsafe storeOne(record + 72)
            unsafe storeOne(record + 96)
            unsafe storeOne(record + 120)
            unsafe storeOne(record + 144)
            unsafe storeOne(record + 168)
        }

        @inline(__always)
        private func storeOne(_ record: UnsafeRawPointer) {
            unsafe store(record, at: record.loadUnaligned(as: UInt64.self))
        }

        @inline(__always)
        private func store(_ record: UnsafeRawPointer, at offset: UInt64) {
            let sum = unsafe record.loadUnaligned(fromByteOffset: 16, as: UInt64.self) &+ bias
            unsafe memory.storeBytes(of: sum, toByteOffset: Int(truncatingIfNeeded: offset), as: UInt64.self)
        }

        /// Stores the sums of the records from `first` to `end`, for a region at `start`, as long as tags are right and addresses in
        /// bounds. Returns the first record that is not stored.
        @inline(__always)
        func store(_ first: UnsafeRawPointer, _ end: UnsafeRawPointer, _ start: UInt64) -> UnsafeRawPointer {
            var record = unsafe first
            while unsafe record < end {
                let offset = unsafe record.loadUnaligned(as: UInt64.self) &- start
                guard unsafe record.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == tag, offset <= last else {
                    break
                }
                unsafe store(record, at: offset)
                unsafe record += RecordWriter.size
            }
            return unsafe record
        }
    }
}
