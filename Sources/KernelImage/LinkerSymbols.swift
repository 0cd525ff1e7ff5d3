// The symbols that no file defines and every linker does.

import ELF

extension ObjectLayout {
    /// The link address that linkers give to the undefined symbol `symbol`, nil for one that is not theirs.
    func linkerDefined(_ symbol: Symbol, _ symbols: borrowing ObjectSymbols) -> UInt64? {
        // Reserved names only: they begin with an underscore, or are the ancient end, edata and etext.
        if symbols.isNamed(symbol, "_GLOBAL_OFFSET_TABLE_") { return tableStart }
        if symbols.isNamed(symbol, "__executable_start") { return 0 }
        if symbols.isNamed(symbol, "_etext") || symbols.isNamed(symbol, "etext") { return codeEnd }
        if symbols.isNamed(symbol, "_edata") || symbols.isNamed(symbol, "edata") { return zeroStart }
        if symbols.isNamed(symbol, "__bss_start") { return zeroStart }
        if symbols.isNamed(symbol, "_end") || symbols.isNamed(symbol, "end") { return programEnd }
        if symbols.isNamed(symbol, "__preinit_array_start") { return preinitArray.start }
        if symbols.isNamed(symbol, "__preinit_array_end") { return preinitArray.end }
        if symbols.isNamed(symbol, "__init_array_start") { return initArray.start }
        if symbols.isNamed(symbol, "__init_array_end") { return initArray.end }
        if symbols.isNamed(symbol, "__fini_array_start") { return finiArray.start }
        if symbols.isNamed(symbol, "__fini_array_end") { return finiArray.end }
        return nil
    }

    /// Whether `symbol` is the one for the beginning of the block of thread-local storage.
    func isBlockBase(_ symbol: Symbol, _ symbols: borrowing ObjectSymbols) -> Bool {
        symbols.isNamed(symbol, "_TLS_MODULE_BASE_")
    }
}
