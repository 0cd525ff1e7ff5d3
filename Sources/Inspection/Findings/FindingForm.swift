// Recognises files of other formats than ELF by their first bytes.

import Bytes

extension Finding {
    /// The finding in a file of a format that is mistaken for an application.
    static func ofForm(_ file: ByteView) -> [Finding] {
        let unpack =
            "a Hermit image boots as it is, with hermit.toml at the root of its archive (docs/images.md); unpack anything else"
        let forms: [(offset: UInt64, bytes: String, name: String, advice: String)] = [
            (0, "!<arch>\n", "an archive of object files, as static libraries are", "link an application with it"),
            (0, "!<thin>\n", "a list of object files (a thin archive)", "link an application with it"),
            (
                0, "BC\u{c0}\u{de}", "LLVM bitcode, which compilers write for link-time optimisation",
                "link it with lld"
            ),
            (0, "\u{1f}\u{8b}", "compressed by gzip, as Hermit images are", unpack),
            (257, "ustar", "a tar archive, as Hermit images are without gzip", unpack),
            (0, "\u{28}\u{b5}\u{2f}\u{fd}", "compressed by zstd", "unpack it"),
            (0, "\u{fd}7zXZ\0", "compressed by xz", "unpack it"),
            (0, "MZ", "a program for UEFI or Windows", "build the application for x86_64-unknown-hermit"),
            (
                0, "\u{cf}\u{fa}\u{ed}\u{fe}", "a Mach-O file, for macOS",
                "build the application for x86_64-unknown-hermit"
            ),
            (0, "#!", "a script", "give the application that it starts"),
        ]
        for form in forms {
            // Each scalar is one byte.
            let bytes = form.bytes.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
            guard bytes.indices.allSatisfy({ file.byte(at: form.offset + UInt64($0)) == bytes[$0] }) else { continue }
            return [Finding(.note, "other-form", "this is \(form.name)", form.advice)]
        }
        return []
    }
}
