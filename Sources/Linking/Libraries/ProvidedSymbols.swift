// The symbols that the loader defines.

import Bytes
import Diagnostics
import ELF

/// The symbols that the loader defines if no file does, as link addresses of the application.
struct ProvidedSymbols: Equatable, Sendable {
    /// `__tls_get_addr`.
    var threadLocalAddress: UInt64 = 0
    /// `__loader_init_array_start`, `__loader_init_array_end`, `__loader_fini_array_start`, `__loader_fini_array_end`.
    var initialisersStart: UInt64 = 0, initialisersEnd: UInt64 = 0
    var finalisersStart: UInt64 = 0, finalisersEnd: UInt64 = 0

    /// The address of the symbol with the name `name`; nil if it is not one of them.
    func address(of name: HashedName, _ files: borrowing ByteView) -> UInt64? {
        if name.length == 14 { return isSame(name, "__tls_get_addr", files) ? threadLocalAddress : nil }
        guard name.length == 23 || name.length == 25 else { return nil }
        if isSame(name, "__loader_init_array_start", files) { return initialisersStart }
        if isSame(name, "__loader_init_array_end", files) { return initialisersEnd }
        if isSame(name, "__loader_fini_array_start", files) { return finalisersStart }
        return isSame(name, "__loader_fini_array_end", files) ? finalisersEnd : nil
    }

    /// Whether `address` is the start of the array of initialisers.
    func isInitialiserArray(_ address: UInt64) -> Bool { address == initialisersStart }

    private func isSame(_ name: HashedName, _ text: Text, _ files: borrowing ByteView) -> Bool {
        name.length == UInt64(truncatingIfNeeded: text.count) && files.holds(text, at: name.start)
    }
}
