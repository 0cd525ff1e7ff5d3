// The application: a validated ELF image and the entry contract that its notes ask for.

public import Bytes
public import Diagnostics
public import HermitEntry
public import KernelImage
import ELF

/// What the loader is asked to boot.
public struct Application: ~Escapable {
    /// The kinds of file that boot.
    public enum Contents: ~Escapable {
        /// A linked file.
        case linked(KernelImage)
        /// An object file, which the loader links as it loads it.
        case object(ObjectImage)
    }

    /// The ELF file.
    public let contents: Contents
    /// Its notes.
    public let notes: HermitNotes
    /// The entry contract's generation.
    public let generation: Generation
    /// Whether the generation is the user's choice rather than the notes'.
    public let isGenerationForced: Bool
    /// Whether pages get the permissions of their segments.
    public let protectsPages: Bool
    /// Whether 128-bit integers in BootInfo are aligned to 16 bytes.
    public let alignsWideIntegers: Bool
    /// The size of the file.
    public let fileSize: UInt64
    /// The first link address, the number of bytes of memory that the image needs, and the alignment that it needs.
    public let linkStart: UInt64, size: UInt64, alignment: UInt64
    /// The link address behind all that the program itself knows of.
    public let linkEnd: UInt64
    /// The link address of the entry point.
    public let entry: UInt64
    /// Whether the image must lie where it was linked.
    public let isFixed: Bool

    /// The shared objects that it needs; none where it is alone.
    public let link: LinkMap
    /// The bytes in which `link` counts.
    let files: ByteView

    /// Whether the application is an object file.
    public var isObject: Bool {
        switch contents {
        case .linked: false
        case .object: true
        }
    }
    /// The linked file; nil where the application is an object file.
    public var image: KernelImage? {
        @_lifetime(copy self) get {
            switch contents {
            case .linked(let image): image
            case .object: nil
            }
        }
    }

