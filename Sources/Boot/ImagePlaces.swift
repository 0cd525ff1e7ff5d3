// What lies at an address of the image, whatever kind of file it was.

public import Bytes
public import Diagnostics
public import KernelImage
import ELF

extension Application.Contents {
    /// `file`, whose notes nobody asks for.
    @_lifetime(copy file)
    public init(_ file: ByteView) throws(Fault) {
        if ObjectImage.isObjectFile(file) {
            self = .object(try ObjectImage(file, try FileHeader(file)))
        } else {
            self = .linked(try KernelImage(file))
        }
    }

    /// The file.
    public var file: ByteView {
        @_lifetime(copy self) get {
            switch self {
            case .linked(let image): image.file
            case .object(let image): image.file
            }
        }
    }

    /// The segment, or else the section, that holds link address `address`; nil between them.
    public func part(at address: UInt64) -> (isSection: Bool, index: UInt64)? {
        switch self {
        case .linked(let image): image.programHeaders.segment(at: address).map { (false, UInt64($0)) }
        case .object(let image): image.section(at: address).map { (true, UInt64($0.index)) }
        }
    }

    /// Whether link address `address` is in code.
    public func isCode(_ address: UInt64) -> Bool {
        switch self {
        case .linked(let image):
            guard let index = image.programHeaders.segment(at: address) else { return false }
            return image.programHeaders[index].flags & 1 != 0
        case .object(let image):
            guard let section = image.section(at: address) else { return false }
            return image.sections[section.index].flags & SectionHeader.Flags.execute != 0
        }
    }

    /// The function or object that begins nearest below link address `address`.
    public func locate(_ address: UInt64) -> KernelImage.Location? {
        switch self {
        case .linked(let image): image.locate(address)
        case .object(let image): image.locate(address)
        }
    }
}
