// The differences between two builds in the loader's work.

import Architecture
import Diagnostics
import Linking

/// The differences of two verdicts.
struct BootChanges: Encodable {
    /// One fact that differs; a side that lacks it is nil.
    struct Change: Encodable, Equatable {
        let name: String
        let old: String?
        let new: String?
    }
    /// Relocations of one type whose number differs.
    struct Count: Encodable, Equatable {
        let type: String
        let old: UInt64
        let new: UInt64
    }

    /// Facts in the order in which the verdict shows them.
    let facts: [Change]
    /// By type, in the order of their numbers.
    let relocations: [Count]
    /// Findings of the old build only, and of the new one only.
    let findingsGone: [Finding], findingsNew: [Finding]

    var isEmpty: Bool { facts.isEmpty && relocations.isEmpty && findingsGone.isEmpty && findingsNew.isEmpty }

    /// Compares the loader's work with `old` and with `new`.
    init(from old: Verdict, to new: Verdict) {
        var facts: [Change] = []
        func compare(_ name: String, _ value: (Verdict) -> String?) {
            let (before, after) = (value(old), value(new))
            if before != after { facts.append(Change(name: name, old: before, new: after)) }
        }
        compare("verdict") { $0.verdict }
        compare("error") { $0.error?.sentence }
        compare("kind") { $0.kind }
        compare("EI_OSABI") { $0.osABI.map { "\($0)" } }
        compare("contract") { $0.evidence }
        // If one build does not boot it has no plan at all: only the line of the verdict says so.
        if old.plan != nil, new.plan != nil {
            compare("image") { $0.plan.map { rangeText($0.image.value, $0.imageEnd.value) } }
            compare("image size") { $0.plan.map { "\($0.imageSize) bytes" } }
            compare("moves") { verdict in
                guard let plan = verdict.plan, plan.movesImage || plan.movesModule else { return nil }
                return [plan.movesImage ? "the image over the loader" : nil, plan.movesModule ? "modules" : nil]
                    .compactMap { $0 }.joined(separator: ", ")
            }
            compare("libraries") { $0.libraries.map { $0.map(\.name).joined(separator: ", ") } }
            compare("TLS") { verdict in
                verdict.plan?.tls.map {
                    "\($0.start), \($0.fileSize) of \($0.memorySize) bytes, aligned to \($0.alignment)"
                }
            }
            compare("entry point") { $0.plan?.entryPoint.description }
            compare("BootInfo") { $0.plan?.bootInfo.description }
            compare("stack") { $0.plan?.stack.description }
            compare("page tables") { $0.plan?.pageTable.description }
            compare("device tree") { $0.plan?.deviceTree.description }
            compare("resolvers") { $0.resolvers.isEmpty ? nil : "\($0.resolvers.count) to call" }
            var counts: [Count] = []
            // Both lists are in the order of the types' numbers; types that only one has keep it.
            for type in (0...RelocationType.lastNumber).compactMap({ RelocationType($0)?.name.string }) {
                let before = old.relocations.first { $0.type == type }?.count ?? 0
                let after = new.relocations.first { $0.type == type }?.count ?? 0
                if before != after { counts.append(Count(type: type, old: before, new: after)) }
            }
            relocations = counts
        } else {
            relocations = []
        }
        self.facts = facts
        findingsGone = old.findings.filter { !new.findings.contains($0) }
        findingsNew = new.findings.filter { !old.findings.contains($0) }
    }
}
