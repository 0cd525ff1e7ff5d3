// The guest as witness: the bytes that `load` predicts at the jump are those in QEMU's memory.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(minutesPerTest))) struct WitnessTests {
    static let isReady =
        FileManager.default.fileExists(atPath: Tool.root.appendingPathComponent("build/loader").path)
        && FileManager.default.fileExists(atPath: Tool.root.appendingPathComponent("build/fixtures/demo").path)
        && isInstalled("qemu-system-x86_64")

    /// Application, machine, memory, protocol.
    static let cells = [
        ("demo", "pc", "1G", "multiboot"), ("demo", "q35", "3G", "pvh"), ("demo", "microvm", "4G", "multiboot"),
        ("demo-recursive", "pc", "128M", "pvh"), ("gen0-pie", "q35", "1G", "multiboot"),
        ("gen1-4M", "pc", "1G", "pvh"), ("gen2-16M", "pc", "8G", "multiboot"), ("gen3-8M", "microvm", "1G", "pvh"),
        ("object-crash.o", "pc", "1G", "multiboot"), ("object-protect-NOTHING.o", "q35", "2G", "pvh"),
    ]

    @Test(.enabled(if: isReady, "make loader fixtures"), arguments: cells)
    func guestHoldsTheSame(_ name: String, _ machine: String, _ memory: String, _ protocolName: String) async throws {
        let file = Tool.root.appendingPathComponent("build/fixtures/\(name)")
        let folder = try Folder()
        let bytes = Array(try Data(contentsOf: file))
        try folder.write("app", name.hasSuffix(".o") ? try await spinning(object: bytes) : try spinning(bytes))
        var loader = Array(try Data(contentsOf: Tool.root.appendingPathComponent("build/loader")))
        if protocolName == "pvh" {
            // Without the Multiboot header's magic number QEMU uses the PVH note.
            let magic = try #require(Data(loader).range(of: Data([0x02, 0xb0, 0xad, 0x1b]))).lowerBound
            for index in magic..<magic + 4 { loader[index] = 0 }
        }
        try folder.write("loader", loader)

        let options = [
            "--machine", machine, "--memory", memory, "--protocol", protocolName, "--loader", "loader",
            "--loader-options", "loader.verbose", "--command-line", "-- a b",
        ]
        let host = try await Tool.run(
            ["load"] + options + ["--output", "image.host", "--memory-dump", "handoff.host", "app"], in: folder.url)
        try #require(host.status == 0, "\(host.output)\(host.errors)")
        let lines = host.output.split(separator: "\n").map { $0.split(separator: " ") }
        let dumps = zip(["image", "handoff"], lines).map { "pmemsave \($1[1]) \($1[2]) \"\($0).guest\"" }
        let words =
            protocolName == "pvh"
            ? "-initrd app -append 'loader.verbose -- a b'" : "-initrd 'app loader.verbose' -append '-- a b'"
        let script = """
            cd '\(folder.url.path)'
            (\(try Self.untilItSpins(host.output))
            echo '\(dumps[0])'; echo '\(dumps[1])'; echo 'info tlb'; echo 'print 1000000 + 234567'
            i=0; while [ $i -lt 1200 ] && ! grep -q '^0x12d687' monitor; do sleep 0.1; i=$((i+1)); done; echo quit) 2>/dev/null |
            timeout 300 qemu-system-x86_64 -M \(machine) -m \(memory) -smp 1 -display none -no-reboot \
            -cpu qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt -serial file:serial -monitor stdio \
            -kernel loader \(words) >monitor
            """
        _ = try #require(await Tool.other("sh", ["-c", script]))

        // With all facts that the loader has about the machine. SeaBIOS and serial lines add carriage returns and zeros.
        let serial = String(
            decoding: try Data(contentsOf: folder.url.appendingPathComponent("serial")).filter { $0 != 13 && $0 != 0 },
            as: UTF8.self)
        let report = host.output.split(separator: "\n").filter { $0.hasPrefix("[LOADER]") }.joined(separator: "\n")
        #expect(serial.hasSuffix(report + "\n"))
        try compare("image", in: folder, ignoring: 0)
        // The CPU marks page table entries as accessed and dirty.
        try compare("handoff", in: folder, ignoring: 0x60)
        // The meaning of the page tables, according to QEMU's own walk.
        let pages = try await Tool.run(["pages", "--json"] + options + ["app"], in: folder.url)
        let listed = try PageList(json: pages.output),
            walked = PageList(
                monitor: String(
                    decoding: try Data(contentsOf: folder.url.appendingPathComponent("monitor")), as: UTF8.self))
        #expect(listed.pages.count > 500 || name.hasPrefix("gen"))
        #expect(Set(listed.pages).symmetricDifference(walked.pages).sorted().prefix(8) == [])
    }

    /// An application with shared objects: only the results of resolver functions differ.
    @Test(.enabled(if: isReady, "make loader fixtures"), arguments: ["libraries-pie", "libraries-low"])
    func guestHoldsTheSameLibraries(_ name: String) async throws {
        let fixtures = Tool.root.appendingPathComponent("build/fixtures")
        let folder = try Folder()
        let libraries = ["libtop.so", "libmiddle.so", "libbase.so"]
        try folder.write("app", try spinning(Array(try Data(contentsOf: fixtures.appendingPathComponent(name)))))
        for library in libraries {
            try folder.write(library, Array(try Data(contentsOf: fixtures.appendingPathComponent(library))))
        }
        try folder.write("loader", Array(try Data(contentsOf: Tool.root.appendingPathComponent("build/loader"))))
        let host = try await Tool.run(
            [
                "load", "--loader", "loader", "--command-line", "-- a", "--output", "image.host", "--memory-dump",
                "handoff.host",
            ]
                + libraries.flatMap { ["--module", $0] } + ["app"], in: folder.url)
        try #require(host.status == 0, "\(host.output)\(host.errors)")
        #expect(host.output.contains("3 words as in the file: only the guest can call"))
        let lines = host.output.split(separator: "\n").map { $0.split(separator: " ") }
        let dumps = zip(["image", "handoff"], lines).map { "pmemsave \($1[1]) \($1[2]) \"\($0).guest\"" }
        let script = """
            cd '\(folder.url.path)'
            (\(try Self.untilItSpins(host.output))
            echo '\(dumps[0])'; echo '\(dumps[1])'; echo quit) 2>/dev/null |
            timeout 300 qemu-system-x86_64 -M pc -m 1G -smp 1 -display none -no-reboot \
            -cpu qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt -serial file:serial -monitor stdio \
            -kernel loader -initrd 'app,\(libraries.joined(separator: ","))' -append '-- a' >monitor
            """
        _ = try #require(await Tool.other("sh", ["-c", script]))
        let own = Array(try Data(contentsOf: folder.url.appendingPathComponent("image.host")))
        let guest = Array(try Data(contentsOf: folder.url.appendingPathComponent("image.guest")))
        try #require(own.count == guest.count)
        // A resolver's result in a copied object is copied as well.
        let different = Set(own.indices.filter { own[$0] != guest[$0] }.map { $0 / 8 })
        #expect(different.count == (name == "libraries-pie" ? 3 : 4), "words \(different)")
        try compare("handoff", in: folder, ignoring: 0x60)
    }

    /// A shell command that asks QEMU's monitor for the registers until the application of `report` is at its first instruction, however
    /// long the machine takes.
    private static func untilItSpins(_ report: String) throws -> String {
        let entry = try #require(report.firstMatch(of: /, entry point 0x([0-9a-f]+)/)).1
        let address = String(repeating: "0", count: 16 - entry.count) + entry
        return "i=0; while [ $i -lt 1200 ] && ! grep -q 'RIP=\(address)' monitor; do echo 'info registers'; sleep 0.1; "
            + "i=$((i+1)); done"
    }

    /// Compares two dumps; the bits of `mask` in the first byte of every word may differ.
    private func compare(_ name: String, in folder: Folder, ignoring mask: UInt8) throws {
        let host = Array(try Data(contentsOf: folder.url.appendingPathComponent("\(name).host")))
        let guest = Array(try Data(contentsOf: folder.url.appendingPathComponent("\(name).guest")))
        try #require(host.count == guest.count)
        let different = host.indices.filter { index in
            host[index] != guest[index] && (index % 8 != 0 || (host[index] ^ guest[index]) & ~mask != 0)
        }
        #expect(
            different.isEmpty,
            "\(name): \(different.count) bytes differ, the first at offset \(different.first ?? 0)")
    }

    /// The object file with an endless loop at `_start`, for the same purpose.
    private func spinning(object: [UInt8]) async throws -> [UInt8] {
        func rows(_ view: String) async throws -> [[String: Any]] {
            let run = try await Tool.run([view, "--json", "-"], input: object)
            let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
            return try #require(document?["rows"] as? [[String: Any]])
        }
        func number(_ value: Any?) throws -> Int {
            try #require((value as? String).flatMap { Int($0.dropFirst(2), radix: 16) })
        }
        let start = try #require(try await rows("symbols").first { $0["name"] as? String == "_start" })
        let index = try #require((start["section"] as? String).flatMap { Int($0) })
        let section = try #require(try await rows("sections").first { $0["index"] as? Int == index })
        let place = try number(section["offset"]) + number(start["value"])
        var copy = object
        copy.replaceSubrange(place..<place + 2, with: [0xeb, 0xfe])
        return copy
    }

    /// The application with an endless loop for its first instruction, so that memory stays as it was at the jump.
    private func spinning(_ file: [UInt8]) throws -> [UInt8] {
        func word(_ offset: Int) -> Int { (0..<8).reversed().reduce(0) { $0 << 8 | Int(file[offset + $1]) } }
        var copy = file
        let (entry, headers) = (word(24), word(32))
        for index in 0..<Int(file[56]) {
            let header = headers + index * 56
            guard file[header] == 1, file[header + 1] == 0 else { continue }
            let (offset, address, size) = (word(header + 8), word(header + 16), word(header + 32))
            guard entry >= address, entry + 2 <= address + size else { continue }
            copy[offset + entry - address] = 0xeb
            copy[offset + entry - address + 1] = 0xfe
            return copy
        }
        throw CancellationError()
    }
}

