// Options for the loader itself: words that begin with `loader.`, kept apart from the application's.

public import Firmware
public import Diagnostics
public import HermitEntry
import Memory
import Bytes

/// How much the loader prints.
public enum Verbosity: UInt8, Sendable {
    /// Errors only.
    case quiet
    /// The file, the machine, the places of everything.
    case normal
    /// Also the memory map, reservations, segments, relocation tables and every placement.
    case verbose
}

/// The user's options for the loader. If two options contradict each other, the last one counts.
///
/// Under Multiboot the options are words of the module's own string, after the file's name if there is one:
/// `-initrd "app loader.generation=2 loader.align16"`. QEMU, iPXE and SYSLINUX put the name first, GRUB leaves it out: so the first word
/// is an option if `isOption`, otherwise the name. Other words there are the application's. In another module's string
/// `loader.sha256=` is about that file, and any other option is an error.
///
/// PVH under QEMU has no string for the module, nor has an initrd by Linux's protocol. There the options are the first words of the
/// command line: `-append "loader.generation=2 -- arguments"`. The kernel's command line begins after them, because the kernel takes
/// its first word for a path. `BOOT_IMAGE=` and `initrd=`, which Linux's boot loaders put first, may stand before them.
///
/// An option elsewhere on the command line would have no effect, and is an error. In every line, all words after `--` are the
/// application's.
public struct LoaderOptions: Equatable, Sendable {
    /// `loader.generation=0`, `1`, `2`, `3`, `4-recursive` or `4-identity`: the entry contract, whatever the notes say.
    public var generation: Generation?
    /// `loader.align16` or `loader.no-align16`: whether BootInfo of generations 2 and 3 has 128-bit integers aligned to 16 bytes, the
    /// layout of rustc from 1.77 on; nil if the compiler that the file names decides. The notes do not say.
    public var alignsWideIntegers: Bool?
    /// `loader.protect` or `loader.no-protect`: whether pages get the permissions of their segments; nil if the
    /// generation decides.
    public var protectsPages: Bool?
    /// `loader.base=` and a number, hexadecimal after `0x`: the first address of a position-independent image; nil if the loader chooses.
    public var base: UInt64?
    /// `loader.kaslr`: a position-independent image begins at a random place, unless `base` gives one.
    public var placesAtRandom = false
    /// `loader.quiet` or `loader.verbose`: how much to say.
    public var verbosity = Verbosity.normal

    /// No options.
    public init() {}

    /// Reads the options on `platform`, and removes those on the command line from it. `loader.sha256=` and 64 hexadecimal digits, the
    /// digest that a file must have, are compared at once, before any file is read.
    ///
    /// Throws `unknownLoaderOption`, `optionMisplaced`, `optionForKernel`, `optionAfterOthers`, `digestMalformed` and
    /// `baseMalformed`, whose name is an offset in `memory`, and `digestDiffers`, of the file.
    public mutating func read(_ platform: inout Platform, _ memory: PhysicalMemory) throws(Fault) {
        for index in 0..<platform.moduleCount { try read(platform.module(index), at: index, memory) }
        guard platform.moduleCount > 0, !platform.commandLine.isEmpty else { return }
        switch platform.bootProtocol {
        case .multiboot, .multiboot2:
            try LoaderOptions.refuseOptions(on: platform.commandLine, memory, .optionForKernel)
        case .pvh, .uefi, .linux:
            let application = platform.module(0).range
            platform.commandLine = try readFirst(
                on: platform.commandLine, memory, about: application, isLinux: platform.bootProtocol == .linux)
            guard !platform.commandLine.isEmpty else { return }
            try LoaderOptions.refuseOptions(on: platform.commandLine, memory, .optionAfterOthers)
        }
    }

    /// Reads the options in the string of `module`, which is the one at `index`.
    private mutating func read(_ module: Module, at index: Int, _ memory: PhysicalMemory) throws(Fault) {
        guard !module.commandLine.isEmpty else { return }
        var words = try Words(module.commandLine, memory)
        var isFirst = true
        while var word = words.next(), !word.isSeparator {
            let isName = isFirst && !LoaderOptions.isOption(word)
            isFirst = false
            guard !isName, word.take("loader.") else { continue }
            try apply(word, nameOffset: words.nameOffset, memory, of: index, module.range)
        }
    }

