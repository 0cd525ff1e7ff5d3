// The bytes of a file, mapped into memory if that is possible: the only unsafe code on the way in.

import Boot
import Bytes
import Glibc
import Synchronization

/// A file's bytes, read only. They are mapped, so only the pages that are used are read; standard input and files that cannot be mapped,
/// such as pipes, are read to their end. Nothing changes after that, so threads can share it.
@safe final class InputFile: @unchecked Sendable {
    private let start: UnsafeMutableRawPointer?
    private let count: Int
    /// The descriptor of the mapped file, -1 if the bytes are a copy.
    private let descriptor: Int32
    /// The Hermit image whose kernel this is; nil if it is a file itself.
    let image: ImageFile?

    /// A file of `bytes`, which are copied: the kernel of `image`.
    init(copying bytes: RawSpan, image: ImageFile? = nil) {
        count = bytes.byteCount
        descriptor = -1
        self.image = image
        unsafe start = malloc(max(count, 1))
        // The buffer holds `count` bytes, which are only read.
        if let start = unsafe start, count > 0 {
            unsafe bytes.withUnsafeBytes {
                unsafe start.copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: count)
            }
        }
    }

    /// A file of `count` bytes, zeros until `region` is filled; nil if there is no memory for it.
    init?(room count: Int) {
        guard let start = unsafe calloc(max(count, 1), 1) else { return nil }
        unsafe self.start = start
        self.count = count
        descriptor = -1
        image = nil
    }

    /// The bytes of a file made by `init(room:)`, to be filled before they are read.
    var region: ByteRegion {
        @_lifetime(borrow self) get {
            // There are `count` bytes at `start`.
            unsafe ByteRegion(start: start.unsafelyUnwrapped, count: count, at: 0)
        }
    }

    /// The first `count` bytes, copied.
    func prefix(_ count: Int) -> InputFile { InputFile(copying: bytes.extracting(first: count)) }

    /// Opens `path`; `-` is standard input. Throws `Failure.reading`.
    init(_ path: String) throws(Failure) {
        if path == "-", InputFile.isInputTaken.exchange(true, ordering: .relaxed) {
            throw Failure("standard input can be read only once: give - for one file")
        }
        image = nil
        let descriptor = path == "-" ? 0 : unsafe open(path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, unsafe fstat(descriptor, &status) == 0 else {
            throw .reading(path, errno)
        }
        FilesInUse.insert(status)
        if status.st_mode & S_IFMT == S_IFREG, descriptor != 0, status.st_size > 0 {
            InputFile.watch
            // A new mapping of its own, unmapped by deinit only.
            let start = unsafe mmap(nil, status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
            if unsafe start != MAP_FAILED {
                unsafe self.start = start
                count = status.st_size
                self.descriptor = descriptor
                return
            }
        }
        defer { if descriptor != 0 { close(descriptor) } }
        self.descriptor = -1
        do throws(ReadError) {
            (unsafe start, count) = try unsafe InputFile.readAll(descriptor)
        } catch {
            throw .reading(path, error.number)
        }
    }

    deinit {
        if descriptor >= 0 {
            unsafe munmap(start, count)
            close(descriptor)
        } else {
            unsafe free(start)
        }
    }

    /// Whether standard input has been read, or is being read.
    private static let isInputTaken = Atomic<Bool>(false)

    /// Whether `path` is a pipe, a device or a socket: reading consumes it, and may block forever.
    static func isReadOnce(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    }

    /// The bytes, as long as this object lives.
    var bytes: RawSpan {
        @_lifetime(borrow self) get {
            guard let start = unsafe start else { return ByteView("").span }
            // There are `count` bytes at `start`, which are not written.
            return unsafe ByteView(start: start, count: count).span
        }
    }

    /// Gives back the memory of the pages that were used so far; a second use finds them in the system's cache.
    func release() {
        // The mapping is private and never written: nothing is lost.
        if descriptor >= 0 { unsafe madvise(start, count, MADV_DONTNEED) }
    }

    /// The offset in the file of `view`; nil if these are not its bytes.
    func offset(of view: borrowing ByteView) -> UInt64? {
        bytes.byteOffsets(of: view.span).map { UInt64($0.lowerBound) }
    }

    /// Maps `size` bytes of the file from `offset` on, both whole pages, over the pages at `address`, which the caller owns and gives up;
    /// false if the file is not mapped or the system refuses.
    func map(_ offset: UInt64, size: UInt64, over address: UnsafeMutableRawPointer) -> Bool {
        guard descriptor >= 0, let size = Int(exactly: size), let offset = Int(exactly: offset) else { return false }
        // The caller's pages, by its promise.
        return unsafe mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, descriptor, offset)
            != MAP_FAILED
    }

    /// Ends the program with one line if a mapped file becomes shorter while it is used, as when a build rewrites it: its missing pages
    /// cannot be read.
    private static let watch: Void = {
        signal(SIGBUS) { _ in
            // Only functions that signal handlers may call; a literal's bytes are valid for ever.
            let text: StaticString = "Error: a file became shorter while it was read, or its disk failed\n"
            _ = unsafe write(2, text.utf8Start, text.utf8CodeUnitCount)
            _exit(Failure.unreadable)
        }
    }()

    /// The error that ended reading: errno.
    private struct ReadError: Error {
        var number = errno
    }

    /// The most bytes that are read, because a pipe may have no end; the loader boots from 4 GiB of memory.
    private static let limit = Int(BootSequence.memoryEnd)

    private static func readAll(_ descriptor: Int32) throws(ReadError) -> (UnsafeMutableRawPointer?, Int) {
        var start = unsafe nil as UnsafeMutableRawPointer?
        var (count, capacity) = (0, 0)
        while true {
            if count == capacity {
                if capacity == limit {
                    unsafe free(start)
                    throw ReadError(number: EFBIG)
                }
                capacity = max(1 << 16, capacity * 2)
                // Grows malloc's block, and keeps its bytes.
                guard let grown = unsafe realloc(start, capacity) else {
                    let error = ReadError()
                    unsafe free(start)
                    throw error
                }
                unsafe start = grown
            }
            // In bounds: `count` is below `capacity`.
            let size = unsafe read(descriptor, start.unsafelyUnwrapped + count, capacity - count)
            if size == 0 { return (unsafe start, count) }
            if size < 0 {
                if errno == EINTR { continue }
                let error = ReadError()
                unsafe free(start)
                throw error
            }
            count += size
        }
    }
}