/// Pages as text: address, physical address and access.
private struct PageList {
    private(set) var pages: [String] = []

    /// The pages of `pages --json`.
    init(json: String) throws {
        let document = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        for row in try #require(document?["rows"] as? [[String: Any]]) {
            func number(_ key: String) throws -> UInt64 {
                try #require((row[key] as? String).flatMap { UInt64($0.dropFirst(2), radix: 16) })
            }
            let size = try number("pageSize")
            let flags = try #require(row["flags"] as? String)
            if flags == "recursive" {
                add(.max - 0xfff, try number("physical"), false, "rwx")
                continue
            }
            for index in 0..<UInt64(try #require(row["count"] as? Int)) {
                add(try number("virtual") + index * size, try number("physical") + index * size, size > 0x1000, flags)
            }
        }
    }

    /// The pages of QEMU's `info tlb`: addresses, and the letters X (no execution), G, P (a large page), D, A, C, T, U, W. Of the
    /// tables seen through a recursive entry, which the walk takes for pages, only the last is kept.
    init(monitor: String) {
        for line in monitor.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0].last == ":", let start = UInt64(words[0].dropLast(), radix: 16),
                let target = UInt64(words[1], radix: 16), words[2].count == 9,
                start < 0xffff_ff80_0000_0000 || start == .max - 0xfff
            else { continue }
            let flags = "r" + (words[2].contains("W") ? "w" : "-") + (words[2].contains("X") ? "-" : "x")
            add(start, target, words[2].contains("P"), flags)
        }
    }

    private mutating func add(_ start: UInt64, _ target: UInt64, _ isLarge: Bool, _ flags: String) {
        pages.append("\(String(start, radix: 16)) \(String(target, radix: 16))\(isLarge ? " large" : "") \(flags)")
    }
}
