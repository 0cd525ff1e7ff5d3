// The application: a validated ELF image and the entry contract that its notes ask for.

public import Bytes
public import Diagnostics
public import HermitEntry
public import KernelImage
import ELF

/// What the loader is asked to boot.
public struct Application: ~Escapable {
    /// The ELF image.
    public let image: KernelImage
    /// Its notes.
    public let notes: HermitNotes
    /// The entry contract's generation.
    public let generation: Generation

    /// Whether the generation is the user's choice rather than the notes'.
    public let isGenerationForced: Bool
    /// Whether 128-bit integers in BootInfo are aligned to 16 bytes.
    public let alignsWideIntegers: Bool

    /// Validates `file`, and finds out which generation it is of, unless `options` says. Throws, besides what is wrong
    /// with the file, `alignmentOptionMisplaced`.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ options: LoaderOptions = LoaderOptions()) throws(Fault) {
        let image = try KernelImage(file)
        let notes = try HermitNotes(file, image.programHeaders)
        let generation =
            if let forced = options.generation { forced } else {
                try Generation(notes, osABI: image.header.osABI)
            }
        guard !options.alignsWideIntegers || generation == .two || generation == .three else {
            throw Fault(.alignmentOptionMisplaced, value: UInt64(generation.entryVersion))
        }
        self.generation = generation
        isGenerationForced = options.generation != nil
        alignsWideIntegers = options.alignsWideIntegers
        self.image = image
        self.notes = notes
        try validateTLS()
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
        guard let segment = image.tls, segment.memsz > 0 else { return nil }
        let padding = ThreadLocalBlock(segment).padding
        return TLSInfo(
            start: segment.vaddr &- padding &+ bias, filesz: segment.filesz == 0 ? 0 : segment.filesz &+ padding,
            memsz: segment.memsz &+ padding, align: max(segment.align, 1))
    }

    /// Throws `tlsBeforeImage` where `tls` would begin before the image.
    private func validateTLS() throws(Fault) {
        guard let segment = image.tls, segment.filesz > 0 else { return }
        guard segment.vaddr &- ThreadLocalBlock(segment).padding >= image.linkStart else {
            throw Fault(.tlsBeforeImage, value: segment.vaddr, limit: segment.align)
        }
    }

    /// Copies the image into `memory`, whose addresses are link addresses, and relocates it for `placement`. Functions that
    /// choose an implementation are called through `resolve`, by their run-time address, once everything else has been
    /// relocated; where it returns nil, the place stays as it is. Returns what was relocated.
    public func load(
        _ placement: Placement, into memory: inout ByteRegion,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) -> RelocationCounts {
        let relocator = try Relocator(image, bias: placement.bias)
        try image.load(into: &memory)
        let counts = try relocator.apply(to: &memory)
        guard counts.indirect > 0 else { return counts }
        if placement.staging != nil { throw try relocator.firstIndirect(in: memory, .resolverOutOfPlace) }
        try relocator.resolveIndirect(in: &memory, resolve)
        return counts
    }
}
