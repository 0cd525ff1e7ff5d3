// What upstream's loaders and uhyve would do with a file that this loader boots.

import Architecture
import Boot
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking

extension Finding {
    /// The findings for other loaders. Upstream's loaders and uhyve load applications by the same code, hermit-entry.
    static func elsewhere(_ application: borrowing Application) -> [Finding] {
        guard !application.isObject else {
            return [
                Finding(
                    .note, "upstream", "neither the loaders of hermit-os nor uhyve boot object files",
                    "link it to boot there: ld.lld -pie --no-dynamic-linker -e _start")
            ]
        }
        let loaders =
            switch application.generation {
            case .zero: "up to v0.2.6"
            case .one: "v0.3.x"
            case .two: "v0.4.0 to v0.4.2"
            case .three: "v0.4.3 to v0.4.6"
            case .fourRecursive: "v0.5.0 to v0.5.6"
            case .fourIdentity: "v0.5.6 and newer"
            }
        var findings = [
            Finding(
                .note, "upstream", "of the loaders of hermit-os, only \(loaders) boot this generation",
                "this loader boots all of them")
        ]
        if application.isFixed, application.linkStart == 0x100_0000 {
            findings.append(
                Finding(
                    .note, "upstream-16m", "hermit-os/loader up to v0.5.6 triple-faults on images linked at 16 MiB",
                    "link at 8 MiB to be portable"))
        }
        if application.contents.linked.needsLibraries {
            findings.append(
                Finding(
                    .note, "upstream-libraries", "neither the loaders of hermit-os nor uhyve load shared objects",
                    "link statically to boot there"))
        }
        return findings + inRelocationsElsewhere(application.contents.linked) + inUhyve(application.notes)
    }

    /// The findings in relocations: hermit-entry applies 64, GLOB_DAT and RELATIVE in DT_RELA, panics on other types, and ignores other
    /// tables.
    private static func inRelocationsElsewhere(_ image: borrowing LinkedImage) -> [Finding] {
        var refused: Set<UInt32> = []
        var ignored: UInt64 = 0
        do throws(Fault) {
            let applied = [RelocationNumber.absolute64, RelocationNumber.globDat, RelocationNumber.relative]
            let relocator = try Relocator(copy image, bias: 0, as: .library)
            var relocations = relocator.listed
            while let relocation = try relocations.next() {
                if UInt64(relocation.location.table) != DynamicTag.rela {
                    ignored &+= 1
                } else if !applied.contains(relocation.entry.type) {
                    refused.insert(relocation.entry.type)
                }
            }
        } catch { return [] }
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

    private static func inUhyve(_ notes: HermitNotes) -> [Finding] {
        guard let version = notes.uhyveInterface else {
            return [
                Finding(
                    .note, "no-uhyve",
                    "there is no uhyve interface note: uhyve takes the image for one of interface version 1",
                    "QEMU and this loader need none")
            ]
        }
        return [
            Finding(
                .note, "uhyve", "under uhyve the kernel makes hypercalls of interface version \(version)",
                "uhyve has to know that version; QEMU and this loader need not")
        ]
    }
}

/// `1 relocation`, `2 relocations`.
func counted(_ count: some BinaryInteger, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
