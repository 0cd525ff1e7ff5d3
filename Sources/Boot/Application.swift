// The application: a validated ELF image and the entry contract that its notes ask for.

public import Bytes
public import Diagnostics
public import HermitEntry
public import Linking
import ELF

/// The application: its file, its entry contract, and the libraries that it needs.
///
/// It is large, so it is filled in place and passed by reference.
public struct Application: ~Escapable {
    /// Its notes.
    public private(set) var notes = HermitNotes()
    /// The entry contract's generation.
    public private(set) var generation = Generation.zero
    /// Whether the generation is the user's choice rather than the notes'.
    public let isGenerationForced: Bool
    /// Whether pages get the permissions of their segments.
    public private(set) var protectsPages = false
    /// Whether 128-bit integers in BootInfo are aligned to 16 bytes.
    public private(set) var alignsWideIntegers = false
    /// The compiler that decided this; nil if an option decided, or no compiler is known.
    public private(set) var decidingCompiler: RustVersion?
    /// Whether the notes are in sections that no PT_NOTE segment holds.
    private(set) var hasNotesInSectionsOnly = false
    /// The first link address, the number of bytes of memory that the image needs, and the alignment that it needs.
    public private(set) var linkStart: UInt64 = 0, size: UInt64 = 0, alignment: UInt64 = 1
    /// The link address after the program's own last byte; libraries come after it.
    public private(set) var linkEnd: UInt64 = 0
    /// The link address of the entry point.
    public private(set) var entry: UInt64 = 0
    /// The thread-local storage template, at its link address.
    private var template = TLSInfo(start: 0, filesz: 0, memsz: 0, align: 0)

    /// The shared objects that it needs; empty if it needs none.
    public private(set) var link: LinkMap
    /// The bytes in which `link` counts.
    let files: ByteView
    /// The ELF file.
    public private(set) var contents: ApplicationFile

    /// The size of the file.
    public var fileSize: UInt64 { contents.file.count }
    /// Whether the image must lie at its link address.
    public var isFixed: Bool { contents.linked.isFixed }
    /// Whether the application is an object file.
    public var isObject: Bool { contents.isObject }