    /// Validates `file`, and finds out which generation it is of, unless `options` says. Throws, besides what is wrong
    /// with the file, `alignmentOptionMisplaced`, and `digestDiffers` where the file is not the one that was asked for: then
    /// nothing else of it is looked at.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ options: LoaderOptions = LoaderOptions()) throws(Fault) {
        var files = NamedFiles(file)
        files.append(NamedFile(start: 0, size: file.count))
        try self.init(files, options, objects: MutableSpan())
    }

    /// The same of the first of `files`; the others may be the shared objects that it needs, for which `objects` has room.
    /// Throws besides `needsLibrary`, `versionMissing`, and what is wrong with the libraries.
    @_lifetime(copy files, copy objects)
    public init(
        _ files: borrowing NamedFiles, _ options: LoaderOptions = LoaderOptions(),
        objects: consuming MutableSpan<LinkedObject>
    ) throws(Fault) {
        let file = try files.bytes.slice(
            at: files[0].start, size: files[0].size, else: .moduleOutsideMemory, .none)
        if let wanted = options.digest {
            let digest = FileDigest(of: file)
            guard digest == wanted else { throw Fault(.digestDiffers, value: digest.leading, limit: wanted.leading) }
        }
        let contents: Contents
        let notes: HermitNotes
        let header: FileHeader
        if ObjectImage.isObjectFile(file) {
            header = try FileHeader(file)
            let image = try ObjectImage(file, header)
            notes = try HermitNotes(image.sections)
            contents = .object(image)
        } else {
            let image = try KernelImage(file)
            header = image.header
            notes = try HermitNotes(file, image.programHeaders)
            contents = .linked(image)
        }
        let generation = try Application.generation(notes, header, options)
        try Application.validateTLS(contents)
        let link = try Application.link(contents, files, objects)

        // Nothing can fail from here on.
        self.files = files.bytes
        self.contents = contents
        self.notes = notes
        self.generation = generation
        isGenerationForced = options.generation != nil
        protectsPages = options.protectsPages ?? generation.toleratesProtection
        alignsWideIntegers = options.alignsWideIntegers
        fileSize = file.count
        switch contents {
        case .linked(let image):
            (linkStart, linkEnd, entry, isFixed) = (
                image.linkStart, image.linkEnd, header.entry, image.isFixed
            )
            size = link.count > 0 ? link.plan.end &- image.linkStart : image.size
            alignment = link.count > 0 ? link.plan.alignment : image.alignment
        case .object(let image):
            (linkStart, linkEnd, entry, isFixed) = (0, image.size, image.entry, false)
            (size, alignment) = (image.size, image.alignment)
        }
        self.link = link
    }

    /// What the application needs of the other files.
    @_lifetime(copy objects)
    @inline(never)
    private static func link(
        _ contents: Contents, _ files: borrowing NamedFiles, _ objects: consuming MutableSpan<LinkedObject>
    ) throws(Fault) -> LinkMap {
        guard case .linked(let image) = contents, image.needsLibraries else { return LinkMap() }
        if objects.isEmpty { try image.requireNoLibrary() }
        return try LinkMap(files, image, in: objects)
    }

    /// The generation that `options` or else `notes` ask for.
    private static func generation(
        _ notes: HermitNotes, _ header: FileHeader, _ options: LoaderOptions
    ) throws(Fault) -> Generation {
        let generation =
            if let forced = options.generation { forced } else { try Generation(notes, osABI: header.osABI) }
        guard !options.alignsWideIntegers || generation == .two || generation == .three else {
            throw Fault(.alignmentOptionMisplaced, value: UInt64(generation.entryVersion))
        }
        return generation
    }

    /// Whether the kernel accepts 1 GiB pages in the identity mapping: v0.11 does not.
    public var acceptsGigabytePages: Bool { readsReservations }

    /// Whether the kernel leaves alone what the device tree reserves: v0.11 does not.
    public var readsReservations: Bool {
        guard generation == .fourIdentity, let version = notes.kernelVersion else { return false }
        return version.major > 0 || version.minor >= 12
    }

    /// The thread-local storage template, once the image has been loaded with `bias`; nil where there is none. It begins
    /// at a multiple of its alignment, as kernels take for granted: see `ThreadLocalBlock`.
    public func tls(bias: UInt64) -> TLSInfo? {
        switch contents {
        case .linked(let image):
            if link.plan.hasMergedTemplate {
                return TLSInfo(
                    start: link.plan.templateStart &+ bias, filesz: link.plan.templateFileSize,
                    memsz: link.plan.templateSize,
                    align: link.plan.templateAlignment)
            }
            guard let segment = image.tls, segment.memsz > 0 else { return nil }
            let padding = ThreadLocalBlock(segment).padding
            return TLSInfo(
                start: segment.vaddr &- padding &+ bias, filesz: segment.filesz == 0 ? 0 : segment.filesz &+ padding,
                memsz: segment.memsz &+ padding, align: max(segment.align, 1))
        case .object(let image):
            guard image.block.size > 0 else { return nil }
            return TLSInfo(
                start: image.template.start &+ bias, filesz: image.template.size, memsz: image.block.size,
                align: image.block.alignment)
        }
    }

    /// Throws `tlsBeforeImage` where `tls` would begin before the image.
    private static func validateTLS(_ contents: Contents) throws(Fault) {
        guard case .linked(let image) = contents, let segment = image.tls, segment.filesz > 0 else { return }
        guard segment.vaddr &- ThreadLocalBlock(segment).padding >= image.linkStart else {
            throw Fault(.tlsBeforeImage, value: segment.vaddr, limit: segment.align)
        }
    }

    /// Copies the image into `memory`, whose addresses are link addresses, and relocates it for `placement`. Functions that
    /// choose an implementation are called through `resolve`, by their run-time address, once everything else has been
    /// relocated; where it returns nil, the place stays as it is. Returns what was relocated. Throws, besides what is wrong
    /// with relocations, `resolverOutOfPlace` where such functions cannot be called.
    public func load(
        _ placement: Placement, into memory: inout ByteRegion,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) -> RelocationCounts {
        if link.count > 0 {
            return try link.load(
                files, bias: placement.bias, into: &memory, mayResolve: placement.staging == nil, resolve)
        }
        switch contents {
        case .linked(let image):
            let relocator = try Relocator(image, bias: placement.bias)
            try image.load(into: &memory)
            let counts = try relocator.apply(to: &memory)
            guard counts.indirect > 0 else { return counts }
            if placement.staging != nil { throw try relocator.firstIndirect(in: memory, .resolverOutOfPlace) }
            try relocator.resolveIndirect(in: &memory, resolve)
            return counts
        case .object(let image):
            try image.load(into: &memory)
            let relocator = ObjectRelocator(image, bias: placement.bias)
            let counts = try relocator.apply(to: &memory)
            guard counts.indirect > 0 else { return counts }
            guard placement.staging == nil else { throw Fault(.resolverOutOfPlace) }
            relocator.resolveIndirect(in: &memory, resolve)
            return counts
        }
    }
}