    /// Reads the options at the beginning of `line`, which are about the application, `file`; returns the rest. Boot loaders for Linux put
    /// words of their own before them.
    private mutating func readFirst(
        on line: AddressRange, _ memory: PhysicalMemory, about file: AddressRange, isLinux: Bool
    ) throws(Fault) -> AddressRange {
        var words = try Words(line, memory)
        var rest = line
        while var word = words.next() {
            guard word.take("loader.") else {
                if isLinux, rest == line, word.take("BOOT_IMAGE=") || word.take("initrd=") { continue }
                return rest == line ? line : AddressRange(line.start &+ words.start, line.end)
            }
            try apply(word, nameOffset: words.nameOffset, memory, of: 0, file)
            rest = AddressRange(line.end, line.end)
        }
        return rest
    }

    /// Throws `rule` if there is an option among the kernel's words on `line`.
    private static func refuseOptions(
        on line: AddressRange, _ memory: PhysicalMemory, _ rule: Rule
    ) throws(Fault) {
        var words = try Words(line, memory)
        while let word = words.next() {
            let isSeparator = word.isSeparator
            guard isSeparator || isOption(word), !words.beginsInQuotes() else { continue }
            guard isSeparator else { throw Fault(rule, nameOffset: words.nameOffset) }
            return
        }
    }

    /// Whether the string of `module` begins with the file's name: the boot loader may have left it out.
    static func isNamed(_ module: Module, _ memory: PhysicalMemory) throws(Fault) -> Bool {
        guard !module.commandLine.isEmpty else { return false }
        var words = try Words(module.commandLine, memory)
        guard let first = words.next() else { return false }
        return !isOption(first) && !first.isSeparator
    }

    /// Whether `word`, which may also be the name of a file or the kernel, is an option: it has an option's name, or a value after
    /// `loader.`, which no file's name has. So an option with a typing error is not taken for a name, and `loader.elf` is one.
    @inline(never)  // Three callers: 270 bytes less.
    private static func isOption(_ word: ByteView) -> Bool {
        var option = word
        guard option.take("loader.") else { return false }
        if let size = option.distance(to: UInt8(ascii: "="), from: 0) {
            return option.distance(to: UInt8(ascii: "/"), from: 0, limit: size) == nil
        }
        return Option(named: option) != nil
    }

    /// The options, named without `loader.`.
    private enum Option: UInt8 {
        case align16, noAlign16, protect, noProtect, quiet, verbose, kaslr, base, sha256, generation

        /// The name.
        private var name: Text {
            switch self {
            case .align16: "align16"
            case .noAlign16: "no-align16"
            case .protect: "protect"
            case .noProtect: "no-protect"
            case .quiet: "quiet"
            case .verbose: "verbose"
            case .kaslr: "kaslr"
            case .base: "base"
            case .sha256: "sha256"
            case .generation: "generation"
            }
        }

        /// The option with this name.
        init?(named name: ByteView) {
            var number: UInt8 = 0
            while let option = Option(rawValue: number) {
                if name.isSame(as: option.name) {
                    self = option
                    return
                }
                number &+= 1
            }
            return nil
        }

        /// Whether `=` and a value follow the name.
        var hasValue: Bool { self == .base || self == .sha256 || self == .generation }
    }

    /// Applies the option with the name `loader.` and `option`, about the module at `index`, which is `file`; its name is at `nameOffset`.
    @inline(never)
    private mutating func apply(
        _ option: ByteView, nameOffset: UInt64, _ memory: PhysicalMemory, of index: Int, _ file: AddressRange
    ) throws(Fault) {
        let equals = option.distance(to: UInt8(ascii: "="), from: 0)
        let name = option.part(at: 0, size: equals ?? option.count)
        let valueSize = equals.map { option.count &- $0 &- 1 } ?? 0
        let value = option.part(at: option.count &- valueSize, size: valueSize)
        let known = Option(named: name)
        guard index == 0 || known == .sha256 else { throw Fault(.optionMisplaced, nameOffset: nameOffset) }
        guard let known, known.hasValue == (equals != nil) else {
            throw Fault(.unknownLoaderOption, nameOffset: nameOffset)
        }
        switch known {
        case .align16: alignsWideIntegers = true
        case .noAlign16: alignsWideIntegers = false
        case .protect: protectsPages = true
        case .noProtect: protectsPages = false
        case .quiet: verbosity = .quiet
        case .verbose: verbosity = .verbose
        case .kaslr: placesAtRandom = true
        case .base:
            guard let base = UInt64(digits: value) else { throw Fault(.baseMalformed, nameOffset: nameOffset) }
            self.base = base
        case .sha256:
            guard let digest = FileDigest(hexadecimal: value) else {
                throw Fault(.digestMalformed, nameOffset: nameOffset)
            }
            try digest.verify(try memory.view(file.start, size: file.size), index)
        case .generation:
            guard let generation = Generation(option: value) else {
                throw Fault(.unknownLoaderOption, nameOffset: nameOffset)
            }
            self.generation = generation
        }
    }
}

