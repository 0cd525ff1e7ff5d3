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
        _ = try read(platform.facts.applicationString, memory, behindName: true)
        guard platform.bootProtocol == .pvh else { return }
        let line = platform.commandLine
        platform.commandLine = AddressRange(try read(line, memory, behindName: false), line.end)
    }

    /// Reads the options in `line`: with a file's name as its first word all that come behind that, else those that come before
    /// any other word. Returns where what follows the last one begins.
    private mutating func read(
        _ line: AddressRange, _ memory: PhysicalMemory, behindName: Bool
    ) throws(Fault) -> UInt64 {
        guard !line.isEmpty else { return line.start }
        var words = Words(try memory.view(line.start, size: memory.range.end &- line.start), size: line.size)
        var isName = behindName
        var behindOptions = line.start
        while let word = words.next() {
            if isName {
                isName = false
            } else if let option = word.after("loader.") {
                try apply(option, nameOffset: line.start &- memory.origin &+ words.start)
                words.skipSpaces()
                behindOptions = line.start &+ words.end
            } else if !behindName {
                break
            }
        }
        return behindOptions
    }

    /// Applies the option that is called `loader.` and `option`; its name is at `nameOffset`.
    private mutating func apply(_ option: ByteView, nameOffset: UInt64) throws(Fault) {
        if option.isSame(as: "align16") {
            alignsWideIntegers = true
        } else if option.isSame(as: "protect") {
            protectsPages = true
        } else if option.isSame(as: "no-protect") {
            protectsPages = false
        } else if option.isSame(as: "quiet") {
            verbosity = .quiet
        } else if option.isSame(as: "verbose") {
            verbosity = .verbose
        } else if option.isSame(as: "kaslr") {
            placesAtRandom = true
        } else if let digits = option.after("base=") {
            guard let base = UInt64(digits: digits) else { throw Fault(.baseMalformed, nameOffset: nameOffset) }
            self.base = base
        } else if let digits = option.after("sha256=") {
            guard let digest = FileDigest(hexadecimal: digits) else {
                throw Fault(.digestMalformed, nameOffset: nameOffset)
            }
            self.digest = digest
        } else if let name = option.after("generation="), let generation = Generation(option: name) {
            self.generation = generation
        } else {
            throw Fault(.unknownLoaderOption, nameOffset: nameOffset)
        }
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

    /// What follows `prefix`; nil where the bytes begin otherwise.
    @_lifetime(copy self)
    fileprivate func after(_ prefix: StaticString) -> ByteView? {
        let size = prefix.utf8CodeUnitCount
        guard span.byteCount >= size, ByteView(span.extracting(first: size)).isSame(as: prefix) else { return nil }
        return ByteView(span.extracting(droppingFirst: size))
    }
}

extension Generation {
    /// The generation that `loader.generation=` calls `name`; nil where it is none.
    fileprivate init?(option name: borrowing ByteView) {
        if name.isSame(as: "4-recursive") {
            self = .fourRecursive
        } else if name.isSame(as: "4-identity") {
            self = .fourIdentity
        } else {
            guard name.count == 1, let digit = name.byte(at: 0), digit &- UInt8(ascii: "0") < 4 else { return nil }
            self.init(rawValue: digit &- UInt8(ascii: "0"))
        }
    }
}

/// The words of a line, separated by spaces.
private struct Words: ~Escapable {
    /// What begins with the line: to look for spaces by words of memory there should be something behind it.
    private let bytes: ByteView
    private let size: UInt64
    /// Where the word that was read last begins, and where what has not been read yet does.
    private(set) var start: UInt64 = 0, end: UInt64 = 0

    @_lifetime(copy bytes)
    init(_ bytes: ByteView, size: UInt64) {
        self.bytes = bytes
        self.size = size
    }

    mutating func skipSpaces() {
        while end < size, bytes.byte(at: end) == UInt8(ascii: " ") { end &+= 1 }
    }

    /// The next word, nil at the end.
    @_lifetime(copy self)
    mutating func next() -> ByteView? {
        skipSpaces()
        start = end
        guard start < size else { return nil }
        end &+= bytes.distance(to: UInt8(ascii: " "), from: start, limit: size &- start) ?? size &- start
        return bytes.part(at: start, size: end &- start)
    }
}
