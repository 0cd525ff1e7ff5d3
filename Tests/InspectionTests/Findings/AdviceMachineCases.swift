// Calls that break a rule about options or memory, and the calls that follow the advice.

import Diagnostics
import TestSupport

extension AdviceTests {
    /// The loader's options.
    static func addOptions(to cases: inout AdviceCases) {
        let sound = Call(file: application())
        let digest = String(repeating: "0", count: 64)
        let versions = (1...5).map { hermitNote($0) }
        let fixed = application(fixed: true, at: 0x80_0000)
        cases.add(.unknownLoaderOption, Call(file: sound.file, options: options("loader.align")), sound)
        cases.add(.alignmentOptionMisplaced, Call(file: sound.file, options: options("loader.align16")), sound)
        cases.add(
            .digestMalformed, Call(file: sound.file, options: options("loader.sha256=12")),
            Call(file: sound.file, options: options("loader.sha256=\(digest)")))
        cases.add(.digestDiffers, Call(file: sound.file, options: options("loader.sha256=\(digest)")), sound)
        cases.add(
            .baseMalformed, Call(file: sound.file, options: options("loader.base=4x")),
            Call(file: sound.file, options: options("loader.base=8388608")),
            Call(file: sound.file, options: options("loader.base=0x800000")))
        cases.add(
            .baseMisaligned, Call(file: sound.file, options: options("loader.base=0x801000")),
            Call(file: sound.file, options: options("loader.base=0x800000")))
        cases.add(
            .baseOutsideMemory, Call(file: sound.file, options: options("loader.base=0x40000000")),
            Call(file: sound.file, options: options("loader.base=0x800000")),
            Call(file: sound.file, options: options("loader.base=0x40000000") + ["--memory", "2G"]))
        cases.add(
            .baseTooHigh,
            Call(
                file: application(notes: versions[1]), options: options("loader.base=0x60000000") + ["--memory", "2G"]),
            Call(
                file: application(notes: versions[1]), options: options("loader.base=0x800000") + ["--memory", "2G"]))
        cases.add(
            .baseOfFixedImage, Call(file: fixed, options: options("loader.base=0x400000")), Call(file: fixed),
            Call(file: sound.file, options: options("loader.base=0x400000")))
        cases.add(
            .randomPlaceOfFixedImage, Call(file: fixed, options: options("loader.kaslr")), Call(file: fixed),
            Call(file: sound.file, options: options("loader.kaslr")))
    }

    /// Memory that is too small, too low or in use.
    static func addMemory(to cases: inout AdviceCases) {
        let sound = Call(file: application())
        let big = UInt64(4) << 30
        let versions = (1...5).map { hermitNote($0) }
        let fixed = application(fixed: true, at: 0x80_0000)
        cases.add(
            .imageTooLarge, Call(file: application { $0.zeroFill = big }, options: ["--memory", "64G"]), sound,
            Call(file: application { $0.zeroFill = 1 << 20 }))
        cases.add(
            .imageTooLarge, Call(file: application { $0.zeroFill = 1 << 30 }),
            Call(file: application { $0.zeroFill = 1 << 30 }, options: ["--memory", "2G"]))
        cases.add(
            .noRoomForImage, Call(file: application { $0.zeroFill = 28 << 20 }, options: ["--memory", "30M"]),
            Call(file: application { $0.zeroFill = 28 << 20 }, options: ["--memory", "64M"]),
            Call(file: application { $0.zeroFill = 8 << 20 }, options: ["--memory", "30M"]))
        cases.add(
            .noRoomForImage, Call(file: application { $0.alignment = 1 << 30 }),
            Call(file: application { $0.alignment = 1 << 30 }, options: ["--memory", "3G"]),
            Call(file: application { $0.alignment = 1 << 21 }))
        for base in [4, 5, 64] as [UInt64] {
            cases.add(
                .imageAboveReach, Call(file: application(fixed: true, at: base << 30), options: ["--memory", "128G"]),
                Call(file: fixed), sound)
        }
        cases.add(
            .imageOutsideMemory, Call(file: application(fixed: true, at: 0x6000_0000)), Call(file: fixed), sound,
            Call(file: application(fixed: true, at: 0x6000_0000), options: ["--memory", "2G"]))
        cases.add(
            .imageOutsideMemory, Call(file: application(fixed: true, at: 0xe000_0000), options: ["--memory", "64G"]),
            Call(file: fixed), sound)
        // Over the firmware's memory below 1 MiB: the EBDA, and qboot's tables.
        cases.add(
            .imageOverFirmware, Call(file: application(fixed: true, at: 0x9_f000) { $0.zeroFill = 0x1000 }),
            Call(file: application(fixed: true, at: 0x100_0000)), sound)
        cases.add(
            .imageOverNonVolatile,
            Call(file: application(fixed: true, at: 0xd_0000), options: ["--machine", "microvm"]),
            Call(file: application(fixed: true, at: 0x100_0000), options: ["--machine", "microvm"]),
            Call(file: sound.file, options: ["--machine", "microvm"]))
        let low = application(fixed: true, at: 0x1_0000, notes: versions[3])
        cases.add(
            .noRoomForHandoff, Call(file: low, options: ["--memory", "64M"]),
            Call(file: application(fixed: true, at: 0x80_0000, notes: versions[3]), options: ["--memory", "64M"]))
        // Over module and loader, and up to the end of memory.
        let whole = application(fixed: true, at: 0x10_0000) { $0.zeroFill = (29 << 20) + 0x1000 }
        cases.add(
            .noRoomForModule, Call(file: whole, options: ["--memory", "30850K"]),
            Call(file: whole, options: ["--memory", "128M"]))
        let heavy = application { $0.append([UInt8](repeating: 1, count: 4 << 20)) }
        cases.add(
            .moduleOutsideMemory, Call(file: heavy, options: ["--memory", "4M"]),
            Call(file: heavy, options: ["--memory", "64M"]), Call(file: sound.file, options: ["--memory", "4M"]))
    }
}