extension UInt64 {
    /// The number in `text`, hexadecimal after `0x`, otherwise decimal; nil for anything else, and for more than 64 bits.
    init?(digits text: ByteView) {
        var digits = text
        let isHexadecimal = digits.take("0x") || digits.take("0X")
        let radix: UInt64 = isHexadecimal ? 16 : 10
        guard digits.count > 0 else { return nil }
        self = 0
        for index in 0..<digits.count {
            let digit = UInt64(digits.digit(at: index))
            let (product, overflow) = multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            guard digit < radix, !overflow, !carry else { return nil }
            self = sum
        }
    }
}

extension ByteView {
    /// The value of the hexadecimal digit at `index`, in either case; 0xff if there is none.
    func digit(at index: UInt64) -> UInt8 {
        guard let byte = byte(at: index) else { return 0xff }
        let letter = (byte | 0x20) &- UInt8(ascii: "a")
        let digit = byte &- UInt8(ascii: "0")
        return digit < 10 ? digit : letter < 6 ? letter &+ 10 : 0xff
    }

    /// Whether the word is `--`.
    fileprivate var isSeparator: Bool {
        count == 2 && byte(at: 0) == UInt8(ascii: "-") && byte(at: 1) == UInt8(ascii: "-")
    }

    /// Removes `prefix` from the bytes; false, and nothing removed, if they begin otherwise.
    fileprivate mutating func take(_ prefix: Text) -> Bool {
        guard holds(prefix) else { return false }
        self = ByteView(span.extracting(droppingFirst: prefix.count))
        return true
    }

}

extension HermitEntry.Generation {
    /// The generation that `loader.generation=` calls `value`.
    fileprivate init?(option value: ByteView) {
        if value.isSame(as: "0") {
            self = .zero
        } else if value.isSame(as: "1") {
            self = .one
        } else if value.isSame(as: "2") {
            self = .two
        } else if value.isSame(as: "3") {
            self = .three
        } else if value.isSame(as: "4-recursive") {
            self = .fourRecursive
        } else if value.isSame(as: "4-identity") {
            self = .fourIdentity
        } else {
            return nil
        }
    }
}

/// The words of a line, separated by spaces. Quotes do not join words here: no option needs them, and a file's name before the options may
/// have an apostrophe. `ImageCommandLine` splits the kernel's words as a shell does.
private struct Words: ~Escapable {
    /// All bytes from the line's first on: spaces are looked for eight bytes at a time, so there should be some after the line.
    private let bytes: ByteView
    private let size: UInt64
    /// The offset of the line in memory.
    private let offset: UInt64
    /// The offsets of the last word read and of the unread rest.
    private(set) var start: UInt64 = 0, end: UInt64 = 0
    /// The offset up to which quotes were parsed, and the open quote there; 0 if none.
    private var quotesEnd: UInt64 = 0, quote: UInt8 = 0

    /// The words of `line`, which is not empty.
    @_lifetime(copy memory)
    init(_ line: AddressRange, _ memory: PhysicalMemory) throws(Fault) {
        bytes = try memory.view(line.start, size: memory.range.end &- line.start)
        size = line.size
        offset = line.start &- memory.origin
    }

    /// The offset in memory of the last word read.
    var nameOffset: UInt64 { offset &+ start }

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

    /// Whether the last word read begins inside quotes: kernels split their line as a shell does, so it is a part of another. A quote that
    /// is not closed, as in a path with an apostrophe, does not count.
    mutating func beginsInQuotes() -> Bool {
        while quotesEnd < start, let byte = bytes.byte(at: quotesEnd) {
            quotesEnd &+= 1
            switch byte {
            case UInt8(ascii: "\\") where quote != UInt8(ascii: "'"): quotesEnd &+= 1
            case quote: quote = 0
            case UInt8(ascii: "'"), UInt8(ascii: "\""):
                guard quote == 0, bytes.distance(to: byte, from: quotesEnd, limit: size &- quotesEnd) != nil else {
                    continue
                }
                quote = byte
            default: break
            }
        }
        return quote != 0
    }
}
