// Calls that break a rule about files, entry points, notes, libraries or symbols, and the calls that follow the advice.

import Diagnostics
import Foundation
import TestSupport

extension AdviceTests {
    /// Damaged files, and files of other kinds.
    static func addFiles(to cases: inout AdviceCases) {
        let sound = Call(file: application())
        cases.add(.emptyFile, Call(file: []), sound)
        cases.add(.notELF, Call(file: Array("text".utf8)), sound)
        cases.add(.fileTooShort, Call(file: Array(sound.file.prefix(40))), sound)
        cases.add(.notClass64, Call(file: sound.file.putting(1 as UInt8, at: 4)), sound)
        cases.add(.notLittleEndian, Call(file: sound.file.putting(2 as UInt8, at: 5)), sound)
        cases.add(.wrongMachine, Call(file: sound.file.putting(183 as UInt16, at: 18)), sound)
        cases.add(.coreFile, Call(file: sound.file.putting(4 as UInt16, at: 16)), sound)
        cases.add(.unknownFileType, Call(file: sound.file.putting(7 as UInt16, at: 16)), sound)
        cases.add(.programHeadersBeyondFile, Call(file: Array(sound.file.prefix(100))), sound)
        cases.add(.segmentBeyondFile, Call(file: Array(sound.file.dropLast(8))), sound)
        cases.add(.noProgramHeaders, Call(file: sound.file.putting(0 as UInt16, at: 56)), sound)
        cases.add(.noLoadSegment, Call(file: application { $0.hasLoadSegment = false }), sound)
        cases.add(
            .segmentsOverlap,
            Call(file: application { $0.segments.append(Segment(1, offset: 0, vaddr: 0, filesz: 64)) }),
            Call(file: application { $0.segments.append(Segment(1, offset: 0, vaddr: 0x10000, filesz: 64)) }))
        cases.add(
            .needsInterpreter,
            Call(file: application { $0.segments.append(Segment(3, offset: 1, vaddr: 1, filesz: 3)) }), sound)
        cases.add(
            .tlsOutsideImage,
            Call(file: application { $0.segments.append(Segment(7, offset: 0, vaddr: 1 << 20, filesz: 8)) }),
            Call(file: application { $0.segments.append(Segment(7, offset: 960, vaddr: 960, filesz: 8)) }))
        cases.add(
            .tlsBeforeImage,
            Call(
                file: application(fixed: true, at: 0x80_0100) {
                    $0.segments.append(Segment(7, offset: 0, vaddr: 0x80_0100, filesz: 8, align: 0x1000))
                }),
            Call(
                file: application(fixed: true, at: 0x80_0000) {
                    $0.segments.append(Segment(7, offset: 0, vaddr: 0x80_0000, filesz: 8, align: 0x1000))
                }))
    }

    /// Entry points.
    static func addEntryPoints(to cases: inout AdviceCases) {
        let sound = Call(file: application())
        cases.add(.entryOutsideImage, Call(file: application { $0.entry = 1 << 20 }), sound)
        cases.add(.entryInHeader, Call(file: application { $0.entry = 0 }), sound)
        cases.add(.entryWithoutBytes, Call(file: application { ($0.zeroFill, $0.entry) = (0x1000, 0x1000) }), sound)
        let readOnly = application {
            $0.hasLoadSegment = false
            $0.segments.append(Segment(1, offset: 0, vaddr: 0, filesz: 1000, flags: 4))
        }
        let executable = application {
            $0.hasLoadSegment = false
            $0.segments.append(Segment(1, offset: 0, vaddr: 0, filesz: 1000, flags: 5))
        }
        cases.add(
            .entryNotExecutable, Call(file: readOnly), Call(file: executable),
            Call(file: readOnly, options: options("loader.no-protect")))
        cases.add(
            .entryNotExecutable, Call(file: object { $0.sections[0].flags = 2 }), Call(file: object()),
            Call(file: object { $0.sections[0].flags = 2 }, options: options("loader.no-protect")))
        cases.add(
            .debuggingInformationOnly,
            Call(
                file: Sample.adding([(".text", 8, 0, 0)], to: sound.file).withSection(1, flags: 6, at: 0, size: 0x1000)),
            sound)
        cases.add(.entrySymbolMissing, Call(file: object { $0.symbols[0].name = "main" }), Call(file: object()))
        cases.add(.noSymbolTable, Call(file: object().replacingType(2, with: 1)), Call(file: object()))
        cases.add(.noSectionHeaders, Call(file: object().putting(0 as UInt64, at: 40)), Call(file: object()))
    }

