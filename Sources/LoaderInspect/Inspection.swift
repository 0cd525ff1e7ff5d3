// What the loader would do with one file, gathered by the loader's own code.

import AddressSpace
import Boot
import BootProtocols
import Bytes
import Diagnostics
import ELF
import Foundation
import HermitEntry
import KernelImage

/// Text that grows on the heap, for the host.
struct StringSink: TextSink {
    private var bytes: [UInt8] = []
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// What `body` writes.
    static func text(_ body: (inout StringSink) -> Void) -> String {
        var sink = StringSink()
        body(&sink)
        return sink.text
    }
}

/// The verdict on one file, and everything that led to it.
struct Inspection {
    /// What the loader says when it refuses; nil where it boots.
    var fault: Fault?
    /// The sentence of the fault, as the serial line shows it behind `error: `.
    var refusal: String?
    /// Labelled lines, in order.
    var facts: [(label: String, text: String)] = []
    /// The segments, as text.
    var segments: [String] = []

    /// The exit status that the verdict stands for.
    var status: Int32 { fault.map { $0.rule.kind == .malformed ? 2 : 1 } ?? 0 }

    init(_ data: Data, on machine: HostMachine) {
        // Data's bytes outlive the closure's span.
        unsafe data.withUnsafeBytes { buffer in
            let file = ByteView(unsafe RawSpan(_unsafeBytes: buffer))
            do throws(Fault) {
                try inspect(file, machine)
            } catch {
                fault = error
                refusal = StringSink.text { sink in
                    error.write(to: &sink, file: file.span)
                    sink.write("; ")
                    sink.write(error.rule.description.advice)
                }
            }
        }
    }

    private mutating func inspect(_ file: ByteView, _ machine: HostMachine) throws(Fault) {
        try describe(file)
        let application = try Application(file)
        let image = application.image
        let platform = try machine.platform(moduleSize: file.count)
        let placement = try Placement(application, on: platform, loader: machine.loader, limit: 1 << 32)
        facts.append(("contract", evidence(application)))
        facts.append(
            (
                "image",
                "\(placement.image.text), \(image.size) bytes"
                    + (placement.staging == nil ? "" : ", over the loader itself")
                    + (placement.movedModule == nil ? "" : ", the module moved out of the way")
            ))
        facts.append(("entry point", hex(image.header.entry &+ placement.bias)))
        if let tls = application.tls(bias: placement.bias) {
            facts.append(
                ("TLS", "\(hex(tls.start)), \(tls.filesz) of \(tls.memsz) bytes initialised, aligned to \(tls.align)"))
        }

        // Loading and relocating on the host is what tells whether it would work there.
        var bytes = [UInt8](repeating: 0, count: Int(clamping: placement.image.size))
        var counts = RelocationCounts()
        var span = bytes.mutableSpan
        // Bytes hold any value.
        var memory = ByteRegion(unsafe span.mutableBytes, at: image.linkStart)
        var resolvers: [UInt64] = []
        counts = try application.load(placement, into: &memory) { resolver, _ in
            resolvers.append(resolver)
            return nil
        }
        facts.append(("relocations", StringSink.text { Report.relocations(counts, to: &$0) }))
        for resolver in resolvers.prefix(8) {
            facts.append(("", "calls the resolver at \(hex(resolver)) in the guest"))
        }
        if resolvers.count > 8 { facts.append(("", "and \(resolvers.count - 8) more resolvers")) }
        facts.append(
            ("handoff", "\(placement.handoff.range.text): page tables, BootInfo, device tree, stack"))
    }

    /// What can be said of the file before anything is judged.
    private mutating func describe(_ file: ByteView) throws(Fault) {
        let header = try FileHeader(file)
        let kind =
            switch header.type {
            case .relocatable: "ET_REL, an object file"
            case .executable: "ET_EXEC, linked at a fixed address"
            case .dynamic: "ET_DYN, position independent"
            }
        facts.append(("kind", "\(kind), \(file.count) bytes, OSABI \(header.osABI)"))
        let headers = try ProgramHeaders(file, header)
        for index in 0..<headers.count {
            let segment = headers[index]
            segments.append(
                "\(padded("\(index)", 3)) \(name(segment.type)) \(hex(segment.offset, 10)) \(hex(segment.vaddr, 12)) "
                    + "\(hex(segment.filesz, 10)) \(hex(segment.memsz, 10)) \(flags(segment.flags)) \(hex(segment.align))"
            )
        }
    }

    /// The generation, and why.
    private func evidence(_ application: borrowing Application) -> String {
        let notes = application.notes
        var text = StringSink.text { $0.write(application.generation.name) }
        text += notes.entryVersion.map { "; note HERMIT says \($0)" } ?? "; no note HERMIT, OSABI 255"
        if let version = notes.kernelVersion {
            text += ", ABI tag: kernel \(version.major).\(version.minor).\(version.patch)"
        } else {
            text += ", no ABI tag: kernel older than 0.10"
        }
        if let interface = notes.uhyveInterface { text += ", uhyve interface \(interface)" }
        return text
    }

    private func name(_ type: UInt32) -> String {
        let names: [UInt32: String] = [
            0: "NULL", 1: "LOAD", 2: "DYNAMIC", 3: "INTERP", 4: "NOTE", 6: "PHDR", 7: "TLS",
            0x6474_e550: "GNU_EH_FRAME", 0x6474_e551: "GNU_STACK", 0x6474_e552: "GNU_RELRO",
            0x6474_e553: "GNU_PROPERTY",
        ]
        return (names[type] ?? hex(UInt64(type))).padding(toLength: 12, withPad: " ", startingAt: 0)
    }

    private func flags(_ flags: UInt32) -> String {
        (flags & 4 != 0 ? "r" : "-") + (flags & 2 != 0 ? "w" : "-") + (flags & 1 != 0 ? "x" : "-")
    }
}

/// `value` in hexadecimal, filled up to `width` from the left.
func hex(_ value: UInt64, _ width: Int = 0) -> String { padded("0x" + String(value, radix: 16), width) }

/// `text`, filled up to `width` from the left.
func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}

extension AddressRange {
    /// First and last address.
    var text: String { "\(hex(start)) to \(hex(end &- 1))" }
}
