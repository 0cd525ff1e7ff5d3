// The table of rules: every row can be read, and every class has its own exit status.

import Diagnostics
import TestSupport
import Testing

@Suite struct RuleTests {
    static let all: [Rule] = (0...255 as ClosedRange<UInt8>).compactMap { Rule(rawValue: $0) }

    @Test func `every rule has a sentence and an advice`() {
        #expect(Self.all.count > 70)
        for rule in Self.all {
            let text = sentence(Fault(rule, value: 1, limit: 2))
            #expect(!text.isEmpty && !text.contains("%"), "\(rule): \(text)")
            #expect(
                !text.hasSuffix(".") && text.first?.isUppercase != true || text.hasPrefix("EI_")
                    || text.hasPrefix("Hermit")
                    || text.hasPrefix("PT_") || text.hasPrefix("R_X86_64_") || text.hasPrefix("CPU")
                    || text.hasPrefix("SHF_"), "\(rule): \(text)"
            )
            #expect(rule.description.advice.utf8CodeUnitCount > 0)
        }
        #expect(Set(Self.all.map { sentence(Fault($0)) }).count == Self.all.count)
    }

    @Test func `every class has its own status, which QEMU can report`() {
        let kinds: [Rule.Kind] = [
            .noApplication, .malformed, .wrongKind, .entryContract, .relocation, .placement, .platform, .exception,
            .options,
        ]
        // isa-debug-exit ends QEMU with twice the value plus one.
        for kind in kinds { #expect(kind.status == Int32(kind.debugExitValue) * 2 + 1) }
        #expect(Set(kinds.map(\.status)).count == kinds.count)
        #expect(kinds.allSatisfy { $0.status > 32 && $0.status < 128 })
        #expect(Self.all.allSatisfy { kinds.contains($0.kind) })
    }
}
