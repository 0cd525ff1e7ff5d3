// Inputs that once broke a promise, kept by name.

import Diagnostics
import HostileInput
import TestSupport
import Testing

@Suite struct RegressionTests {
    /// What was wrong, by what, with which bytes.
    static let inputs: [(name: String, target: FuzzTarget, bytes: [UInt8])] = [
        (
            "RAM above 2^47 put a page in the kernel's half of the address space", .placement,
            [
                0x00, 0xdf, 0x04, 0xff, 0xff, 0xff, 0x53, 0x74, 0x72, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0xff, 0x24,
                0xff, 0xff, 0xff, 0x53, 0x74, 0x00, 0x59, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7e,
            ]
        ),
        (
            "RAM below what is mapped in pages of 1 GiB already was mapped for ever", .placement,
            [
                0x45, 0x53, 0x54, 0x53, 0x5f, 0x43, 0x41, 0x5f, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x7b, 0x5b, 0x5b,
                0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x5b, 0x53, 0x5b, 0x5b, 0x5b, 0x5b, 0xdb, 0x5b,
                0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x5b, 0x01, 0x0c, 0x7f, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d,
                0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d, 0x1d,
            ]
        ),
    ]

    @Test(.timeLimit(.minutes(1)), arguments: inputs.indices) func `no promise is broken any more`(_ index: Int) {
        let input = Self.inputs[index]
        #expect(input.target.run(input.bytes) == [], "\(input.name)")
    }

    /// Every target accepts its own seeds.
    @Test(arguments: FuzzTarget.allCases) func `seeds keep every promise`(_ target: FuzzTarget) {
        for seed in target.seeds([]) { #expect(target.run(seed) == []) }
    }

    /// Over the loader an image is built elsewhere and moved last: its functions cannot be called before.
    @Test func `resolvers are not called where they do not lie yet`() {
        var additions = SmallFile.Additions()
        let sample = SmallFile(type: 2, base: 0x10_0000)
        additions.rela = [Relocation(37, at: sample.data + 16, addend: 0x10_0000)]
        let refused = Rehearsal(SmallFile(type: 2, base: 0x10_0000, additions).bytes)
        guard case .refused(let fault) = refused.ending else {
            Issue.record("it was loaded")
            return
        }
        #expect(fault.rule == .resolverOutOfPlace && fault.place.isRelocation, "\(refused.report)")
        #expect(refused.report.contains("R_X86_64_IRELATIVE at 0x"), "\(refused.report)")
        #expect(refused.violations == [])
        #expect(Rehearsal(SmallFile(type: 2, base: 0x40_0000).bytes).ending == .loaded)
    }
}
