// The lines that `loader.verbose` adds to the report: the machine's memory, the file's parts, and the places of everything.

import Memory
import Firmware
import Bytes
import Diagnostics
import ELF
import Linking

extension Report {
    /// The memory map, reservations, segments and relocation tables.
    static func foundInDetail(
        _ application: borrowing Application, _ platform: borrowing PlatformFacts, to sink: inout some TextSink
    ) {
        for index in platform.memoryMap.indices {
            let region = platform.memoryMap[index]
            line(region.kind.name, region.range, to: &sink)
        }
        for index in platform.reservations.indices {
            let reservation = platform.reservations[index]
            line(reservation.purpose.name, reservation.range, to: &sink)
        }
        guard !application.isObject else { return }
        let segments = application.contents.linked.programHeaders
        for index in 0..<segments.count where segments.type(index) == ProgramHeader.Kind.load {
            let segment = segments[index]
            let range = AddressRange(at: segment.vaddr, size: segment.memsz)
            sink.write(
                "[LOADER] segment %d: linked at %x-%x, %d bytes in the file, ", UInt64(index), range.start,
                range.end &- 1, segment.filesz)
            sink.write(("--- --x -w- -wx r-- r-x rw- rwx" as Text).word(Int(segment.flags & 7)))
            sink.endLine()
        }
        // Malformed tables are reported when they are applied.
        guard let tables = try? DynamicTables(application.contents.linked) else { return }
        line("DT_RELA", tables.rela.count, to: &sink)
        line("DT_REL", tables.rel.count, to: &sink)
        line("DT_JMPREL", tables.plt.count, to: &sink)
        line("DT_RELR", Int(truncatingIfNeeded: tables.relr.count / 8), to: &sink)
    }

    /// Every range that the plan sets aside, besides the image's.
    static func placedInDetail(_ plan: MemoryPlan, to sink: inout some TextSink) {
        plan.forEachPart { part, range in line(part.name, range, to: &sink) }
    }

    @inline(never)
    private static func line(_ name: Text, _ range: AddressRange, to sink: inout some TextSink) {
        guard !range.isEmpty else { return }
        sink.write("[LOADER] ")
        sink.write(name)
        sink.write(" ", range)
        sink.endLine()
    }

    private static func line(_ table: Text, _ count: Int, to sink: inout some TextSink) {
        guard count > 0 else { return }
        sink.write("[LOADER] ")
        sink.write(table)
        sink.write(": %d entries", UInt64(count))
        sink.endLine()
    }
}

extension MemoryKind {
    fileprivate var name: Text {
        switch self {
        case .available: "RAM"
        case .reserved: "reserved by the firmware"
        case .acpiReclaimable: "ACPI tables"
        case .acpiNonVolatile: "ACPI, non-volatile"
        case .defective: "defective RAM"
        }
    }
}

extension Purpose {
    fileprivate var name: Text {
        switch self {
        case .loader: "loader"
        case .module: "module"
        case .firmware: "Multiboot information"
        case .transient: "start information"
        case .image: "image"
        case .handoff: "handoff"
        }
    }
}
