// Inputs that once broke a promise, kept by name.

import HostileInput
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
        )
    ]

    @Test(arguments: inputs.indices) func `no promise is broken any more`(_ index: Int) {
        let input = Self.inputs[index]
        #expect(input.target.run(input.bytes) == [], "\(input.name)")
    }

    /// Every target accepts its own seeds.
    @Test(arguments: FuzzTarget.allCases) func `seeds keep every promise`(_ target: FuzzTarget) {
        for seed in target.seeds([]) { #expect(target.run(seed) == []) }
    }
}
