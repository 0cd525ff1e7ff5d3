// The sentences of faults.

import Diagnostics
import TestSupport
import Testing

@Suite struct FaultTests {
    @Test func `numbers in a sentence are the fault's`() {
        #expect(
            sentence(Fault(.segmentBeyondFile, .programHeader(3), value: 0x2000, limit: 0x1fff))
                == "program header 3: its bytes end at file offset 0x2000, beyond the file's end at 0x1fff")
        #expect(
            sentence(Fault(.fileTooShort, .header, value: 63, limit: 64))
                == "ELF header: the file ends after 63 bytes, inside a structure that needs 64")
    }
}
