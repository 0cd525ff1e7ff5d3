// What a file is that is no ELF file, where its first bytes tell.

import Bytes

extension Finding {
    /// A remark on a file in one of the forms that are mistaken for applications.
    static func ofForm(_ file: ByteView) -> [Finding] {
        let forms: [(start: String, name: String, advice: String)] = [
            ("!<arch>\n", "an archive of object files, as static libraries are", "link an application with it"),
            ("!<thin>\n", "a list of object files (a thin archive)", "link an application with it"),
            ("BC\u{c0}\u{de}", "LLVM's bitcode, what compilers leave for link-time optimisation", "link it with lld"),
            ("\u{1f}\u{8b}", "compressed by gzip", "unpack it"),
            ("\u{28}\u{b5}\u{2f}\u{fd}", "compressed by zstd", "unpack it"),
            ("\u{fd}7zXZ\0", "compressed by xz", "unpack it"),
            ("MZ", "a program for UEFI or Windows", "build the application for x86_64-unknown-hermit"),
            ("\u{cf}\u{fa}\u{ed}\u{fe}", "a Mach-O file, for macOS", "build the application for x86_64-unknown-hermit"),
            ("#!", "a script", "give the application that it starts"),
        ]
        for form in forms {
            // Each scalar is one byte.
            let start = form.start.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
            guard start.indices.allSatisfy({ file.byte(at: UInt64($0)) == start[$0] }) else { continue }
            return [Finding(.note, "other-form", "this is \(form.name)", form.advice)]
        }
        return []
    }
}
