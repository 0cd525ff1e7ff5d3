// Findings about a file's relocations, from a single listing.

import Architecture
import Diagnostics
import ELF
import Linking

/// The relocations that findings are about.
struct RelocationFindings {
    /// The relocations in read-only segments: their number, and the address of the first.
    private var (readOnlyCount, firstAddress): (UInt64, UInt64) = (0, 0)
    /// The types that hermit-entry panics on; it applies 64, GLOB_DAT and RELATIVE.
    private var refused: Set<UInt32> = []
    /// The number of relocations outside DT_RELA, which hermit-entry does not read.
    private var ignored: UInt64 = 0

    /// Lists the relocations of `image`. If one of its tables is malformed, nothing is found.
    mutating func list(_ image: borrowing LinkedImage) {
        let applied = [RelocationNumber.absolute64, RelocationNumber.globDat, RelocationNumber.relative]
        var found = RelocationFindings()
        do throws(Fault) {
            let relocator = try Relocator(copy image, bias: 0, as: .library)
            var writable: [(start: UInt64, end: UInt64)] = []
            for index in 0..<image.programHeaders.count
            where image.programHeaders.type(index) == ProgramHeader.Kind.load {
                let segment = image.programHeaders[index]
                if segment.isWritable { writable.append((segment.vaddr, segment.vaddr &+ segment.memsz)) }
            }
            var relocations = relocator.listed
            while let relocation = try relocations.next() {
                let (address, type) = (relocation.entry.offset, relocation.entry.type)
                if UInt64(relocation.location.table) != DynamicTag.rela {
                    found.ignored &+= 1
                } else if !applied.contains(type) {
                    found.refused.insert(type)
                }
                let isWritten = type != RelocationNumber.none
                guard isWritten, !writable.contains(where: { address >= $0.start && address < $0.end }) else {
                    continue
                }
                if found.readOnlyCount == 0 { found.firstAddress = address }
                found.readOnlyCount &+= 1
            }
        } catch { return }
        self = found
    }

    /// The finding in the file itself.
    var here: [Finding] {
        guard readOnlyCount > 0 else { return [] }
        let change =
            readOnlyCount == 1 ? "a relocation changes" : "\(readOnlyCount) relocations change"
        return [
            Finding(
                .warning, "text-relocations",
                "\(change) read-only segments, the first at \(hex(firstAddress))",
                "compile everything with -fPIC or relocation-model=pic, and link with -z text")
        ]
    }

    /// The findings for other loaders, which load applications by hermit-entry.
    var elsewhere: [Finding] {
        var findings: [Finding] = []
        let names = refused.sorted().compactMap { RelocationType($0)?.name.string }
        if !names.isEmpty {
            findings.append(
                Finding(
                    .note, "upstream-relocations",
                    "the loaders of hermit-os and uhyve panic on relocations of type \(names.joined(separator: ", "))",
                    "they apply only 64, GLOB_DAT and RELATIVE; this loader applies all"))
        }
        if ignored > 0 {
            findings.append(
                Finding(
                    .note, "upstream-tables",
                    "the loaders of hermit-os and uhyve do not look at DT_REL, DT_JMPREL and DT_RELR, which have \(counted(ignored, "relocation"))",
                    "link with -z nopack-relative-relocs and without calls through a PLT to boot there"))
        }
        return findings
    }
}
