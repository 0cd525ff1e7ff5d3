// The table of rules: every row can be read, and every class has its own exit status.

import Diagnostics
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RuleTests {
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
            let advice = rule.words.advice.description
            #expect(
                !advice.isEmpty && advice.allSatisfy { $0.isASCII && $0 != "\n" && $0 != "%" }, "\(rule): \(advice)")
        }
        #expect(Set(Self.all.map { sentence(Fault($0)) }).count == Self.all.count)
    }

    @Test func `every rule has its own words`() {
        let words: [Rule: (Rule.Kind, sentence: String, advice: String)] = [
            .noModule: (.noApplication, "no application was given", "give the application as a module or as initrd"),
            .notClass64: (.wrongKind, "EI_CLASS is", "build it for x86-64"),
            .imageTooLarge: (.placement, "bytes of memory; at most", "if the limit is below 3 GiB, more memory helps"),
            .abiTagNotHermit: (.entryContract, "operating system", "built for another operating system"),
            .unknownLoaderOption: (.options, "unknown loader option", "kaslr, quiet and verbose"),
            .hashTableMalformed: (.malformed, "the hash table does not fit", "the file is damaged"),
            .symbolUndefined: (.relocation, "undefined: ", "with --export-dynamic for libraries"),
            .badStartInfo: (.platform, "PVH start info", "the virtual machine monitor is at fault"),
            .cpuException: (.exception, "CPU exception", "the application or the loader is at fault"),
            .sectionsApart: (.relocation, "do not lie side by side", "make one of them: ld -r"),
            .copyOutsideImage: (.relocation, "the original of", "the file is damaged"),
            .relocationFormUnknown: (.wrongKind, "in a form that is not known", "with --pack-dyn-relocs=relr"),
            .optionMisplaced: (.options, "after another file than", "give it after the application"),
            .memoryBeyondAddresses: (.platform, "the memory map has RAM at", "virtual machine monitor is at fault"),
            .optionAfterOthers: (.options, "does not come first on the command line", "if it is the application's"),
            .debuggingInformationOnly: (.wrongKind, "without the program", "that it was split from"),
        ]
        for (rule, (kind, sentence, advice)) in words {
            #expect(rule.kind == kind)
            #expect(rule.words.sentence.description.contains(sentence), "\(rule): \(rule.words.sentence)")
            #expect(rule.words.advice.description.hasSuffix(advice), "\(rule): \(rule.words.advice)")
        }
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
