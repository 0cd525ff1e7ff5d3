// The application's file, linked or ET_REL, and lookups by address in its image.

import Architecture
public import Bytes
public import Diagnostics
public import Linking
import ELF

/// An application's file: a linked one, or an object file, which the loader links as it loads it.
///
/// Both members exist, and one is filled. It is large, so it is filled in place and passed by reference.
public struct ApplicationFile: ~Escapable {
    /// The linked file; of an object file it has only the header.
    public private(set) var linked: LinkedImage
    /// The object file; empty for a linked one.
    public private(set) var object: ObjectImage

    /// Whether it is an object file.
    public var isObject: Bool { linked.header.type == .relocatable }
    /// The file.
    public var file: ByteView {
        @_lifetime(copy self) get { linked.file }
    }

    /// Validates `file`; a linked one must be able to have `role`.
    @_lifetime(copy file)
    public init(_ file: ByteView, as role: LinkedImage.Role = .application) throws(Fault) {
        object = ObjectImage(unread: file)
        linked = LinkedImage(unread: file, try FileHeader(file))
        if isObject {
            try object.read(linked.header)
        } else {
            try linked.read(as: role)
        }
    }

    /// Copies the image, which needs no other file, into `memory`, and relocates it: see `Application.load`.
    public func load(
        bias: UInt64, isStaged: Bool = false, into memory: inout ByteRegion,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) -> RelocationCounts {
        if isObject {
            try object.load(into: &memory)
            let counts = try object.relocate(in: &memory, bias: bias)
            guard counts.indirect > 0 else { return counts }
            guard !isStaged else { throw Fault(.resolverOutOfPlace) }
            object.resolveIndirect(in: &memory, bias: bias, resolve)
            return counts
        }
        let relocator = try Relocator(linked, bias: bias)
        try linked.load(into: &memory)
        let counts = try relocator.apply(to: &memory)
        guard counts.indirect > 0 else { return counts }
        try relocator.resolveIndirect(in: &memory, mayResolve: !isStaged, resolve)
        return counts
    }

    /// The segment, or else the section, that holds link address `address`; nil between them.
    public func part(at address: UInt64) -> UInt64? {
        if isObject { return object.section(at: address).map { UInt64($0.index) } }
        return linked.programHeaders.segment(at: address).map { UInt64(truncatingIfNeeded: $0) }
    }

    /// Whether link address `address` is in code.
    public func isCode(_ address: UInt64) -> Bool {
        if isObject { return object.isCode(address) }
        guard let part = linked.programHeaders.segment(at: address) else { return false }
        return linked.programHeaders[part].isExecutable
    }

    /// The function or object that begins nearest below link address `address`.
    public func locate(_ address: UInt64) -> LinkedImage.Location? {
        isObject ? object.locate(address) : linked.locate(address)
    }
}
