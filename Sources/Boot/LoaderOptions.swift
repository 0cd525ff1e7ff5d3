// Options for the loader itself: words that begin with `loader.`, kept apart from the application's.

public import BootProtocols
public import Diagnostics
public import HermitEntry
import AddressSpace
import Bytes

/// How much the loader says.
public enum Verbosity: UInt8, Sendable {
    /// Errors only.
    case quiet
    /// What was found, where it went.
    case normal
    /// Besides: the memory map, what is reserved in it, segments, relocation tables and every placement.
    case verbose
}

/// What the user asks of the loader. Of options that exclude each other the last one counts.
///
/// Under Multiboot the options are words of the module's own string, behind the file name:
/// `-initrd "app loader.generation=2 loader.align16"`. Other words there are the application's, and the command line of
/// `-append` is never looked at.
///
/// PVH under QEMU has no string for the module. There the options are the first words of the command line:
/// `-append "loader.generation=2 -- arguments"`. The kernel's command line begins behind them, since it would take the
/// first of them for its path.
public struct LoaderOptions: Equatable, Sendable {
    /// `loader.generation=0`, `1`, `2`, `3`, `4-recursive` or `4-identity`: the entry contract, whatever the notes say.
    public var generation: Generation?
    /// `loader.align16`: BootInfo of generations 2 and 3 as compilers lay it out that align 128-bit integers to 16 bytes
    /// (rustc from 1.77 on). The notes can't tell.
    public var alignsWideIntegers = false
    /// `loader.protect` or `loader.no-protect`: whether pages get the permissions of their segments; nil where the
    /// generation decides.
    public var protectsPages: Bool?
    /// `loader.sha256=` and 64 hexadecimal digits: the digest that the application's file must have; nil where any will do.
    public var digest: FileDigest?
    /// `loader.base=` and a number, hexadecimal behind `0x`: where a position-independent image begins; nil where the
    /// loader chooses.
    public var base: UInt64?
    /// `loader.kaslr`: a position-independent image begins at a random place, unless `base` says where.
    public var placesAtRandom = false
    /// `loader.quiet` or `loader.verbose`: how much to say.
    public var verbosity = Verbosity.normal

    /// No options.
    public init() {}

    /// Reads the options on `platform`, and takes those of the command line off it. Throws `unknownLoaderOption`,
    /// `digestMalformed` and `baseMalformed`, whose name is an offset in `memory`.
    public init(_ platform: inout Platform, _ memory: PhysicalMemory) throws(Fault) {
        if platform.moduleCount > 0 {
            var words = Words(rest: platform.facts.module(0).commandLine)
            // The file's name.
            _ = words.next(memory)
            while let word = words.next(memory) {
                if try isOption(word, memory) { try apply(word, memory) }
            }
        }
        guard platform.bootProtocol == .pvh else { return }
        var words = Words(rest: platform.commandLine)
        while let word = words.next(memory), try isOption(word, memory) {
            try apply(word, memory)
            words.skipSpaces(memory)
            platform.commandLine = words.rest
        }
    }

    private func isOption(_ word: AddressRange, _ memory: PhysicalMemory) throws(Fault) -> Bool {
        let name = "loader." as StaticString
        let size = UInt64(name.utf8CodeUnitCount)
        guard word.size >= size else { return false }
        return try memory.view(word.start, size: size).isSame(as: name)
    }