    /// Validates `file`, and determines its generation, unless `options` gives it. Throws the file's faults, and `entryWithoutBytes`,
    /// `entryInHeader` and `alignmentOptionMisplaced`.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ options: LoaderOptions = LoaderOptions()) throws(Fault) {
        var files = NamedFiles(file)
        files.append(NamedFile(start: 0, size: file.count))
        try self.init(files, options, linkPlan: MutableSpan())
    }

    /// The same for the first of `files`; the others may be the shared objects that it needs. `plans` has one element, which receives the
    /// link plan. Also throws `needsLibrary`, `versionMissing`, and the faults of the libraries.
    @_lifetime(copy files, copy plans)
    public init(
        _ files: borrowing NamedFiles, _ options: LoaderOptions = LoaderOptions(),
        linkPlan plans: consuming MutableSpan<LinkPlan>
    ) throws(Fault) {
        let first = files[0]
        let file = try files.bytes.slice(at: first.start, size: first.size, else: .moduleOutsideMemory, .none)
        contents = try ApplicationFile(file)
        self.files = files.bytes
        link = LinkMap()
        isGenerationForced = options.generation != nil
        if isObject {
            try readObject()
        } else {
            try requireCodeAtEntry()
            if let first = contents.linked.properties.firstNote {
                try notes.read(file, contents.linked.programHeaders, from: first)
            }
            if notes.entryVersion == nil { readNotesOfSections(file) }
        }
        try choose(options)
        guard !isObject else { return }
        try readLinked()
        if contents.linked.needsLibraries { try addLibraries(files, plans) }
    }

    /// Reads the notes of sections if no segment's notes give the entry version: some linker scripts that name their segments drop PT_NOTE,
    /// but not the sections.
    private mutating func readNotesOfSections(_ file: ByteView) {
        var found = HermitNotes()
        guard let sections = try? SectionTable(file, contents.linked.header), (try? found.read(sections)) != nil,
            found.entryVersion != nil
        else { return }
        notes = found
        hasNotesInSectionsOnly = true
    }

    /// Decides whether 128-bit integers in BootInfo are aligned to 16 bytes: by the option, or else by the compiler that the file names.
    /// Only generations 2 and 3 differ.
    private mutating func chooseAlignment(_ option: Bool?) throws(Fault) {
        guard generation == .two || generation == .three else {
            guard option == nil else {
                throw Fault(.alignmentOptionMisplaced, value: UInt64(generation.entryVersion))
            }
            return
        }
        if let option {
            alignsWideIntegers = option
        } else if isObject {
            decidingCompiler = contents.object.sections.rustVersion()
        } else if let sections = try? SectionTable(contents.file, contents.linked.header) {
            decidingCompiler = sections.rustVersion()
        }
        if let decidingCompiler { alignsWideIntegers = decidingCompiler.alignsWideIntegers }
    }

    /// Takes the facts about memory and kernel from the object file.
    private mutating func readObject() throws(Fault) {
        try notes.read(contents.object.sections)
        (size, alignment) = (contents.object.size, contents.object.alignment)
        (linkEnd, entry) = (size, contents.object.entry)
        let (initialised, block) = (contents.object.template, contents.object.block)
        if block.size > 0 {
            template = TLSInfo(
                start: initialised.start, filesz: initialised.size, memsz: block.size, align: block.alignment)
        }
    }

    /// Takes generation, alignment and protection from `options`, or else from the notes.
    private mutating func choose(_ options: LoaderOptions) throws(Fault) {
        if let forced = options.generation {
            generation = forced
        } else {
            generation = try Generation(notes, osABI: contents.linked.header.osABI)
        }
        try chooseAlignment(options.alignsWideIntegers)
        protectsPages = options.protectsPages ?? generation.toleratesProtection
    }

    /// Takes the facts about memory from the linked file. Throws `tlsBeforeImage` if the template would begin before the image.
    private mutating func readLinked() throws(Fault) {
        (linkStart, linkEnd, entry) = (contents.linked.linkStart, contents.linked.linkEnd, contents.linked.header.entry)
        (size, alignment) = (contents.linked.size, contents.linked.alignment)
        guard contents.linked.properties.threadLocalSize > 0 else { return }
        let (start, alignment) = (
            contents.linked.properties.threadLocalStart, contents.linked.properties.threadLocalAlignment
        )
        // Kernels ignore p_vaddr: they put the block at TP - roundup(memsz, align). If p_vaddr is not a multiple of p_align, the template
        // that they get begins at the multiple below, and is longer by the difference: that puts the block where it belongs, see
        // `LinkedFile.threadLocalDistance`.
        let padding = start & (alignment &- 1)
        let fileSize = contents.linked.properties.threadLocalFileSize
        template = TLSInfo(
            start: start &- padding, filesz: fileSize == 0 ? 0 : fileSize &+ padding,
            memsz: contents.linked.properties.threadLocalSize &+ padding, align: alignment)
        guard fileSize == 0 || template.start >= linkStart else {
            throw Fault(.tlsBeforeImage, value: start, limit: alignment)
        }
    }

    /// Finds the other files that the application needs.
    @_lifetime(self: copy self, copy plans)
    private mutating func addLibraries(
        _ files: borrowing NamedFiles, _ plans: consuming MutableSpan<LinkPlan>
    ) throws(Fault) {
        if plans.isEmpty { try contents.linked.requireNoLibrary() }
        link = try LinkMap(files, in: plans)
        size = link.plan.end &- linkStart
        alignment = link.plan.alignment
        if link.plan.hasMergedTemplate {
            template = TLSInfo(
                start: link.plan.templateStart, filesz: link.plan.templateFileSize, memsz: link.plan.templateSize,
                align: link.plan.templateAlignment)
        }
    }

    /// Whether the kernel accepts 1 GiB pages in the identity mapping: v0.11 does not.
    public var acceptsGigabytePages: Bool { readsReservations }

    /// Whether the kernel respects the device tree's reservations: v0.11 does not.
    public var readsReservations: Bool {
        guard generation == .fourIdentity, let version = notes.kernelVersion else { return false }
        return version.major > 0 || version.minor >= 12
    }

    /// The thread-local storage template, once the image has been loaded with `bias`; nil if there is none. It begins at a multiple of its
    /// alignment, as kernels expect.
    public func tls(bias: UInt64) -> TLSInfo? {
        guard template.memsz > 0 else { return nil }
        var info = template
        info.start &+= bias
        return info
    }

    /// Copies the image into `memory`, whose addresses are link addresses, and relocates it for link address + `bias`. Functions that
    /// choose an implementation are called through `resolve`, by their run-time address, once everything else has been relocated; if it
    /// returns nil, the place is unchanged. Returns the numbers of relocations.
    ///
    /// Throws the faults of relocations, and `resolverOutOfPlace` if there is such a function and the image `isStaged`: built in another
    /// place than it will run in.
    public func load(
        bias: UInt64, isStaged: Bool = false, into memory: inout ByteRegion,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) -> RelocationCounts {
        if link.count > 0 {
            return try link.load(files, bias: bias, into: &memory, mayResolve: !isStaged, resolve)
        }
        return try contents.load(bias: bias, isStaged: isStaged, into: &memory, resolve)
    }
}
