// Names as people write them, by libiberty.

import Clibiberty
import Glibc

/// Names of C++ and Rust functions and objects.
enum Demangler {
    /// The name that `symbol` is the mangled form of, in C++ or in either of Rust's manglings, without hashes; nil for other names.
    static func name(_ symbol: String) -> String? {
        guard symbol.hasPrefix("_Z") || symbol.hasPrefix("_R") else { return nil }
        let options = DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO
        // The text is the caller's to free.
        guard let text = unsafe cplus_demangle(symbol, options) else { return nil }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }
    /// The same for a name that rustc made; nil for others, also those of C++.
    static func rustName(_ symbol: String) -> String? {
        guard symbol.hasPrefix("_ZN") || symbol.hasPrefix("_R"),
            let text = unsafe rust_demangle(symbol, DMGL_PARAMS | DMGL_ANSI)
        else { return nil }
        // The text is the caller's to free.
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }
}