    private mutating func apply(_ word: AddressRange, _ memory: PhysicalMemory) throws(Fault) {
        let text = try memory.view(word.start, size: word.size)
        if text.isSame(as: "loader.align16") {
            alignsWideIntegers = true
        } else if text.isSame(as: "loader.protect") {
            protectsPages = true
        } else if text.isSame(as: "loader.no-protect") {
            protectsPages = false
        } else if text.isSame(as: "loader.quiet") {
            verbosity = .quiet
        } else if text.isSame(as: "loader.verbose") {
            verbosity = .verbose
        } else if text.isSame(as: "loader.kaslr") {
            placesAtRandom = true
        } else if let digits = try LoaderOptions.value(of: "loader.base=", in: text) {
            guard let base = UInt64(digits: digits) else {
                throw Fault(.baseMalformed, nameOffset: word.start &- memory.origin)
            }
            self.base = base
        } else if let digits = try LoaderOptions.value(of: "loader.sha256=", in: text) {
            guard let digest = FileDigest(hexadecimal: digits) else {
                throw Fault(.digestMalformed, nameOffset: word.start &- memory.origin)
            }
            self.digest = digest
        } else if let generation = Generation(optionIn: text) {
            self.generation = generation
        } else {
            throw Fault(.unknownLoaderOption, nameOffset: word.start &- memory.origin)
        }
    }

    /// What follows `name` in `option`; nil where `option` is another.
    @_lifetime(copy option)
    private static func value(of name: StaticString, in option: ByteView) throws(Fault) -> ByteView? {
        let size = UInt64(name.utf8CodeUnitCount)
        guard option.count >= size,
            try option.slice(at: 0, size: size, else: .unknownLoaderOption, .none).isSame(as: name)
        else { return nil }
        return try option.slice(at: size, size: option.count &- size, else: .unknownLoaderOption, .none)
    }
}

extension UInt64 {
    /// The number that `text` writes in hexadecimal behind `0x`, else in decimal; nil where it is none, or needs more than
    /// 64 bits.
    init?(digits text: borrowing ByteView) {
        let isHexadecimal =
            text.byte(at: 0) == UInt8(ascii: "0") && text.byte(at: 1).map { $0 | 0x20 } == UInt8(ascii: "x")
        let radix: UInt64 = isHexadecimal ? 16 : 10
        var index: UInt64 = isHexadecimal ? 2 : 0
        guard index < text.count else { return nil }
        self = 0
        while let byte = text.byte(at: index) {
            // Letters in either case.
            let letter = (byte | 0x20) &- UInt8(ascii: "a")
            let digit = byte &- UInt8(ascii: "0") < 10 ? byte &- UInt8(ascii: "0") : letter < 6 ? letter &+ 10 : 0xff
            let (product, overflow) = multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard digit < radix, !overflow, !carry else { return nil }
            self = sum
            index &+= 1
        }
    }
}

extension ByteView {
    fileprivate func isSame(as literal: StaticString) -> Bool { isSame(as: ByteView(literal)) }
}

extension Generation {
    /// The generation that `loader.generation=` names; nil where `option` is not that.
    fileprivate init?(optionIn option: borrowing ByteView) {
        if option.isSame(as: "loader.generation=0") {
            self = .zero
        } else if option.isSame(as: "loader.generation=1") {
            self = .one
        } else if option.isSame(as: "loader.generation=2") {
            self = .two
        } else if option.isSame(as: "loader.generation=3") {
            self = .three
        } else if option.isSame(as: "loader.generation=4-recursive") {
            self = .fourRecursive
        } else if option.isSame(as: "loader.generation=4-identity") {
            self = .fourIdentity
        } else {
            return nil
        }
    }
}

/// The words of a line, separated by spaces.
private struct Words {
    /// What has not been read yet.
    var rest: AddressRange

    mutating func skipSpaces(_ memory: PhysicalMemory) {
        while !rest.isEmpty, memory.byte(rest.start) == UInt8(ascii: " ") {
            rest = AddressRange(rest.start &+ 1, rest.end)
        }
    }

    /// The next word, nil at the end.
    mutating func next(_ memory: PhysicalMemory) -> AddressRange? {
        skipSpaces(memory)
        let start = rest.start
        while !rest.isEmpty, memory.byte(rest.start) != UInt8(ascii: " ") {
            rest = AddressRange(rest.start &+ 1, rest.end)
        }
        return start == rest.start ? nil : AddressRange(start, rest.start)
    }
}
