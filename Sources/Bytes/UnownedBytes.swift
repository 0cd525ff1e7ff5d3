// Memory that no Swift value owns, as checked views: what is mapped, or what the firmware has given.

extension ByteView {
    /// The `count` bytes at `start`. They must stay readable and unchanged while the view is used.
    @unsafe @_lifetime(immortal)
    public init(start: UnsafeRawPointer, count: Int) {
        let span = unsafe RawSpan(_unsafeStart: start, byteCount: count)
        self = ByteView(unsafe _overrideLifetime(span, borrowing: ()))
    }
}

extension ByteRegion {
    /// The `count` bytes at `start`, named by the addresses from `address` on. They must stay writable while the region is used, and
    /// nothing else may use them.
    @unsafe @_lifetime(immortal)
    public init(start: UnsafeMutableRawPointer, count: Int, at address: UInt64) {
        let span = unsafe MutableRawSpan(_unsafeStart: start, byteCount: count)
        self = ByteRegion(unsafe _overrideLifetime(span, borrowing: ()), at: address)
    }
}
