// The machine of a rehearsal: its loader.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct HostMachineTests {
    private static let loader = Tool.root.appendingPathComponent("build/loader")

    /// The loader's place in the verdict's JSON, given `options`.
    private func place(_ folder: Folder, _ options: [String]) async throws -> (start: Int, end: Int, isAssumed: Bool) {
        let run = try await Tool.run(["--json"] + options + ["app"], in: folder.url)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        let loader = try #require(document?["loader"] as? [String: Any], "\(run.output)\(run.errors)")
        func number(_ name: String) -> Int? { (loader[name] as? String).flatMap { Int($0.dropFirst(2), radix: 16) } }
        return (
            try #require(number("start")), try #require(number("end")), try #require(loader["isAssumed"] as? Bool)
        )
    }

    /// Without the loader's file, as `loader-inspect disk` rehearses, nothing may be placed where the loader will lie.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: loader.path), "make loader"))
    func `the assumed loader covers the real one, and little more`() async throws {
        let folder = try Folder()
        try folder.write("app", Sample.application)
        let (assumed, real) = (try await place(folder, []), try await place(folder, ["--loader", Self.loader.path]))
        #expect(assumed.isAssumed && !real.isAssumed)
        #expect(assumed.start == real.start)
        #expect((real.end...real.end + 0x1_0000).contains(assumed.end), "0x\(String(real.end, radix: 16))")
    }

    /// A kernel that ignores reservations gets the archive below its image. Starters put it at the end of RAM, so it is moved.
    @Test func `a moved archive is in the map, and its first place is free`() async throws {
        let folder = try Folder()
        var writer = ELFWriter(type: 3, base: 0)
        writer.append([0xf4])
        writer.addNotes(hermitNote(4) + abiTag(0, 10, 0))
        try folder.write("app.tar", ImageWriter(writer.bytes).archive)
        let map = try await Tool.run(["map", "--width", "200", "--protocol", "pvh", "app.tar"], in: folder.url)
        #expect(map.status == 0, "\(map.errors)")
        let lines = map.output.split(separator: "\n")
        #expect(lines.contains { $0.hasSuffix("archive, moved") }, "\(map.output)")
        #expect(lines.contains { $0.hasSuffix("module, before it was moved") }, "\(map.output)")
    }
}
