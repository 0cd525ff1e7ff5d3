// Deflated data (RFC 1951): stored blocks, and blocks with fixed and with dynamic codes.

import Bytes
import Diagnostics

/// The output of unpacked bytes: a region; after that is full, bytes are only counted.
struct UnpackedOutput: ~Copyable, ~Escapable {
    /// The region.
    var region: ByteRegion
    /// The number of bytes that it can hold.
    let limit: Int
    /// The number of bytes unpacked so far.
    var count = 0
    /// The number of bytes unpacked before the current member, whose data refer to nothing before it.
    var start = 0

    /// Output into `region`.
    @_lifetime(copy region)
    init(_ region: consuming ByteRegion) {
        limit = Int(truncatingIfNeeded: region.count)
        self.region = region
    }

    /// Whether more has been unpacked than fits.
    var isFull: Bool { count > limit }
}

/// The tables of a block's codes.
struct Inflater: ~Copyable {
    private var literals = InlineArray<2048, UInt32>(repeating: 0)
    private var distances = InlineArray<512, UInt32>(repeating: 0)

    /// No tables yet.
    init() {}

    /// Unpacks blocks from `reader` up to the last one.
    ///
    /// Throws `gzipTruncated`, `deflateBlockUnknown`, `deflateStoredLength`, `deflateCodeLengths`, `deflateSymbolUnknown` and
    /// `deflateDistance`, at the offset of the byte where the fault is found.
    @_lifetime(output: copy output)
    @_lifetime(reader: copy reader)
    mutating func inflate(_ reader: inout BitReader, to output: inout UnpackedOutput) throws(Fault) {
        var isLast = false
        while !isLast {
            isLast = try reader.take(1) == 1
            switch try reader.take(2) {
            case 0: try copyStored(&reader, to: &output)
            case 1:
                try fillFixed(at: reader.offset)
                try decode(&reader, to: &output)
            case 2:
                try readCodes(&reader)
                try decode(&reader, to: &output)
            default: throw Fault(.deflateBlockUnknown, .offset(reader.offset))
            }
        }
    }

    /// Copies a stored block (section 3.2.4).
    @_lifetime(output: copy output)
    @_lifetime(reader: copy reader)
    private func copyStored(_ reader: inout BitReader, to output: inout UnpackedOutput) throws(Fault) {
        reader.align()
        let start = reader.offset
        guard let lengths = reader.input.word32(at: start) else { throw reader.truncated }
        let size = lengths & 0xffff
        guard size ^ 0xffff == lengths >> 16 else {
            throw Fault(.deflateStoredLength, .offset(start), value: UInt64(size), limit: UInt64(lengths >> 16))
        }
        guard reader.input.contains(start &+ 4, UInt64(size)) else { throw reader.truncated }
        // The size has 16 bits.
        let (count, bytes) = (Int(truncatingIfNeeded: size), reader.input.part(at: start &+ 4, size: UInt64(size)))
        if count <= output.limit &- output.count {
            output.region.copy(bytes, to: output.region.address &+ UInt64(truncatingIfNeeded: output.count))
        }
        output.count &+= count
        reader.skip(4 &+ UInt64(size))
    }

    /// Fills the tables for fixed codes (section 3.2.6).
    private mutating func fillFixed(at offset: UInt64) throws(Fault) {
        var lengths = InlineArray<320, UInt8>(repeating: 8)
        var sizes = lengths.mutableSpan
        for index in 144..<320 {
            sizes[index] = index < 256 ? 9 : index < 280 ? 7 : index < 288 ? 8 : 5
        }
        try fill(sizes.span, literalCount: 288, distanceCount: 32, at: offset)
    }

    private mutating func fill(
        _ lengths: Span<UInt8>, literalCount: Int, distanceCount: Int, at offset: UInt64
    ) throws(Fault) {
        var table = literals.mutableSpan
        var isSound = HuffmanAlphabet.literals.fill(&table, lengths.extracting(0..<literalCount))
        if isSound {
            var table = distances.mutableSpan
            isSound = HuffmanAlphabet.distances.fill(
                &table, lengths.extracting(literalCount..<literalCount &+ distanceCount))
        }
        guard isSound else { throw Fault(.deflateCodeLengths, .offset(offset)) }
    }

    /// Fills the tables for the dynamic codes of a block (section 3.2.7).
    @_lifetime(reader: copy reader)
    private mutating func readCodes(_ reader: inout BitReader) throws(Fault) {
        let start = reader.offset
        let literalCount = try reader.take(5) &+ 257
        let distanceCount = try reader.take(5) &+ 1
        let lengthCount = try reader.take(4) &+ 4
        guard literalCount <= 286, distanceCount <= 30 else { throw Fault(.deflateCodeLengths, .offset(start)) }
        var lengths = InlineArray<320, UInt8>(repeating: 0)
        var sizes = lengths.mutableSpan
        // In this order: 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15.
        let order: InlineArray<19, UInt8> = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        for index in 0..<lengthCount {
            sizes[Int(order.span[index])] = UInt8(truncatingIfNeeded: try reader.take(3))
        }
        var codes = InlineArray<128, UInt32>(repeating: 0)
        var table = codes.mutableSpan
        guard HuffmanAlphabet.lengths.fill(&table, sizes.span.extracting(0..<19)) else {
            throw Fault(.deflateCodeLengths, .offset(start))
        }
        for index in 0..<19 { sizes[index] = 0 }
        let count = literalCount &+ distanceCount
        var index = 0
        while index < count {
            reader.refill()
            let entry = HuffmanEntry(table[Int(truncatingIfNeeded: reader.bits & 0x7f)])
            guard entry.length <= reader.count else { throw reader.truncated }
            // The code is complete, so every entry is one.
            reader.drop(entry.length)
            var repeated = 1
            var length = UInt8(truncatingIfNeeded: entry.value)
            if length == 16 {
                guard index > 0 else { throw Fault(.deflateCodeLengths, .offset(start)) }
                length = sizes[index &- 1]
                repeated = try reader.take(2) &+ 3
            } else if length > 16 {
                repeated = length == 17 ? try reader.take(3) &+ 3 : try reader.take(7) &+ 11
                length = 0
            }
            guard repeated <= count &- index else { throw Fault(.deflateCodeLengths, .offset(start)) }
            for place in index..<index &+ repeated { sizes[place] = length }
            index &+= repeated
        }
        // A block must have a code for its end.
        guard sizes[256] != 0 else { throw Fault(.deflateCodeLengths, .offset(start)) }
        try fill(sizes.span, literalCount: literalCount, distanceCount: distanceCount, at: start)
    }

