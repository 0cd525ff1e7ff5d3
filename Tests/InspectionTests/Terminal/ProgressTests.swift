// The progress line: only in terminals, and removed at the end.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct ProgressTests {
    /// Writes the file once the line is on the terminal, at most a minute later, however slow the machine is.
    private let waiting =
        "(i=0; while [ $i -lt 600 ] && ! grep -q 'standard input' terminal; do sleep 0.1; i=$((i+1)); done; cat app) |"
    /// Writes the file after the line's delay.
    private let slow = "(sleep 1.5; cat app) |"
    private let gone = "\r\u{1b}[K"

    @Test func appearsInATerminalAndIsGoneBeforeTheOutput() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        let line = #/\rstandard input ... [0-9]+ s\x1b\[K/#
        let text = try await Tool.terminal("\(waiting) \"$tool\" --color never -", in: folder)
        let parts = text.components(separatedBy: gone)
        #expect(parts.count == 2, "\(text.debugDescription)")
        #expect(parts.first?.contains(line) == true, "\(text.debugDescription)")
        #expect(parts.first?.replacing(line, with: "") == "", "\(text.debugDescription)")
        #expect(parts.last?.hasPrefix("-: boots\r\n") == true)
        // Standard output may be a file: then the terminal gets only the line, and is clean at the end.
        let apart = try await Tool.terminal("\(waiting) \"$tool\" - >output", in: folder)
        #expect(apart.contains(line) && apart.hasSuffix(gone), "\(apart.debugDescription)")
        let output = try String(contentsOf: folder.url.appendingPathComponent("output"), encoding: .utf8)
        #expect(output.hasPrefix("-: boots\n") && !output.contains("\u{1b}"))
    }

    @Test func errorsStandOnLinesOfTheirOwn() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.truncated)
        let text = try await Tool.terminal("\(waiting) \"$tool\" segments - && exit 1 || exit 0", in: folder)
        #expect(text.contains("\rstandard input ... "), "\(text.debugDescription)")
        #expect(text.contains(gone + "-: error: "), "\(text.debugDescription)")
    }

    @Test func neverInPipes() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        for command in [
            "\(slow) \"$tool\" - | cat >output", "\(slow) \"$tool\" - >output 2>errors",
            "\(slow) TERM=dumb \"$tool\" - >output", "\"$tool\" app >output",
        ] {
            let text = try await Tool.terminal(command, in: folder)
            #expect(
                !text.contains("standard input") && !text.contains("\u{1b}"), "\(command): \(text.debugDescription)")
            let output = try String(contentsOf: folder.url.appendingPathComponent("output"), encoding: .utf8)
            #expect(output.contains(": boots\n") && !output.contains("\u{1b}"))
        }
    }
}
