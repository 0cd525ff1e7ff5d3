// The parts of an image of several files: those of each file, and the loader's additions.

@testable import Linking
import Bytes
import Diagnostics
import TestSupport
import Testing

extension LibraryTests {
    /// Every byte of the plan is in one part, or between two pages. The loader's data and code are the last two parts.
    @Test(arguments: [0, 0x60_0000] as [UInt64]) func partsOfSeveralFiles(_ base: UInt64) throws {
        var application = Self.application([])
        application.base = base
        var one = Self.library([("wanted", 0x11)])
        one.entries = [(12, 0x4000)]
        one.tls = LinkedTLS(vaddr: 0x4000, filesz: 8, memsz: 16, align: 8)
        one.rela = [LinkedRelocation(offset: 0x4010, type: 36)]
        let together = Self.together(application, [one, Self.library([])])
        var plans = [LinkPlan()]
        let link = try together.link(plans.mutableSpan)
        var parts: [ImagePart] = []
        var walk = ImageParts()
        while walk.advance(in: link, together.view) { parts.append(walk.part) }
        func part(_ start: UInt64, _ end: UInt64, isWritable: Bool = false, isExecutable: Bool = true) -> ImagePart {
            ImagePart(start: start, end: end, isWritable: isWritable, isExecutable: isExecutable)
        }
        let plan = link.plan
        // The writer's segments are writable and executable; a TLS descriptor's code, of 0x20 bytes, follows its file.
        #expect(
            parts == [
                part(base, base + 0x4100, isWritable: true),
                part(base + 0x5000, base + 0x9100, isWritable: true), part(base + 0x9100, base + 0x9120),
                part(base + 0xa000, base + 0xe100, isWritable: true),
                part(plan.dataStart, plan.dataEnd, isExecutable: false), part(plan.codeStart, plan.end),
            ])
        #expect(plan.dataStart == base + 0xf000 && plan.dataEnd > plan.dataStart && plan.end > plan.codeStart)
        let isOver = walk.advance(in: link, together.view)
        #expect(!isOver)
    }
}
