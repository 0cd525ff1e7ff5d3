// Bytes next to memory without access: a read past their ends stops the test.

import Bytes
import Glibc

/// A page of bytes between two pages without access.
final class GuardedBytes {
    private static let page = 0x1000
    private let base: UnsafeMutableRawPointer

    /// All zeros.
    init() {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let base = mmap(nil, 3 * Self.page, PROT_NONE, flags, -1, 0), base != MAP_FAILED,
            mprotect(base + Self.page, Self.page, PROT_READ | PROT_WRITE) == 0
        else { fatalError("no three pages") }
        self.base = base
    }

    deinit { munmap(base, 3 * Self.page) }

    /// A view of `bytes`, at the end of the page or at its beginning; this object must outlive it, and its next view replaces it.
    @_lifetime(immortal)
    func view(of bytes: [UInt8], atEnd: Bool = true) -> ByteView {
        precondition(bytes.count <= Self.page)
        let start = base + Self.page + (atEnd ? Self.page - bytes.count : 0)
        bytes.withUnsafeBytes { source in
            if let first = source.baseAddress { start.copyMemory(from: first, byteCount: bytes.count) }
        }
        let span = RawSpan(_unsafeStart: UnsafeRawPointer(start), byteCount: bytes.count)
        return ByteView(_overrideLifetime(span, borrowing: ()))
    }
}
