// What the user reads: the same lines on the serial port and on the host.

public import BootProtocols
public import Diagnostics
public import KernelImage
import AddressSpace
import Bytes
import ELF
import HermitEntry

/// The lines that a boot prints.
public enum Report {
    /// What was found: the file's kind and size, its contract, who started the loader, how much RAM there is.
    public static func found(
        _ application: borrowing Application, _ platform: borrowing PlatformFacts, _ verbosity: Verbosity,
        to sink: inout some TextSink
    ) {
        guard verbosity != .quiet else { return }
        begin(&sink)
        sink.write(application.isFixed ? "ET_EXEC, " : application.isObject ? "ET_REL, " : "ET_DYN, ")
        sink.write(decimal: application.fileSize)
        sink.write(" bytes, Hermit ")
        if let version = application.notes.kernelVersion {
            write(version, to: &sink)
            sink.write(" ")
        }
        sink.write("(")
        sink.write(application.generation.name)
        if application.isGenerationForced { sink.write(", as loader.generation says") }
        sink.write(")")
        sink.endLine()
        begin(&sink)
        sink.write("started by ")
        sink.write(platform.bootProtocol.name)
        sink.write(", RAM up to ")
        sink.write(hex: platform.memoryMap.topOfRAM)
        let unused = platform.moduleCount &- 1 &- max(application.link.count &- 1, 0)
        if unused > 0 {
            sink.write(", ")
            sink.write(decimal: UInt64(unused))
            sink.write(" further modules not used")
        }
        sink.endLine()
        if verbosity == .verbose { foundInDetail(application, platform, to: &sink) }
    }

    /// Where everything went, and what was relocated.
    public static func placed(
        _ application: borrowing Application, _ placement: Placement, _ counts: RelocationCounts, _ state: EntryState,
        _ verbosity: Verbosity, to sink: inout some TextSink
    ) {
        guard verbosity != .quiet else { return }
        if verbosity == .verbose { placedInDetail(placement, to: &sink) }
        begin(&sink)
        sink.write("image at ")
        write(placement.image, to: &sink)
        if placement.staging != nil { sink.write(", over the loader") }
        if placement.movedModule != nil { sink.write(", module moved") }
        if let tls = application.tls(bias: placement.bias) {
            sink.write(", TLS at ")
            sink.write(hex: tls.start)
        }
        sink.endLine()
        if application.link.count > 0 { libraries(application, placement, counts, to: &sink) }
        // The oldest kernels align the block to 16 bytes, whatever the template asks for; no note tells them apart.
        if application.generation == .zero, let tls = application.tls(bias: placement.bias), tls.align > 16 {
            begin(&sink)
            sink.write("warning: kernels before 0.3.54 ignore the alignment of thread-local storage, ")
            sink.write(decimal: tls.align)
            sink.endLine()
        }
        begin(&sink)
        relocations(counts, to: &sink)
        sink.endLine()
        begin(&sink)
        sink.write("BootInfo at ")
        sink.write(hex: state.bootInfo)
        sink.write(", stack at ")
        sink.write(hex: placement.handoff.stack.start)
        sink.write(", entry point ")
        sink.write(hex: state.instructionPointer)
        sink.endLine()
    }

    /// `2245 relocations: 2245 RELATIVE`.
    public static func relocations(_ counts: RelocationCounts, to sink: inout some TextSink) {
        sink.write(decimal: counts.total)
        sink.write(counts.total == 1 ? " relocation" : " relocations")
        var separator: Text = ": "
        let all = counts.all
        var types = counts.types
        while types != 0 {
            let type = types.trailingZeroBitCount
            types &= types &- 1
            guard let meaning = RelocationMeaning(UInt32(truncatingIfNeeded: type)) else { continue }
            sink.write(separator)
            sink.write(decimal: all[type])
            sink.write(" ")
            sink.write(meaning.name)
            separator = ", "
        }
        guard counts.indirect > 0 else { return }
        sink.write("; ")
        sink.write(decimal: counts.indirect)
        sink.write(" by resolver functions")
    }

    /// Where the libraries are, and what the application should know of them.
    private static func libraries(
        _ application: borrowing Application, _ placement: Placement, _ counts: RelocationCounts,
        to sink: inout some TextSink
    ) {
        for index in 1..<application.link.count {
            let object = application.link[index]
            begin(&sink)
            write(name: object.name, object.nameSize, application.files, to: &sink)
            sink.write(" at ")
            let start = object.linkStart &+ object.displacement &+ placement.bias
            write(AddressRange(at: start, size: object.memorySize), to: &sink)
            sink.endLine()
        }
        if counts.resizedCopies > 0 {
            begin(&sink)
            sink.write("warning: R_X86_64_COPY: ")
            sink.write(decimal: counts.resizedCopies)
            sink.write(" objects have another size in the library than in the application; link it again")
            sink.endLine()
        }
        let initialisers = application.link.plan.initialiserCount
        if initialisers > 0, counts.initialiserReferences == 0 {
            begin(&sink)
            sink.write("warning: nothing calls the libraries' ")
            sink.write(decimal: initialisers)
            sink.write(" initialisers: the application does not refer to __loader_init_array_start")
            sink.endLine()
        }
    }

    private static func write(
        name start: UInt64, _ size: UInt64, _ files: ByteView, to sink: inout some TextSink
    ) {
        guard size > 0, let name = try? files.slice(at: start, size: size, else: .fileTooShort, .none) else {
            sink.write("(no name)")
            return
        }
        sink.write(untrusted: name.span)
    }

    /// `[LOADER] error: …`, and what to do about it. Names are offsets in `file`.
    public static func error(_ fault: Fault, _ file: RawSpan, to sink: inout some TextSink) {
        error(fault, NamedFiles(ByteView(file)), to: &sink)
    }

    /// The same of several files, in one of which the fault is; without any, names are offsets in all of their bytes.
    public static func error(_ fault: Fault, _ files: borrowing NamedFiles, to sink: inout some TextSink) {
        begin(&sink)
        sink.write("error: ")
        if fault.file < files.count,
            let file = try? files.bytes.slice(
                at: files[fault.file].start, size: files[fault.file].size, else: .moduleOutsideMemory, .none)
        {
            if fault.file > 0 {
                let name = files.name(fault.file)
                write(name: name.start, name.size, files.bytes, to: &sink)
                sink.write(": ")
            }
            fault.write(to: &sink, FaultDetails(of: fault, in: files), file: file.span)
        } else {
            fault.write(to: &sink, FaultDetails(of: fault, in: files.bytes), file: files.bytes.span)
        }
        sink.write("; ")
        sink.write(fault.rule.advice)
        sink.endLine()
    }

    static func begin(_ sink: inout some TextSink) { sink.write("[LOADER] ") }

    /// `0x400000-0x49ffff`, the last address included.
    static func write(_ range: AddressRange, to sink: inout some TextSink) {
        sink.write(hex: range.start)
        sink.write("-")
        sink.write(hex: range.end &- 1)
    }

    private static func write(_ version: HermitVersion, to sink: inout some TextSink) {
        sink.write(decimal: UInt64(version.major))
        sink.write(".")
        sink.write(decimal: UInt64(version.minor))
        sink.write(".")
        sink.write(decimal: UInt64(version.patch))
    }
}
