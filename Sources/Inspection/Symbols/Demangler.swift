// Names as in the source, by libiberty.

import Clibiberty

/// Names of C++ and Rust functions and objects.
enum Demangler {
    /// The longest mangled name, and the longest name, in bytes. A mangled name may refer to itself, and double with each reference.
    static let longestSymbol: UInt64 = 1 << 14

    /// The name that `symbol` is the mangled form of, in C++ or in either of Rust's manglings, without hashes; nil for other names.
    static func name(_ symbol: String) -> String? {
        guard symbol.hasPrefix("_Z") || symbol.hasPrefix("_R") else { return nil }
        return demangled(symbol, alsoCPlusPlus: true)
    }

    /// The same for a name by rustc; nil for others, also those of C++.
    static func rustName(_ symbol: String) -> String? {
        guard symbol.hasPrefix("_ZN") || symbol.hasPrefix("_R") else { return nil }
        return demangled(symbol, alsoCPlusPlus: false)
    }

    private static func demangled(_ symbol: String, alsoCPlusPlus: Bool) -> String? {
        guard symbol.utf8.count <= Int(longestSymbol) else { return nil }
        // The buffer outlives the call, which writes no more than its size.
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(longestSymbol)) { buffer in
            let size = unsafe demangle_bounded(
                symbol, alsoCPlusPlus ? 1 : 0, buffer.baseAddress!, buffer.count)
            guard size > 0 else { return nil }
            return unsafe String(decoding: UnsafeRawBufferPointer(buffer).prefix(size), as: UTF8.self)
        }
    }
}
