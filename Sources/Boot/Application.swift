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
        if let wanted = options.digest {
            let digest = FileDigest(of: file)
            guard digest == wanted else { throw Fault(.digestDiffers, value: digest.leading, limit: wanted.leading) }
        }
        fileSize = file.count
        isGenerationForced = options.generation != nil
        alignsWideIntegers = options.alignsWideIntegers
        if ObjectImage.isObjectFile(file) {
            let header = try FileHeader(file)
            let image = try ObjectImage(file, header)
            notes = try HermitNotes(image.sections)
            generation = try Application.generation(notes, header, options)
            protectsPages = options.protectsPages ?? generation.toleratesProtection
            (linkStart, size, alignment, linkEnd) = (0, image.size, image.alignment, image.size)
            entry = image.entry
            isFixed = false
            contents = .object(image)
            return
        }
        let image = try KernelImage(file)
        notes = try HermitNotes(file, image.programHeaders)
        generation = try Application.generation(notes, image.header, options)
        protectsPages = options.protectsPages ?? generation.toleratesProtection
        (linkStart, size, alignment, linkEnd) = (image.linkStart, image.size, image.alignment, image.linkEnd)
        entry = image.header.entry
        isFixed = image.isFixed
        try Application.validateTLS(image)
        contents = .linked(image)
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
    private static func validateTLS(_ image: borrowing KernelImage) throws(Fault) {
        guard let segment = image.tls, segment.filesz > 0 else { return }
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
