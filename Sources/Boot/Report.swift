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
        _ application: borrowing Application, _ platform: borrowing Platform, _ verbosity: Verbosity,
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
        if platform.moduleCount > 1 {
            sink.write(", ")
            sink.write(decimal: UInt64(platform.moduleCount &- 1))
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
        var separator: StaticString = ": "
        let all = counts.all
        for type in all.indices where all[type] > 0 {
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

    /// `[LOADER] error: …`, and what to do about it.
    public static func error(_ fault: Fault, _ file: RawSpan, to sink: inout some TextSink) {
        begin(&sink)
        sink.write("error: ")
        fault.write(to: &sink, FaultDetails(of: fault, in: ByteView(file)), file: file)
        sink.write("; ")
        sink.write(fault.rule.description.advice)
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
