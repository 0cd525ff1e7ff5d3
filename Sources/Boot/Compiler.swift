// The compiler that built the kernel, if the file names it: `.comment` is a section of strings that compilers leave and linkers merge.

import Bytes
import Diagnostics
import ELF

/// The release of a Rust compiler, and its consequence for BootInfo.
public struct RustVersion: Equatable, Sendable {
    /// The major and the minor number.
    public var major: UInt64, minor: UInt64

    /// Whether it aligns 128-bit integers to 16 bytes on x86-64, as the psABI requires (since 1.77, with LLVM 18 since 1.78).
    public var alignsWideIntegers: Bool { major > 1 || major == 1 && minor >= 77 }

    /// The version that begins at `offset` of `text`: `1.78.0-nightly`; nil if there is none.
    fileprivate init?(_ text: ByteView, at offset: UInt64) {
        var position = offset
        var numbers: (UInt64, UInt64) = (0, 0)
        for part in 0..<2 {
            var number: UInt64 = 0
            let start = position
            while let byte = text.byte(at: position), byte >= 0x30, byte <= 0x39, position &- start < 6 {
                number = number &* 10 &+ UInt64(byte &- 0x30)
                position &+= 1
            }
            guard position > start else { return nil }
            if part == 0 {
                numbers.0 = number
                guard text.byte(at: position) == UInt8(ascii: ".") else { return nil }
                position &+= 1
            } else {
                numbers.1 = number
            }
        }
        (major, minor) = numbers
    }
}

extension SectionTable {
    /// The Rust compiler that `.comment` names; if there are several, the oldest, provided that all align 128-bit integers alike; otherwise
    /// nil, because any of them may have built the kernel.
    func rustVersion() -> RustVersion? {
        var numbers = numbers
        while let index = numbers.next() {
            let section = self[index]
            guard section.type == SectionHeader.Kind.programBits, section.flags & SectionHeader.Flags.alloc == 0,
                file.holds(string: ".comment", at: nameOffset(section)), let text = try? contents(index)
            else { continue }
            return SectionTable.rustVersion(in: text)
        }
        return nil
    }

    /// How many bytes of the section are looked at: it has a line for each compiler.
    private static var commentLimit: UInt64 { 4096 }

    private static func rustVersion(in text: ByteView) -> RustVersion? {
        let label: Text = "rustc version "
        var oldest: RustVersion?
        var position: UInt64 = 0
        while position < commentLimit, let distance = text.distance(to: UInt8(ascii: "r"), from: position) {
            position &+= distance
            if text.holds(label, at: position),
                let version = RustVersion(text, at: position &+ UInt64(truncatingIfNeeded: label.count))
            {
                let known = oldest ?? version
                guard version.alignsWideIntegers == known.alignsWideIntegers else { return nil }
                oldest = (version.major, version.minor) < (known.major, known.minor) ? version : known
            }
            position &+= 1
        }
        return oldest
    }
}
