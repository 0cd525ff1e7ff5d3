// Linux's boot_params and setup_data besides the memory map: SEV-SNP's confidential computing blob, and elements beyond
// the loader's reach.

import Bytes
import Diagnostics
import Firmware
import Memory
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct SetupDataTests {
    /// The random seed and memory map of LinuxTests, with an element of `type` and these `words` before them.
    private func image(_ type: UInt32, _ words: [UInt32], size: UInt32? = nil) -> PlatformImage {
        var image = LinuxTests.image()
        image.put([0x2_5000, 0], at: 0x7250)
        image.put([0x2_1000, 0, type, size ?? UInt32(words.count * 4)] + words, at: 0x2_5000)
        return image
    }

    private func read(_ image: PlatformImage) throws -> Facts { try image.read(.linux, at: 0x7000).get() }

    // MARK: The confidential computing blob

    @Test func `boot_params give the blob's address`() throws {
        var image = LinuxTests.image()
        image.put([0x80_d000], at: 0x713c)
        #expect(try read(image).confidentialBlob == 0x80_d000)
        // In a page that was not cleared the field is ignored.
        image.bytes[0x71ef] = 0xa5
        #expect(try read(image).confidentialBlob == 0)
    }

    @Test func `setup_data gives the blob's address`() throws {
        for (type, words, blob) in [
            (7, [0x80_d000], 0x80_d000), (7, [0x80_d000, 0x1234], 0x80_d000), (7, [0xffff_f000], 0xffff_f000),
            (7, [], 0), (9, [0x80_d000], 0),
        ] as [(UInt32, [UInt32], UInt64)] {
            let facts = try read(image(type, words))
            #expect(facts.confidentialBlob == blob && facts.regions.count == 5 && !facts.hasUnreadSetupData)
        }
        // Too few bytes for an address.
        #expect(try read(image(7, [0x80_d000], size: 3)).confidentialBlob == 0)
    }

    /// A kernel that was itself started by this protocol passes the blob on in boot_params; firmware's tables are read last.
    @Test func `boot_params come first, and firmware last`() throws {
        var image = image(7, [0x80_d000])
        image.put([0x3436_4c45, 0x2_3000], at: 0x71c0)
        image.put([0x2049_4249, 0x5453_5953], at: 0x2_3000)
        image.put([1, 0, 0x2_4000, 0], at: 0x2_3068)
        image.put([0x067b_1f5f, 0x44c5_cf26, 0xd793_5485, 0x422d_9177, 0x80_f000, 0], at: 0x2_4000)
        #expect(try read(image).confidentialBlob == 0x80_d000)
        image.put([0x80_e000], at: 0x713c)
        #expect(try read(image).confidentialBlob == 0x80_e000)
        image.put([0], at: 0x713c)
        image.put([0, 0], at: 0x7250)
        #expect(try read(image).confidentialBlob == 0x80_f000)
    }

    // MARK: Out of reach

    /// The first element lies out of reach: past the end of memory, across it, or so high that the sum would wrap.
    @Test(arguments: [[0x4_0000, 0], [0x3_fff1, 0], [0, 1], [.max, .max]] as [[UInt32]])
    func `an element out of reach ends the list`(_ address: [UInt32]) throws {
        var image = LinuxTests.image()
        image.put(address, at: 0x7250)
        let facts = try read(image)
        #expect(facts.regions.count == 3 && facts.hasUnreadSetupData)
        // Earlier facts are kept.
        image = self.image(7, [0x80_d000])
        image.put(address, at: 0x2_5000)
        let other = try read(image)
        #expect(other.confidentialBlob == 0x80_d000 && other.regions.count == 3 && other.hasUnreadSetupData)
        #expect(try !read(LinuxTests.image()).hasUnreadSetupData)
    }

    /// Its address is in reach, so its size is wrong.
    @Test func `an element that does not fit is refused`() {
        var image = LinuxTests.image()
        image.put([0x3_fff0, 0], at: 0x7250)
        image.put([0, 0, 7, 4], at: 0x3_fff0)
        #expect(
            image.read(.linux, at: 0x7000).fault
                == Fault(.platformStructureOutsideMemory, value: 0x4_0000, limit: 4))
    }
}
