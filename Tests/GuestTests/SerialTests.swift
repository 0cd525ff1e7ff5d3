// How the loader writes to the serial port.

import Commands
import TestSupport
import Testing

@Suite(.built, .timeLimit(.minutes(minutesPerTest))) struct SerialTests {
    /// String instructions are slow under KVM, and some monitors drop writes of more than one byte.
    @Test func `no string instruction writes to a port`() async throws {
        let result = try await run(["objdump", "-d", Project.loader.path])
        try #require(result.succeeded, "\(result.output)")
        var symbol = ""
        var instructions: [String] = []
        for line in result.output.split(separator: "\n") {
            if line.hasSuffix(">:") { symbol = String(line) }
            // Strings can look like any instruction.
            guard !symbol.hasSuffix("_text>:"), let instruction = line.split(separator: "\t").last else { continue }
            instructions.append(String(instruction))
        }
        #expect(instructions.contains { $0.hasPrefix("out ") && $0.contains("(%dx)") })
        #expect(instructions.filter { $0.contains("outs") } == [])
    }
}
