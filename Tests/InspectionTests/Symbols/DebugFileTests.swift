// Places of a stripped file's symbols, for any machine; a file without symbols is reported as stripped.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DebugFileTests {
    private static let forms = [(true, false), (true, true), (false, false), (false, true)]

    /// A file with only its dynamic symbols, and its debug file, in which a function has another name, to tell the two
    /// apart.
    private func files(_ form: (Bool, Bool), linked: Bool = false) -> (own: [UInt8], debug: [UInt8]) {
        var file = FileOfAnyForm(isWide: form.0, isBigEndian: form.1)
        file.hasAllSymbols = true
        var debug = file.bytes
        // This text occurs only once.
        let place = debug.indices.first { debug[$0...].starts(with: Array("\0run\0".utf8)) } ?? 0
        debug[place + 1] = UInt8(ascii: "f")
        file.hasAllSymbols = false
        if linked { file.debugLink = ("app.debug", 0) }
        return (file.bytes, debug)
    }

    @Test(arguments: forms) func `a debug file is found by build ID and name`(_ form: (Bool, Bool)) async throws {
        let folder = try Folder()
        let (own, debug) = files(form, linked: true)
        try folder.write("app", own)
        try folder.write("app.debug", debug)
        let found = try await Tool.run(["sizes", "--by", "symbol", "app"], in: folder.url)
        #expect(found.status == 0 && found.output.contains(" fun\n"), "\(found)")
        #expect(
            found.errors.contains("symbols are those of ") && found.errors.hasSuffix("/app.debug\n"), "\(found.errors)")
    }

    @Test(arguments: forms) func `a debug file of another build is refused`(_ form: (Bool, Bool)) async throws {
        let folder = try Folder()
        try folder.write("app", files(form).own)
        try folder.write("right", files(form).debug)
        var other = FileOfAnyForm(isWide: form.0, isBigEndian: form.1)
        (other.hasAllSymbols, other.buildID) = (true, [0xab, 0xcd, 0xee])
        try folder.write("wrong", other.bytes)
        let words = ["sizes", "--by", "symbol", "--debug-file"]
        let right = try await Tool.run(words + ["right", "app"], in: folder.url)
        #expect(right.status == 0 && right.output.contains(" fun\n") && right.errors.isEmpty, "\(right)")
        let wrong = try await Tool.run(words + ["wrong", "app"], in: folder.url)
        #expect(wrong.status != 0 && wrong.errors.contains("wrong is from a different build than app"), "\(wrong)")
    }

    @Test(arguments: forms) func `a stripped file is reported as one`(_ form: (Bool, Bool)) async throws {
        let folder = try Folder()
        try folder.write("app", files(form).own)
        try folder.write("whole", files(form).debug)
        for kind in ["symbol", "crate"] {
            let stripped = try await Tool.run(["sizes", "--by", kind, "app"], in: folder.url)
            #expect(
                stripped.status == 0 && stripped.errors.contains("app is stripped")
                    && stripped.errors.contains("--debug-file FILE"), "\(kind): \(stripped)")
            let whole = try await Tool.run(["sizes", "--by", kind, "whole"], in: folder.url)
            #expect(whole.status == 0 && whole.errors.isEmpty, "\(kind): \(whole)")
        }
        // Sections and segments need no symbols.
        let sections = try await Tool.run(["sizes", "app"], in: folder.url)
        #expect(sections.status == 0 && sections.errors.isEmpty, "\(sections)")
    }
}
