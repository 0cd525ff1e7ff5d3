// Findings about upstream's loaders and uhyve, for a file that this loader boots.

import Architecture
import Boot
import Bytes
import Diagnostics
import ELF
import HermitEntry
import Linking

extension Finding {
    /// The findings for other loaders. Upstream's loaders and uhyve load applications by the same code, hermit-entry.
    static func elsewhere(_ application: borrowing Application, _ relocations: RelocationFindings) -> [Finding] {
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
        return findings + relocations.elsewhere + inUhyve(application.notes)
    }

    private static func inUhyve(_ notes: HermitNotes) -> [Finding] {
        guard let version = notes.uhyveInterface else {
            return [
                Finding(
                    .note, "no-uhyve",
                    "there is no uhyve interface note: uhyve assumes interface version 1",
                    "QEMU and this loader need none")
            ]
        }
        return [
            Finding(
                .note, "uhyve", "under uhyve the kernel makes hypercalls of interface version \(version)",
                "uhyve must know that version; QEMU and this loader need not")
        ]
    }
}

/// `1 relocation`, `2 relocations`.
func counted(_ count: some BinaryInteger, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
