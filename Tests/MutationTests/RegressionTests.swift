// Inputs that once broke a promise, by name.

import Diagnostics
import Firmware
import HostileInput
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct RegressionTests {
    /// The fault, the target, and the bytes.
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
        (
            "modules that are not in memory, and add up to more than 2^64 bytes, were moved under the image",
            .placement,
            [
                0x04, 0x0d, 0x2b, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2b, 0x00,
                0x00, 0x00, 0x00, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x92, 0x89, 0x04, 0x17, 0x69, 0x69,
                0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x79, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69,
                0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89, 0x89,
                0x89, 0x89, 0x89, 0xc4, 0x89, 0x89, 0x89, 0x89, 0x89, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69, 0x69,
                0x69, 0x69, 0x89, 0x89, 0x89, 0x69, 0x89,
            ]
        ),
    ]

    @Test(arguments: inputs.indices) func `no promise is broken again`(_ index: Int) {
        let input = Self.inputs[index]
        #expect(input.target.run(input.bytes) == [], "\(input.name)")
    }

    /// Every target accepts its own seeds.
    @Test(arguments: FuzzTarget.allCases) func `seeds keep every promise`(_ target: FuzzTarget) {
        for seed in target.seeds([]) { #expect(target.run(seed) == []) }
    }

    /// Their mutations get as far: to the end, unless an option requires a feature that this machine lacks.
    @Test func `the firmware's seeds boot`() {
        for (target, bootProtocol) in [
            (FuzzTarget.multiboot, BootProtocol.multiboot), (.multiboot2, .multiboot2), (.linux, .linux),
        ] {
            for seed in target.seeds([]) {
                let boot = FuzzTarget.firmwareBoot(seed, bootProtocol)
                #expect(boot.ending == .loaded, "\(target): \(boot.report)")
            }
        }
        let ends = FuzzTarget.pvh.seeds([]).map { FuzzTarget.firmwareBoot($0, .pvh) }
        #expect(ends.filter { $0.ending == .loaded }.count == ends.count, "\(ends.map(\.report))")
    }

    /// An image over the loader is built elsewhere and moved last: its functions cannot be called before.
    @Test func `resolvers are not called before they lie in place`() {
        var additions = SmallFile.Additions()
        let sample = SmallFile(type: 2, base: 0x10_0000)
        additions.rela = [Relocation(37, at: sample.data + 16, addend: 0x10_0000)]
        let refused = WatchedBoot(SmallFile(type: 2, base: 0x10_0000, additions).bytes)
        guard case .refused(let fault) = refused.ending else {
            Issue.record("it was loaded")
            return
        }
        #expect(fault.rule == .resolverOutOfPlace && fault.location.kind == .relocation, "\(refused.report)")
        #expect(refused.report.contains("R_X86_64_IRELATIVE at 0x"), "\(refused.report)")
        #expect(refused.violations == [])
        #expect(WatchedBoot(SmallFile(type: 2, base: 0x40_0000).bytes).ending == .loaded)
    }

    /// The module is moved first, and the rest of the boot reads it in its new place.
    @Test func `an application over its own module`() {
        let base: UInt64 = 0x12_a000
        let over = WatchedBoot(SmallFile(type: 2, base: base).bytes)
        #expect(over.ending == .loaded && over.violations == [], "\(over.report) \(over.violations)")
        #expect(over.report.contains("modules moved"), "\(over.report)")
        // Later faults are reported from its bytes, too.
        var additions = SmallFile.Additions()
        additions.rela = [Relocation(200, at: SmallFile(type: 2, base: base).data)]
        let refused = WatchedBoot(SmallFile(type: 2, base: base, additions).bytes)
        #expect(refused.report.contains("relocation type 200"), "\(refused.report)")
        #expect(refused.violations == [])
    }

    /// The planner's machines are booted: to the end, unless a fixed file is asked to lie elsewhere or the like; mutations boot often.
    @Test func `the planner's seeds boot`() {
        let seeds = FuzzTarget.placement.seeds([])
        let booted = seeds.count { FuzzTarget.placementBoot($0)?.ending == .loaded }
        #expect(booted > seeds.count / 3, "\(booted) of \(seeds.count)")
        var random = SeededGenerator(seed: 31)
        var loaded = 0
        for seed in seeds {
            var bytes = seed
            for _ in 0..<4 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if FuzzTarget.placementBoot(bytes)?.ending == .loaded { loaded += 1 }
        }
        #expect(loaded > 4, "\(loaded) of \(seeds.count)")
    }
}
