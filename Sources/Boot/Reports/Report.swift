// The lines for the user: the same on the serial port and on the host.

public import Architecture
public import Firmware
public import Diagnostics
public import Linking
import Memory
import Bytes
import ELF
import HermitEntry

/// The lines that a boot prints.
public enum Report {
    /// The loader's version, the file's kind and size, its contract, the starter's protocol, and the amount of RAM.
    public static func found(
        _ application: borrowing Application, _ platform: borrowing PlatformFacts, _ verbosity: Verbosity,
        to sink: inout some TextSink
    ) {
        guard verbosity != .quiet else { return }
        sink.write("[LOADER] version ")
        sink.write(Version.text)
        sink.write(
            application.isFixed ? ": ET_EXEC, " : application.isObject ? ": ET_REL, " : ": ET_DYN, ",
            decimal: application.fileSize)
        if let version = application.notes.kernelVersion {
            sink.write(
                " bytes, Hermit %d.%d.%d (", UInt64(version.major), UInt64(version.minor), UInt64(version.patch))
        } else {
            sink.write(" bytes, Hermit (")
        }
        sink.write(application.generation.name)
        if application.isGenerationForced {
            sink.write(", as loader.generation says")
        } else if application.hasNotesInSectionsOnly {
            sink.write(", by notes that are in no PT_NOTE segment")
        }
        if application.alignsWideIntegers, let compiler = application.decidingCompiler {
            sink.write(", 128-bit integers aligned as by rustc %d.%d", compiler.major, compiler.minor)
        }
        sink.write(")")
        sink.endLine()
        sink.write("[LOADER] started by ")
        sink.write(platform.bootProtocol.name)
        sink.write(", RAM up to ", hex: platform.memoryMap.topOfRAM)
        // Libraries of an image's archive are no modules.
        var unused = platform.moduleCount &- 1
        for index in 1..<max(application.link.count, 1) where application.link[index].file < platform.moduleCount {
            unused &-= 1
        }
        if unused > 0 { sink.write(", unused modules: %d", UInt64(unused)) }
        sink.endLine()
        if platform.hasUnreadSetupData {
            sink.line("warning: setup_data above 4 GiB is not read, and memory listed only there is not used")
        }
        if verbosity == .verbose { foundInDetail(application, platform, to: &sink) }
        sink.flush()
    }

    /// The line for an application in a Hermit image, whose files lie unpacked in a module of `platform`.
    static func opened(_ platform: borrowing PlatformFacts, _ verbosity: Verbosity, to sink: inout some TextSink) {
        guard verbosity != .quiet else { return }
        let archive = platform.module(0).range
        sink.write("[LOADER] Hermit image, unpacked: %d bytes at ", archive.size)
        sink.write("", archive)
        sink.endLine()
    }

    /// How the image's place was chosen, if an option asked for one.
    public static func chosen(
        _ choice: BaseChoice, _ plan: MemoryPlan, _ options: LoaderOptions, to sink: inout some TextSink
    ) {
        if case .lowest = choice { return }
        guard options.verbosity != .quiet else { return }
        switch choice {
        case .random(let number):
            sink.write(
                plan.places == 1
                    ? "[LOADER] loader.kaslr: image at %x, one of %d place, by "
                    : "[LOADER] loader.kaslr: image at %x, one of %d places, by ",
                plan.image.start, plan.places)
            sink.write(number.source.name)
        case .address, .lowest:
            sink.write("[LOADER] loader.base: image at ", hex: plan.image.start)
            if options.placesAtRandom { sink.write("; loader.kaslr has no effect beside it") }
        }
        sink.endLine()
    }

    /// The places of everything, and the numbers of relocations.
    public static func placed(
        _ application: borrowing Application, _ plan: MemoryPlan, _ counts: RelocationCounts, _ state: EntryState,
        _ verbosity: Verbosity, to sink: inout some TextSink
    ) {
        guard verbosity != .quiet else { return }
        if verbosity == .verbose { placedInDetail(plan, to: &sink) }
        sink.write("[LOADER] image at ", plan.image)
        if plan.isStaged { sink.write(", over the loader") }
        if plan.movesModules { sink.write(", modules moved") }
        let tls = application.tls(bias: plan.bias)
        if let tls { sink.write(", TLS at ", hex: tls.start) }
        sink.endLine()
        if application.link.count > 0 { libraries(application, plan, counts, to: &sink) }
        // The oldest kernels align the block to 16 bytes, whatever the template's alignment; no note distinguishes them.
        if application.generation == .zero, let tls, tls.align > 16 {
            sink.line("warning: kernels before 0.3.54 ignore the alignment of thread-local storage, %d", tls.align)
        }
        sink.write("[LOADER] ")
        relocations(counts, to: &sink)
        sink.endLine()
        if plan.losesRootPointer {
            sink.line(
                """
                warning: there is no free memory where this kernel looks for ACPI's root pointer, below 640 KiB or from 896 KiB to 1 MiB
                """)
        }
        sink.write("[LOADER] BootInfo at ", hex: state.bootInfo)
        sink.write(", stack at ", hex: plan.handoff.stack.start)
        sink.write(", entry point ", hex: state.instructionPointer)
        sink.endLine()
        sink.flush()
    }