    /// Unpacks a block's data, up to its end (section 3.2.3), by the tables that have been filled. It changes no table, but is
    /// `mutating`: see `ChecksumTables.extend`.
    @_lifetime(output: copy output)
    @_lifetime(source: copy source)
    private mutating func decode(_ source: inout BitReader, to output: inout UnpackedOutput) throws(Fault) {
        try Inflater.decode(
            &source, to: &output, literals.mutableSpan.asSpan(), distances.mutableSpan.asSpan())
    }

    @_lifetime(output: copy output)
    @_lifetime(source: copy source)
    private static func decode(
        _ source: inout BitReader, to output: inout UnpackedOutput, _ literals: Span<UInt32>, _ distances: Span<UInt32>
    ) throws(Fault) {
        // With these sizes no index has to be checked.
        guard literals.count == 2048, distances.count == 512 else { return }
        // A local copy is kept in registers.
        var reader = source
        var count = output.count
        while true {
            reader.refill()
            var entry = Inflater.entry(literals, 0x3ff, reader.bits)
            if reader.count >= 56, count &+ 2 < output.limit {
                // Two codes of 15 bits leave enough bits for a third.
                if entry.isLiteral {
                    reader.drop(entry.length)
                    _ = output.region.store(UInt8(truncatingIfNeeded: entry.value), atOffset: count)
                    count &+= 1
                    entry = Inflater.entry(literals, 0x3ff, reader.bits)
                    if entry.isLiteral {
                        reader.drop(entry.length)
                        _ = output.region.store(UInt8(truncatingIfNeeded: entry.value), atOffset: count)
                        count &+= 1
                        entry = Inflater.entry(literals, 0x3ff, reader.bits)
                    }
                }
            }
            if entry.isTable {
                // The bits of the first table are dropped here, the rest of the code below.
                guard reader.count >= entry.length else { throw reader.truncated }
                reader.drop(entry.length)
                entry = Inflater.further(entry, literals, reader.bits)
            }
            guard reader.count >= entry.length else { throw reader.truncated }
            reader.drop(entry.length)
            if entry.isLiteral {
                _ = output.region.store(UInt8(truncatingIfNeeded: entry.value), atOffset: count)
                count &+= 1
                continue
            }
            if entry.isSpecial {
                guard !entry.isUnknown else { throw Fault(.deflateSymbolUnknown, .offset(reader.offset)) }
                output.count = count
                source = reader
                return
            }
            let length = Int(truncatingIfNeeded: entry.value) &+ (try Inflater.extra(entry, &reader))
            if reader.count < 28 { reader.refill() }
            entry = Inflater.entry(distances, 0xff, reader.bits)
            if entry.isTable {
                guard reader.count >= entry.length else { throw reader.truncated }
                reader.drop(entry.length)
                entry = Inflater.further(entry, distances, reader.bits)
            }
            guard reader.count >= entry.length else { throw reader.truncated }
            reader.drop(entry.length)
            guard !entry.isSpecial else { throw Fault(.deflateSymbolUnknown, .offset(reader.offset)) }
            let distance = Int(truncatingIfNeeded: entry.value) &+ (try Inflater.extra(entry, &reader))
            guard distance <= count &- output.start else {
                throw Fault(
                    .deflateDistance, .offset(reader.offset), value: UInt64(truncatingIfNeeded: distance),
                    limit: UInt64(truncatingIfNeeded: count &- output.start))
            }
            // Bytes that do not fit are only counted.
            _ = output.region.repeatEarlier(at: count, distance: distance, count: length)
            count &+= length
        }
    }

    /// The entry for the next bits, those in `mask`, in the first table of `table`.
    @inline(__always)
    private static func entry(_ table: Span<UInt32>, _ mask: UInt64, _ bits: UInt64) -> HuffmanEntry {
        HuffmanEntry(table[Int(truncatingIfNeeded: bits & mask)])
    }

    /// The entry for the next bits in the further table that `entry` leads to.
    @inline(__always)
    private static func further(
        _ entry: HuffmanEntry, _ table: Span<UInt32>, _ bits: UInt64
    ) -> HuffmanEntry {
        HuffmanEntry(table[Int(entry.value) &+ Int(truncatingIfNeeded: bits & (1 &<< entry.extra &- 1))])
    }

    /// The value of the extra bits that follow `entry`.
    @inline(__always)
    @_lifetime(reader: copy reader)
    private static func extra(_ entry: HuffmanEntry, _ reader: inout BitReader) throws(Fault) -> Int {
        guard reader.count >= entry.extra else { throw reader.truncated }
        let value = reader.bits & (1 &<< entry.extra &- 1)
        reader.drop(entry.extra)
        return Int(truncatingIfNeeded: value)
    }
}
