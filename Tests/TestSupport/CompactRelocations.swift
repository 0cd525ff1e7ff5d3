// Writes compact relocations (SHT_CREL), as the proposal for the gABI describes them.

/// `relocations` in compact form, in their order; offsets must be multiples of `1 << shift`.
public func compactRelocations(_ relocations: [Relocation], hasAddends: Bool = true, shift: UInt64 = 0) -> [UInt8] {
    var bytes = unsigned(UInt64(relocations.count) << 3 | (hasAddends ? 4 : 0) | shift)
    var before = Relocation(0, at: 0)
    for relocation in relocations {
        let difference = (relocation.offset >> shift) &- (before.offset >> shift)
        let differs = [
            relocation.symbol != before.symbol, relocation.type != before.type,
            hasAddends && relocation.addend != before.addend,
        ]
        let flagCount: UInt64 = hasAddends ? 3 : 2
        var flags: UInt64 = 0
        for index in 0..<Int(flagCount) where differs[index] { flags |= 1 << UInt64(index) }
        let low = difference & (1 << (7 - flagCount) - 1)
        let high = difference >> (7 - flagCount)
        bytes.append(UInt8(low << flagCount | flags | (high > 0 ? 0x80 : 0)))
        if high > 0 { bytes += unsigned(high) }
        if differs[0] { bytes += signed(Int64(Int32(bitPattern: relocation.symbol &- before.symbol))) }
        if differs[1] { bytes += signed(Int64(Int32(bitPattern: relocation.type &- before.type))) }
        if differs[2] { bytes += signed(Int64(bitPattern: relocation.addend &- before.addend)) }
        before = relocation
    }
    return bytes
}

/// `value` in unsigned LEB128 (DWARF 5, 7.6).
public func unsigned(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    repeat {
        bytes.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
        rest >>= 7
    } while rest > 0
    return bytes
}

/// `value` in signed LEB128.
public func signed(_ value: Int64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while true {
        let digit = UInt8(truncatingIfNeeded: rest & 0x7f)
        rest >>= 7
        let isLast = rest == 0 && digit & 0x40 == 0 || rest == -1 && digit & 0x40 != 0
        bytes.append(digit | (isLast ? 0 : 0x80))
        if isLast { return bytes }
    }
}