    /// `2245 relocations: 2245 RELATIVE`.
    public static func relocations(_ counts: RelocationCounts, to sink: inout some TextSink) {
        sink.write(decimal: counts.total)
        sink.write(counts.total == 1 ? " relocation" : " relocations")
        var separator: Text = ": "
        let all = counts.all
        var left = counts.total
        var type: UInt32 = 0
        while left > 0 {
            let count = all[Int(type)]
            if count > 0 {
                sink.write(separator, decimal: count)
                sink.write(" ")
                sink.write(RelocationType(type)?.name ?? "")
                separator = ", "
                left &-= count
            }
            type &+= 1
        }
        if counts.indirect > 0 { sink.write("; %d by resolver functions", counts.indirect) }
    }

    /// The places of the libraries, and warnings about them.
    private static func libraries(
        _ application: borrowing Application, _ plan: MemoryPlan, _ counts: RelocationCounts,
        to sink: inout some TextSink
    ) {
        for index in 1..<application.link.count {
            let library = application.link[index]
            sink.write("[LOADER] ")
            write(name: library.name, library.nameSize, application.files, to: &sink)
            let start = library.linkStart &+ library.displacement &+ plan.bias
            sink.write(" at ", AddressRange(at: start, size: library.memorySize))
            sink.endLine()
        }
        if counts.resizedCopies > 0 {
            sink.line(
                """
                warning: R_X86_64_COPY: objects of another size in the library than in the application: %d; link it again
                """, counts.resizedCopies)
        }
        let initialisers = application.link.plan.initialiserCount
        if initialisers > 0, counts.initialiserReferences == 0 {
            sink.line(
                """
                warning: nothing calls the libraries' initialisers (%d): the application does not refer to \
                __loader_init_array_start
                """, initialisers)
        }
    }

    @inline(never)
    private static func write(
        name start: UInt64, _ size: UInt64, _ files: ByteView, to sink: inout some TextSink
    ) {
        guard size > 0, let name = try? files.slice(at: start, size: size, else: .fileTooShort, .none) else {
            sink.write("(no name)")
            return
        }
        sink.write(untrusted: name.span)
    }

    /// `[LOADER] error: …`, and the advice. The fault is in one of `files`; if it is in none, names are offsets in all of their bytes.
    /// `plans` has one element, which is overwritten.
    public static func error(
        _ fault: Fault, _ files: borrowing NamedFiles, linkPlan plans: consuming MutableSpan<LinkPlan>,
        to sink: inout some TextSink
    ) {
        sink.write("[LOADER] error: ")
        let details = FaultDetails(of: fault, in: files, linkPlan: plans)
        var bytes = files.bytes
        if fault.file < files.count {
            let file = files[fault.file]
            bytes = bytes.part(at: file.start, size: file.size)
            if fault.file > 0 {
                let name = files.name(fault.file)
                if name.size > 0 {
                    write(name: name.start, name.size, files.bytes, to: &sink)
                } else {
                    sink.write("module %d", UInt64(fault.file) &+ 1)
                }
                sink.write(": ")
            }
        }
        fault.write(to: &sink, details, file: bytes.span)
        sink.write("; ")
        details.write(fault.rule.words.advice, 0, 0, to: &sink, file: bytes.span)
        sink.endLine()
        sink.flush()
    }
}

extension TextSink {
    /// Writes a line of the loader's: `template`, as `write` does.
    @inline(never)
    mutating func line(
        _ template: Text, _ first: UInt64 = 0, _ second: UInt64 = 0, _ third: UInt64 = 0, _ fourth: UInt64 = 0
    ) {
        write("[LOADER] ")
        write(template, first, second, third, fourth)
        endLine()
    }

    /// Writes `text` and a range: `0x400000-0x49ffff`, the last address included.
    mutating func write(_ text: Text, _ range: AddressRange) {
        write(text, hex: range.start)
        write("-", hex: range.end &- 1)
    }
}
