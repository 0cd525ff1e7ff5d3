// A linked ELF file to load: it is validated once, then queried.

import Architecture
public import Bytes
public import Diagnostics
public import ELF

/// A linked ELF file (ET_EXEC or ET_DYN) whose headers and segments have been checked.
///
/// It is large, so it is filled in place, and not copied.
public struct LinkedImage: ~Escapable {
    /// The file.
    public let file: ByteView
    /// Its header.
    public let header: FileHeader
    /// Its properties, as offsets in `file`.
    public private(set) var properties = LinkedFile()

    /// Its program headers.
    public var programHeaders: ProgramHeaders {
        @_lifetime(copy self) get { properties.segments(file) }
    }
    /// The link address at which the image in memory begins: that of the first PT_LOAD segment, for a position-independent
    /// image rounded down to 2 MiB, so that its load address is a multiple of 2 MiB.
    public var linkStart: UInt64 { properties.linkStart }
    /// The end of the last PT_LOAD segment, as a link address.
    public var linkEnd: UInt64 { properties.linkEnd }
    /// The largest p_align of a PT_LOAD segment, and of PT_TLS; at least 1.
    public var alignment: UInt64 { properties.alignment }
    /// The code that its relocations need after it; nil if they need none.
    public var descriptorThunks: DescriptorThunks? { properties.descriptorThunks }
    /// Whether it has DT_NEEDED: it needs other files.
    public var needsLibraries: Bool { properties.hasTables && properties.needsLibraries }
    /// The number of bytes of memory that the image needs, including `descriptorThunks`.
    public var size: UInt64 { properties.memorySize }
    /// Whether it must lie at the address that it was linked at.
    public var isFixed: Bool { header.type == .executable }

    /// The role that a file plays.
    public enum Role: Sendable {
        /// The application: it has an entry point, and needs no program interpreter.
        case application
        /// A shared object that others use.
        case library
    }

    /// Validates `file`: its header, every segment, and that it can have `role`.
    @_lifetime(copy file)
    public init(_ file: ByteView, as role: Role = .application) throws(Fault) {
        self.init(unread: file, try FileHeader(file))
        try read(as: role)
    }

    /// The image of `file`. Only its header has been read; `read` does the rest.
    @_lifetime(copy file)
    public init(unread file: ByteView, _ header: FileHeader) {
        self.file = file
        self.header = header
    }

    /// Validates every segment, and that the file can have `role`.
    @_lifetime(self: copy self)
    public mutating func read(as role: Role = .application) throws(Fault) {
        // This comes first: such a file breaks other rules as well, whose sentences would not give the cause.
        if role == .application { try requireProgram() }
        try properties.read(header, as: role, FileRange(start: 0, size: file.count), file)
    }

    /// Throws `debuggingInformationOnly` if the section of the entry point has no bytes. `objcopy --only-keep-debug` and `eu-strip -f`
    /// write such files, and their program headers may be the program's. A file without sound section headers still boots.
    private func requireProgram() throws(Fault) {
        guard header.sectionHeaderOffset != 0, let sections = try? SectionTable(file, header),
            let index = sections.section(at: header.entry), sections[index].type == SectionHeader.Kind.nobits
        else { return }
        throw Fault(.debuggingInformationOnly, .sectionHeader(UInt64(index)), value: header.entry)
    }

    /// Throws `needsLibrary` if the image needs other files.
    public func requireNoLibrary() throws(Fault) { try properties.requireNoLibrary(file) }

    /// Copies every segment into `memory`, whose first byte is for link address `linkStart`, and clears the bytes that the file does not
    /// have. Throws `imageTooLarge` if `memory` has no room for `size` bytes.
    public func load<Memory: ImageMemory & ~Copyable & ~Escapable>(into memory: inout Memory) throws(Fault) {
        try properties.load(file, into: &memory)
    }
}
