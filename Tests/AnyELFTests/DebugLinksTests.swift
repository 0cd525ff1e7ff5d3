// References to debug files, in files of every form.

import AnyELF
import Bytes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DebugLinksTests {
    private static let forms = [(true, false), (true, true), (false, false), (false, true)]

    private func links(_ bytes: [UInt8]) -> DebugLinks { DebugLinks(ByteView(bytes.span.bytes)) }

    @Test(arguments: forms) func `build IDs and links of every form`(_ form: (Bool, Bool)) {
        var file = FileOfAnyForm(isWide: form.0, isBigEndian: form.1)
        #expect(links(file.bytes).buildID == "abcdef" && links(file.bytes).name == nil)
        file.debugLink = ("app größer.debug", 0x1234_5678)
        let both = links(file.bytes)
        #expect(both.buildID == "abcdef" && both.name == "app größer.debug" && both.checksum == 0x1234_5678)
        file.hasSections = false
        #expect(links(file.bytes).buildID == "abcdef" && links(file.bytes).name == nil)
        for (id, isOne) in [([1], false), ([1, 2], true)] as [([UInt8], Bool)] {
            file.buildID = id
            #expect(links(file.bytes).buildID == (isOne ? "0102" : nil))
        }
        file.buildID = [UInt8](repeating: 7, count: 65)
        #expect(links(file.bytes).buildID == nil)
    }

    @Test func `a file that is not ELF names no debug file`() {
        let file = FileOfAnyForm(isWide: false, isBigEndian: true).bytes
        for bytes in [[], [1, 2, 3], Array(file[..<40])] {
            #expect(links(bytes).buildID == nil && links(bytes).name == nil)
        }
    }
}