    /// Notes.
    static func addNotes(to cases: inout AdviceCases) {
        let sound = Call(file: application())
        let versions = (1...5).map { hermitNote($0) }
        cases.add(
            .entryVersionSize,
            Call(file: application(notes: note(Array("HERMIT\0".utf8), type: 0x5a00, desc: [1, 2]))), sound)
        cases.add(.contradictoryEntryVersion, Call(file: application(notes: versions[0] + versions[1])), sound)
        cases.add(
            .abiTagSize,
            Call(file: application(notes: versions[3] + note(Array("GNU\0".utf8), type: 1, desc: [6, 0, 0, 0]))),
            sound)
        cases.add(.abiTagNotHermit, Call(file: application(notes: versions[3] + abiTag(3, 2, 0, system: 0))), sound)
        let unmarked = application(notes: []) { $0.osABI = 0 }
        cases.add(
            .missingEntryVersion, Call(file: unmarked), sound,
            Call(file: unmarked, options: options("loader.generation=0")),
            Call(file: unmarked, options: options("loader.generation=4-recursive")),
            Call(file: unmarked, options: options("loader.generation=4-identity")))
    }

    /// Libraries and symbols.
    static func addLibraries(to cases: inout AdviceCases) {
        let sound = Call(file: application())
        cases.add(
            .needsLibrary, Call(file: needing), Call(file: needing, libraries: [library()]), sound)
        cases.add(
            .notSharedObject, Call(file: needing, libraries: [library(type: 2)]),
            Call(file: needing, libraries: [library()]))
        cases.add(
            .optionMisplaced, Call(file: needing, libraries: [library()], options: ["--module", "lib0 loader.quiet"]),
            Call(file: needing, libraries: [library()], options: options("loader.quiet")))
        cases.add(
            .optionForKernel, Call(file: sound.file, options: ["--command-line", "one loader.quiet"]),
            Call(file: sound.file, options: options("loader.quiet") + ["--command-line", "one"]),
            Call(file: sound.file, options: ["--command-line", "one -- loader.quiet"]))
        cases.add(
            .optionAfterOthers,
            Call(file: sound.file, options: ["--protocol", "pvh", "--command-line", "one loader.quiet"]),
            Call(file: sound.file, options: ["--protocol", "pvh", "--command-line", "loader.quiet one"]),
            Call(file: sound.file, options: ["--protocol", "pvh", "--command-line", "one -- loader.quiet"]))
        cases.add(
            .symbolUndefined, Call(file: object([Relocation(1, at: 0, symbol: 2)])),
            Call(file: object([Relocation(1, at: 0, symbol: 1)])))
        cases.add(
            .symbolThreadLocal, Call(file: object([Relocation(1, at: 0, symbol: 4)])),
            Call(file: object([Relocation(1, at: 0, symbol: 1)])))
        cases.add(
            .symbolNotThreadLocal, Call(file: object([Relocation(18, at: 0, symbol: 1)])),
            Call(file: object([Relocation(18, at: 0, symbol: 4)])))
        cases.add(
            .relocationOverflow, Call(file: object([Relocation(11, at: 0, symbol: 3)])),
            Call(file: object([Relocation(1, at: 0, symbol: 3)])))
    }
}

extension [UInt8] {
    /// The file, with section `index` marked as being in memory.
    fileprivate func withSection(_ index: Int, flags: UInt64, at address: UInt64, size: UInt64) -> [UInt8] {
        let header = Int(number(UInt64.self, at: 40)) + 64 * index
        return putting(flags, at: header + 8).putting(address, at: header + 16).putting(size, at: header + 32)
    }

    /// The file, with section headers of one type changed to another type.
    fileprivate func replacingType(_ old: UInt32, with new: UInt32) -> [UInt8] {
        var file = self
        let table = Int(number(UInt64.self, at: 40))
        for index in 0..<Int(number(UInt16.self, at: 60)) where number(UInt32.self, at: table + 64 * index + 4) == old {
            file.put(new, at: table + 64 * index + 4)
        }
        return file
    }
}
