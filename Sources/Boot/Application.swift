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

    /// Validates `file`, and finds out which generation it is of.
    @_lifetime(copy file)
    public init(_ file: ByteView) throws(Fault) {
        let image = try KernelImage(file)
        let notes = try HermitNotes(file, image.programHeaders)
        generation = try Generation(notes, osABI: image.header.osABI)
        self.image = image
        self.notes = notes
    }

    /// Whether the kernel accepts 1 GiB pages in the identity mapping: v0.11 does not.
    public var acceptsGigabytePages: Bool {
        guard generation == .fourIdentity, let version = notes.kernelVersion else { return false }
        return version.major > 0 || version.minor >= 12
    }

    /// The thread-local storage template, once the image has been loaded with `bias`; nil without PT_TLS.
    public func tls(bias: UInt64) -> TLSInfo? {
        image.tls.map {
            TLSInfo(start: $0.vaddr &+ bias, filesz: $0.filesz, memsz: $0.memsz, align: max($0.align, 1))
        }
    }

    /// Copies the image into `memory`, whose addresses are link addresses, and relocates it for `placement`. Returns what
    /// was relocated.
    public func load(_ placement: Placement, into memory: inout ByteRegion) throws(Fault) -> RelocationCounts {
        let relocator = try Relocator(image, bias: placement.bias)
        try image.load(into: &memory)
        return try relocator.apply(to: &memory)
    }
}
