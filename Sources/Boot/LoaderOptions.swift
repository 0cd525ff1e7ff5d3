// Options for the loader itself: words that begin with `loader.`, kept apart from the application's.

public import Firmware
public import Diagnostics
public import HermitEntry
import Memory
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
/// `-append` is never looked at. Behind another module's file name `loader.sha256=` is about that file, and any other option an
/// error.
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
    /// `loader.base=` and a number, hexadecimal behind `0x`: where a position-independent image begins; nil where the
    /// loader chooses.
    public var base: UInt64?
    /// `loader.kaslr`: a position-independent image begins at a random place, unless `base` says where.
    public var placesAtRandom = false
    /// `loader.quiet` or `loader.verbose`: how much to say.
    public var verbosity = Verbosity.normal

    /// No options.
    public init() {}

    /// Reads the options on `platform`, and takes those of the command line off it. `loader.sha256=` and 64 hexadecimal digits, the
    /// digest that a file must have, it compares at once: nothing has been read of any file yet.
    ///
    /// Throws `unknownLoaderOption`, `optionMisplaced`, `digestMalformed` and `baseMalformed`, whose name is an offset in `memory`,
    /// and `digestDiffers`, of the file.
    public mutating func read(_ platform: inout Platform, _ memory: PhysicalMemory) throws(Fault) {
        var index = 0
        while index < platform.moduleCount {
            let module = platform.facts.module(index)
            _ = try read(module.commandLine, isNamed: true, memory, of: index, module.range)
            index &+= 1
        }
        guard platform.bootProtocol == .pvh, index > 0 else { return }
        let line = platform.commandLine
        let rest = try read(line, isNamed: false, memory, of: 0, platform.facts.module(0).range)
        platform.commandLine = AddressRange(rest, line.end)
    }

    /// Reads the options in `line`, about the module at `index`, which is `file`: where it `isNamed`, by the first word, all that
    /// come behind that, else those that come before any other word. Returns where what follows the last of these begins.
    @inline(never)
    private mutating func read(
        _ line: AddressRange, isNamed: Bool, _ memory: PhysicalMemory, of index: Int, _ file: AddressRange
    ) throws(Fault) -> UInt64 {
        guard !line.isEmpty else { return line.start }
        var words = Words(try memory.view(line.start, size: memory.range.end &- line.start), size: line.size)
        if isNamed { _ = words.next() }
        var rest = line.start
        while var word = words.next() {
            if word.take("loader.") {
                let nameOffset = line.start &- memory.origin &+ words.start
                try apply(word, nameOffset: nameOffset, memory, of: index, file)
                rest = line.end
            } else if !isNamed {
                if rest == line.end { rest = line.start &+ words.start }
                break
            }
        }
        return rest
    }

    /// What options are called behind `loader.`; those whose name ends with `=` have a value.
    private static var names: Text { "align16 protect no-protect quiet verbose kaslr base= sha256= generation=" }
    /// The values of `loader.generation=`, in the order of the cases.
    private static var generations: Text { "0 1 2 3 4-recursive 4-identity" }

    /// Applies the option that is called `loader.` and `option`, about the module at `index`, which is `file`; its name is at
    /// `nameOffset`.
    @inline(never)
    private mutating func apply(
        _ option: ByteView, nameOffset: UInt64, _ memory: PhysicalMemory, of index: Int, _ file: AddressRange
    ) throws(Fault) {
        var value = option
        let number = value.takeWord(of: LoaderOptions.names)
        guard index == 0 || number == 7 else { throw Fault(.optionMisplaced, nameOffset: nameOffset) }
        switch number {
        case 0: alignsWideIntegers = true
        case 1: protectsPages = true
        case 2: protectsPages = false
        case 3: verbosity = .quiet
        case 4: verbosity = .verbose
        case 5: placesAtRandom = true
        case 6:
            guard let base = UInt64(digits: value) else { throw Fault(.baseMalformed, nameOffset: nameOffset) }
            self.base = base
        case 7:
            guard let digest = FileDigest(hexadecimal: value) else {
                throw Fault(.digestMalformed, nameOffset: nameOffset)
            }
            try digest.verify(try memory.view(file.start, size: file.size), index)
        case 8:
            generation = Generation(rawValue: value.takeWord(of: LoaderOptions.generations))
            if generation == nil { fallthrough }
        default: throw Fault(.unknownLoaderOption, nameOffset: nameOffset)
        }
    }
}

extension UInt64 {
    /// The number that `text` writes in hexadecimal behind `0x`, else in decimal; nil where it is none, or needs more than
    /// 64 bits.
    init?(digits text: ByteView) {
        var digits = text
        let isHexadecimal = digits.take("0x") || digits.take("0X")
        let radix: UInt64 = isHexadecimal ? 16 : 10
        guard digits.count > 0 else { return nil }
        self = 0
        var index: UInt64 = 0
        while index < digits.count {
            let digit = UInt64(digits.digit(at: index))
            let (product, overflow) = multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            guard digit < radix, !overflow, !carry else { return nil }
            self = sum
            index &+= 1
        }
    }
}

extension ByteView {
    /// The value of the hexadecimal digit at `index`, in either case; 0xff where there is none.
    @inline(never)
    func digit(at index: UInt64) -> UInt8 {
        guard let byte = byte(at: index) else { return 0xff }
        let letter = (byte | 0x20) &- UInt8(ascii: "a")
        let digit = byte &- UInt8(ascii: "0")
        return digit < 10 ? digit : letter < 6 ? letter &+ 10 : 0xff
    }

    /// Takes `prefix` off the bytes; false, and nothing taken, where they begin otherwise.
    @inline(never)
    fileprivate mutating func take(_ prefix: Text) -> Bool {
        var index = 0
        while index < prefix.count {
            guard byte(at: UInt64(truncatingIfNeeded: index)) == prefix[index] else { return false }
            index &+= 1
        }
        self = ByteView(span.extracting(droppingFirst: prefix.count))
        return true
    }

    /// Which of the words in `table` the bytes are, or, where the word ends with `=`, begin with, counted from 0; 0xff if none.
    /// What follows the word is left.
    @inline(never)
    fileprivate mutating func takeWord(of table: Text) -> UInt8 {
        var number: UInt8 = 0
        while true {
            let word = table.word(Int(number))
            if word.count == 0 { return 0xff }
            let hasValue = word[word.count &- 1] == UInt8(ascii: "=")
            if hasValue || span.byteCount == word.count, take(word) { return number }
            number &+= 1
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

    /// The next word, nil at the end.
    @inline(never)
    @_lifetime(copy self)
    mutating func next() -> ByteView? {
        while end < size, bytes.byte(at: end) == UInt8(ascii: " ") { end &+= 1 }
        start = end
        guard start < size else { return nil }
        end &+= bytes.distance(to: UInt8(ascii: " "), from: start, limit: size &- start) ?? size &- start
        return bytes.part(at: start, size: end &- start)
    }
}
