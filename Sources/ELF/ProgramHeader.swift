// Program headers (gABI, chapter "Program Header").

public import Bytes
public import Diagnostics

/// A program header, Elf64_Phdr, as it stands in the file.
public struct ProgramHeader: Equatable, Sendable {
    /// The size of Elf64_Phdr in a file.
    public static var size: UInt64 { 56 }

    /// p_type values.
    public enum Kind {
        /// PT_LOAD: bytes to load.
        public static var load: UInt32 { 1 }
        /// PT_DYNAMIC: the dynamic section.
        public static var dynamic: UInt32 { 2 }
        /// PT_INTERP: the path of a program interpreter.
        public static var interpreter: UInt32 { 3 }
        /// PT_NOTE: notes.
        public static var note: UInt32 { 4 }
        /// PT_PHDR: the program headers themselves.
        public static var programHeaders: UInt32 { 6 }
        /// PT_TLS: the template of thread-local storage.
        public static var tls: UInt32 { 7 }
        /// PT_GNU_EH_FRAME: the table by which functions are unwound.
        public static var unwinding: UInt32 { 0x6474_e550 }
        /// PT_GNU_STACK: its flags say whether the stack is executable.
        public static var stack: UInt32 { 0x6474_e551 }
        /// PT_GNU_RELRO: read-only after relocation.
        public static var relro: UInt32 { 0x6474_e552 }
        /// PT_GNU_PROPERTY: program properties.
        public static var property: UInt32 { 0x6474_e553 }
    }

    /// p_flags bits.
    public enum Flags {
        /// PF_X: executable.
        public static var execute: UInt32 { 1 }
        /// PF_W: writable.
        public static var write: UInt32 { 2 }
        /// PF_R: readable.
        public static var read: UInt32 { 4 }
    }

    /// p_type.
    public var type: UInt32
    /// p_flags: see `Flags`.
    public var flags: UInt32
    /// p_offset: file offset.
    public var offset: UInt64
    /// p_vaddr: link address.
    public var vaddr: UInt64
    /// p_paddr.
    public var paddr: UInt64
    /// p_filesz: bytes in the file.
    public var filesz: UInt64
    /// p_memsz: bytes in memory.
    public var memsz: UInt64
    /// p_align: 0 and 1 mean none.
    public var align: UInt64

    /// A header with these fields, as read by a view of other forms of files.
    public init(
        type: UInt32, flags: UInt32, offset: UInt64, vaddr: UInt64, paddr: UInt64, filesz: UInt64, memsz: UInt64,
        align: UInt64
    ) {
        self.type = type
        self.flags = flags
        self.offset = offset
        self.vaddr = vaddr
        self.paddr = paddr
        self.filesz = filesz
        self.memsz = memsz
        self.align = align
    }

    /// Reads the fields of a record of `size` bytes.
    @inlinable @inline(__always)
    public init(_ record: borrowing Record) {
        type = record.u32(0)
        flags = record.u32(4)
        offset = record.u64(8)
        vaddr = record.u64(16)
        paddr = record.u64(24)
        filesz = record.u64(32)
        memsz = record.u64(40)
        align = record.u64(48)
    }

    /// PF_X: its bytes can be executed.
    @inlinable public var isExecutable: Bool { flags & Flags.execute != 0 }
    /// PF_W: it can be written.
    @inlinable public var isWritable: Bool { flags & Flags.write != 0 }

    /// The file offset of its bytes: p_offset, but 0 if it has none (p_filesz is 0), because p_offset may then point anywhere.
    /// Files with only debugging information have such segments past their end.
    @inlinable public var fileStart: UInt64 { filesz == 0 ? 0 : offset }

    /// Its bytes in `file`, none if p_filesz is 0; faults name it by `index`. Throws `segmentBeyondFile`.
    @_lifetime(copy file)
    public func contents(_ file: ByteView, index: UInt64) throws(Fault) -> ByteView {
        try file.slice(at: fileStart, size: filesz, else: .segmentBeyondFile, .programHeader(index))
    }

    /// Checks that its bytes are in the file and fit in its range of memory, and that its alignment is 0 or a power of two.
    ///
    /// Throws `segmentBeyondFile`, `segmentFileSizeExceedsMemory`, `segmentAddressOverflow` or `segmentAlignment`.
    public func validate(index: UInt64, fileCount: UInt64) throws(Fault) {
        let location = FaultLocation.programHeader(index)
        let (end, overflow) = fileStart.addingReportingOverflow(filesz)
        guard !overflow, end <= fileCount else {
            throw Fault(.segmentBeyondFile, location, value: overflow ? .max : end, limit: fileCount)
        }
        guard filesz <= memsz else { throw Fault(.segmentFileSizeExceedsMemory, location, value: filesz, limit: memsz) }
        guard !vaddr.addingReportingOverflow(memsz).overflow else {
            throw Fault(.segmentAddressOverflow, location, value: vaddr, limit: memsz)
        }
        guard align & (align &- 1) == 0 || align == 0 else { throw Fault(.segmentAlignment, location, value: align) }
    }
}

/// The program headers of a file whose `FileHeader` has been validated.
public struct ProgramHeaders: ~Escapable {
    @usableFromInline let files: ByteView
    @usableFromInline let start: Int
    /// The number of headers.
    public let count: Int

    /// The table that `header` describes in `file`.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ header: FileHeader) throws(Fault) {
        count = Int(truncatingIfNeeded: header.programHeaderCount)
        let offset = count == 0 ? 0 : header.programHeaderOffset
        start = Int(truncatingIfNeeded: offset)
        files = file
        let size = header.programHeaderCount &* ProgramHeader.size
        _ = try file.record(at: offset, size: size, else: .programHeadersBeyondFile, .header)
    }

    /// The `count` headers at `start` of `files`; the caller has checked that they are there.
    @_lifetime(copy files)
    public init(_ files: ByteView, at start: UInt64, count: Int) {
        self.files = files
        self.start = Int(truncatingIfNeeded: start)
        self.count = count
    }

    /// The index of the PT_LOAD segment whose memory holds link address `address`; nil if none does.
    public func segment(at address: UInt64) -> Int? {
        for index in 0..<count {
            let segment = self[index]
            if segment.type == ProgramHeader.Kind.load, address &- segment.vaddr < segment.memsz { return index }
        }
        return nil
    }

    /// The type (p_type) of the header at `index`, below `count`.
    public func type(_ index: Int) -> UInt32 { record(index).u32(0) }

    /// The header at `index`, below `count`; only the fields that are used are read.
    @inlinable @inline(__always)
    public subscript(index: Int) -> ProgramHeader { ProgramHeader(record(index)) }

    @inlinable @inline(__always)
    @_lifetime(copy self)
    func record(_ index: Int) -> Record {
        files.entry(at: start &+ index &* Int(ProgramHeader.size), size: Int(ProgramHeader.size))
    }
}
