// An application with shared objects: all views, gdb and crash reports agree on their addresses.

import Foundation
import FoundationXML
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LibraryTests {
    private static let fixtures = Tool.root.path + "/build/fixtures/"
    private static let libraries = ["libtop.so", "libmiddle.so", "libbase.so"]
    /// The options for the libraries, then the application.
    static let words = libraries.flatMap { ["--module", fixtures + $0] } + [fixtures + "libraries-pie"]
    static let isReady = FileManager.default.fileExists(atPath: fixtures + "libraries-pie")

    /// Names and addresses from the verdict.
    private func placed() async throws -> [(name: String, start: UInt64)] {
        let run = try await Tool.run(["verdict", "--json"] + Self.words)
        #expect(run.status == 0)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        let list = try #require(document?["libraries"] as? [[String: Any]])
        return try list.map { library in
            let start = (library["image"] as? String).flatMap { UInt64($0.dropFirst(2), radix: 16) }
            return (try #require(library["name"] as? String), try #require(start))
        }
    }

    @Test(.enabled(if: isReady, "make fixtures")) func allAgreeWhereLibrariesLie() async throws {
        let placed = try await placed()
        #expect(placed.map(\.name) == Self.libraries)
        let text = try await Tool.run(["verdict"] + Self.words).output
        let script = try await Tool.run(["gdb-script"] + Self.words).output
        for (name, start) in placed {
            let address = "0x" + String(start, radix: 16)
            #expect(text.contains("\(name) at \(address)-0x"))
            #expect(script.contains("\nadd-symbol-file \(Self.fixtures)\(name) -o \(address)\n"), "\(script)")
        }
    }

    /// The picture shows the application's file; the libraries are in memory, and among the modules.
    @Test(.enabled(if: isReady, "make fixtures")) func thePictureSaysWhereLibrariesLie() async throws {
        let map = try await Tool.run(["map"] + Self.words)
        #expect(map.status == 0, "\(map.errors)")
        let folder = try Folder()
        _ = try await Tool.run(["map", "-o", "map.svg"] + Self.words, in: folder.url)
        let drawing = try String(contentsOf: folder.url.appendingPathComponent("map.svg"), encoding: .utf8)
        for (name, start) in try await placed() {
            let address = "0x\(String(start, radix: 16))"
            #expect(map.output.contains("  \(name) at \(address), "))
            // Once in the image, by its sections and the gaps between them, and once in the guest's memory.
            let rows = map.output.split(separator: "\n").filter {
                $0.contains(" \(address) ") && ($0.hasSuffix("  \(name)") || $0.hasSuffix(" (\(name))"))
            }
            #expect(rows.count == 2 && rows.allSatisfy { $0.contains("▞") }, "\(rows)")
            #expect(map.output.contains("  module \(name)\n"))
            #expect(drawing.contains(">\(name) .text</text>") && drawing.contains("<title>\(name) .text: "))
        }
        // The loader's additions are shown in the image, too.
        #expect(map.output.contains("  added by the loader\n") && drawing.contains(">TLS template, arrays</text>"))
        #expect(XMLParser(data: Data(drawing.utf8)).parse())
        let listed = try await Tool.run(["relocations", Self.fixtures + "libraries-pie"]).output
        let rows = listed.split(separator: "\n").count - 1
        #expect(map.output.contains("  \(rows) relocated places\n"))
    }

    /// An option can place an image with its libraries.
    @Test(.enabled(if: isReady, "make fixtures")) func imagesAtAGivenAddress() async throws {
        let run = try await Tool.run(["load", "--base", "0x600000"] + Self.words)
        #expect(run.status == 0 && run.output.hasPrefix("image 0x600000 "), "\(run.errors)")
        let told = try await Tool.run(["load", "--loader-options", "loader.base=0x600000"] + Self.words)
        #expect(told.output == run.output, "\(told.errors)")
    }

    /// Findings about relocations cover an application with libraries, too.
    @Test(.enabled(if: isReady, "make fixtures")) func findingsKnowItsRelocations() async throws {
        let text = try await Tool.run(["verdict", "--json"] + Self.words).output
        for name in ["upstream-libraries", "upstream-relocations", "upstream-tables"] {
            #expect(text.contains(#""name" : "\#(name)""#))
        }
    }

    @Test(.enabled(if: isReady, "make fixtures")) func addressesInLibrariesHaveNames() async throws {
        let placed = try await placed()
        let symbols = try await Tool.run(["symbols", "--json", Self.fixtures + "libtop.so"]).output
        let document = try JSONSerialization.jsonObject(with: Data(symbols.utf8)) as? [String: Any]
        let function = try #require(
            (document?["rows"] as? [[String: Any]] ?? []).first {
                $0["type"] as? String == "FUNC" && $0["section"] as? String != "UND"
                    && $0["table"] as? String == ".symtab"
            })
        let value = try #require((function["value"] as? String).flatMap { UInt64($0.dropFirst(2), radix: 16) })
        let address = "0x" + String(placed[0].start + value + 1, radix: 16)
        let folder = try Folder()
        let qemu = try folder.write("qemu", Array("#!/bin/sh\necho exception at \(address)\nexit 47\n".utf8))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: qemu.path)
        let run = try await Tool.run(["boot", "--qemu", qemu.path] + Self.words, in: Tool.root)
        #expect(run.status == 47)
        #expect(run.errors.contains("  \(address)  \(function["name"] as? String ?? "")+0x1\n"), "\(run.errors)")
    }

    /// At this base the application fits in the address space, but its libraries do not.
    @Test(.enabled(if: isReady, "make fixtures")) func basesThatCannotBe() async throws {
        let alone = try await Tool.run(["relocations", "--base", "0xffffffffffff0000"] + Self.words.suffix(1))
        #expect(alone.status < 2 && !alone.errors.contains("error:"), "\(alone.errors)")
        let run = try await Tool.run(["relocations", "--base", "0xffffffffffff0000"] + Self.words)
        #expect(run.status == 64 && run.output.isEmpty)
        #expect(run.errors.hasSuffix(" bytes in memory: from 0xffffffffffff0000 on they do not fit in 64 bits\n"))
    }

    @Test(.enabled(if: isReady, "make fixtures")) func relocationsNameTheFileThatDefinesTheirSymbol() async throws {
        let run = try await Tool.run(["relocations", "--json"] + Self.words)
        #expect(run.status == 0)
        // One document for each file.
        let documents = run.output.components(separatedBy: "\n{\"schema\"").enumerated().map {
            ($0.offset == 0 ? "" : "{\"schema\"") + $0.element
        }
        var found: [String: Set<String>] = [:]
        for text in documents {
            let document = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            let file = (document["file"] as? String ?? "").split(separator: "/").last.map(String.init) ?? ""
            for row in try #require(document["rows"] as? [[String: Any]]) {
                guard let symbol = row["symbol"] as? String, let definer = row["definedBy"] as? String else { continue }
                found["\(file) \(symbol)", default: []].insert(
                    definer.split(separator: "/").last.map(String.init) ?? "")
            }
        }
        #expect(found["libraries-pie base_number"] == ["libbase.so"])
        #expect(found["libmiddle.so who"] == ["libraries-pie"])
        #expect(found["libbase.so __tls_get_addr"] == ["the loader"])
        #expect(found["libtop.so middle_variable"] == ["libmiddle.so"])
    }

    /// If a library is at fault, the fault is the library's: the application only does not boot, and there is no advice
    /// to change it.
    @Test(.enabled(if: isReady, "make fixtures")) func librariesAtFault() async throws {
        let folder = try Folder()
        let base = Array(try Data(contentsOf: URL(fileURLWithPath: Self.fixtures + "libbase.so")))
        let changes: [(name: String, bytes: [UInt8], advice: String, status: Int32)] = [
            ("32-bit", base.putting(1 as UInt8, at: 4), "build it for x86-64", 1),
            ("big endian", base.putting(2 as UInt8, at: 5), "build it for x86-64", 1),
            ("AArch64", base.putting(183 as UInt16, at: 18), "build it for x86-64", 1),
            ("core dump", base.putting(4 as UInt16, at: 16), "give the file that was running", 1),
            ("fixed", base.putting(2 as UInt16, at: 16), "link the library with -shared", 1),
            ("unknown type", base.putting(99 as UInt16, at: 16), "link it again", 1),
            ("no program headers", base.putting(0 as UInt16, at: 56), "link it again", 1),
            ("cut short", Array(base.prefix(500)), "the file was cut short: copy or build it again", 2),
        ]
        let others = ["libtop.so", "libmiddle.so"].flatMap { ["--module", Self.fixtures + $0] }
        for change in changes {
            let library = try folder.write("libbase.so", change.bytes).path
            let run = try await Tool.run(others + ["--module", library, Self.fixtures + "libraries-pie"])
            let lines = run.output.split(separator: "\n")
            #expect(
                lines[0].hasSuffix("libraries-pie: will not boot") && run.status == change.status,
                "\(change.name): \(lines[0])")
            #expect(lines[1].hasPrefix("  error: libbase.so: "), "\(change.name): \(lines[1])")
            #expect(lines[1].hasSuffix("; \(change.advice)"), "\(change.name): \(lines[1])")
        }
    }

    /// The tool lists the libraries that an application needs before they are given.
    @Test(.enabled(if: isReady, "make fixtures")) func librariesThatAreNotGiven() async throws {
        let run = try await Tool.run([Self.fixtures + "libraries-pie"])
        #expect(run.status == 1)
        #expect(run.output.contains("  error: it needs libraries that no module provides: 'libtop.so'"))
        #expect(run.output.contains("--module LIBRARY for each"), "\(run.output)")
    }

    /// QEMU passes one module by PVH; the list of starters that boot the file says so, too.
    @Test(.enabled(if: isReady, "make fixtures")) func librariesByPVH() async throws {
        for (name, isTold) in [("pvh", true), ("multiboot", false)] {
            let run = try await Tool.run(["--protocol", name] + Self.words)
            #expect(run.status == 0)
            #expect(run.output.contains("  warning      by PVH, QEMU gives the loader one module only") == isTold)
        }
    }
}
