// Links in an archive: the kernel's name may be a link, as in container layers.

import Bytes
import Diagnostics
import HermitImage
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct LinkTests {
    /// An entry of an archive: a file has bytes, a link a target.
    private enum Entry {
        case file(String, String)
        case hard(String, to: String)
        case symbolic(String, to: String)
        case folder(String)

        var bytes: [UInt8] {
            switch self {
            case .file(let name, let text):
                let contents = Array(text.utf8)
                return ImageWriter.header(name, size: contents.count) + contents
                    + [UInt8](repeating: 0, count: -contents.count & 511)
            case .hard(let name, let target): return ImageWriter.header(name, size: 0, type: "1", target: target)
            case .symbolic(let name, let target): return ImageWriter.header(name, size: 0, type: "2", target: target)
            case .folder(let name): return ImageWriter.header(name, size: 0, type: "5")
            }
        }
    }

    /// The bytes of the kernel `bin/app` among `entries`, or the rule that is broken.
    private func kernel(_ entries: [Entry], toml: String = "hermit.toml") -> String {
        let configuration = Entry.file(toml, "version = \"1\"\nkernel = \"/bin/app\"\n")
        let archive = ([configuration] + entries).flatMap(\.bytes) + [UInt8](repeating: 0, count: 1024)
        let view = ByteView(archive.span.bytes)
        do throws(Fault) {
            let image = try HermitImage(view)
            let range = Int(image.kernel.start)..<Int(image.kernel.start + image.kernel.size)
            return String(decoding: archive[range], as: UTF8.self)
        } catch { return "\(error.rule)" }
    }

    @Test func `links lead to the kernel`() {
        let kernel = Entry.file("opt/app-1", "kernel")
        let cases: [(String, [Entry])] = [
            ("beside it", [.symbolic("bin/app", to: "app-1"), .file("bin/app-1", "kernel")]),
            ("elsewhere", [kernel, .symbolic("./bin/app", to: "../opt/app-1")]),
            ("from the root", [.symbolic("/bin/app", to: "/opt/app-1"), kernel]),
            ("with dots", [kernel, .symbolic("bin/app", to: ".././opt//x/../app-1")]),
            (
                "over several",
                [.symbolic("bin/app", to: "a"), .symbolic("bin/a", to: "/b"), .hard("b", to: "opt/app-1")]
            ),
            ("by another name", [kernel, .hard("bin/app", to: "opt/app-1")]),
            ("of what it was", [kernel, .hard("bin/app", to: "./opt/app-1"), .file("opt/app-1", "other")]),
            (
                "to what is there in the end",
                [.file("opt/app-1", "other"), .symbolic("bin/app", to: "/opt/app-1"), kernel]
            ),
            ("the last of a name counts", [.symbolic("bin/app", to: "nowhere"), .file("bin/app", "kernel")]),
        ]
        for (name, entries) in cases {
            // The target of a hard link comes before it.
            let all = name == "over several" ? [kernel] + entries : entries
            #expect(self.kernel(all) == "kernel", "\(name)")
        }
        #expect(
            self.kernel([.file("bin/app", "kernel"), .symbolic("hermit.toml", to: "etc/h")], toml: "etc/h") == "kernel")
    }

    @Test func `folders that are links lead to the kernel`() {
        let kernel = Entry.file("usr/bin/app", "kernel")
        let cases: [(String, [Entry])] = [
            ("beside it", [.symbolic("bin", to: "usr/bin"), kernel]),
            ("from the root", [kernel, .symbolic("./bin/", to: "/usr/bin/")]),
            (
                "in a link's target",
                [.symbolic("sbin", to: "usr/bin"), .symbolic("bin/app", to: "../sbin/app"), kernel]
            ),
            (
                "one in the other",
                [.symbolic("bin", to: "a/b"), .symbolic("a", to: "c"), .symbolic("c/b", to: "../usr/bin"), kernel]
            ),
            ("the last of a name", [.symbolic("bin", to: "nowhere"), kernel, .symbolic("bin", to: "usr/bin")]),
            ("and then the file", [.symbolic("bin", to: "opt"), .symbolic("opt/app", to: "../usr/bin/app"), kernel]),
            // An existing name is not searched for elsewhere.
            (
                "not where it is there",
                [.symbolic("bin", to: "opt"), .file("bin/app", "kernel"), .file("opt/app", "other")]
            ),
            (
                "the first folder first",
                [.symbolic("bin", to: "x/y"), .symbolic("x", to: "usr"), .symbolic("usr/y", to: "bin"), kernel]
            ),
            (
                "a folder in one that is a folder in the end",
                [
                    .symbolic("bin/sub", to: "../opt"), .symbolic("bin", to: "nowhere"), .folder("bin/"),
                    .symbolic("bin/app", to: "sub/app"), .file("opt/app", "kernel"),
                ]
            ),
        ]
        for (name, entries) in cases { #expect(self.kernel(entries) == "kernel", "\(name)") }
    }

    @Test func `links that lead nowhere`() {
        let kernel = Entry.file("opt/app-1", "kernel")
        let cases: [(String, [Entry])] = [
            ("in a circle", [.symbolic("bin/app", to: "a"), .symbolic("bin/a", to: "app")]),
            ("to themselves", [.symbolic("bin/app", to: "app")]),
            ("to themselves, as hard links", [.hard("bin/app", to: "bin/app")]),
            ("out of the archive", [.symbolic("bin/app", to: "../../opt/app-1"), kernel]),
            ("to what comes later, as hard links", [.hard("bin/app", to: "opt/app-1"), kernel]),
            ("to a folder", [.folder("opt/"), .symbolic("bin/app", to: "/opt")]),
            ("to nothing", [.symbolic("bin/app", to: "")]),
            ("to nothing, not to their folder", [.symbolic("bin/app", to: ""), .file("bin", "other")]),
            ("through folders in a circle", [.symbolic("bin", to: "a"), .symbolic("a", to: "bin"), kernel]),
            ("through a folder that holds itself", [.symbolic("bin", to: "bin/bin"), kernel]),
            ("through a folder outside", [.symbolic("bin", to: "../opt"), kernel, .file("opt/app", "kernel")]),
            ("through a folder's other name", [.folder("opt"), .hard("bin", to: "opt"), .file("opt/app", "kernel")]),
            (
                "through a link that is a folder in the end",
                [.symbolic("bin", to: "opt"), .file("opt/app", "kernel"), .folder("bin")]
            ),
            ("to a folder, by a folder's link", [.symbolic("bin", to: "opt"), .folder("opt/app/")]),
        ]
        for (name, entries) in cases { #expect(self.kernel(entries) == "kernelNotInArchive", "\(name)") }
    }

    /// Every link takes a walk through the archive, so their number is limited, as in operating systems.
    @Test(arguments: [1, 39, 40, 41, 100]) func `links are followed up to their limit`(_ count: Int) {
        var entries: [Entry] = [.file("bin/end", "kernel"), .symbolic("bin/app", to: count == 1 ? "end" : "link1")]
        for index in 1..<count {
            entries.append(.symbolic("bin/link\(index)", to: index == count - 1 ? "end" : "link\(index + 1)"))
        }
        #expect(kernel(entries) == (count <= 40 ? "kernel" : "kernelNotInArchive"))
    }

    /// The same for links of folders, each of which leads to the next.
    @Test(arguments: [1, 40, 41]) func `links of folders are followed up to their limit`(_ count: Int) {
        var entries: [Entry] = [.file("end/app", "kernel"), .symbolic("bin", to: count == 1 ? "end" : "link1")]
        for index in 1..<count {
            entries.append(.symbolic("link\(index)", to: index == count - 1 ? "end" : "link\(index + 1)"))
        }
        #expect(kernel(entries) == (count <= 40 ? "kernel" : "kernelNotInArchive"))
    }

    /// Paths longer than the limit.
    @Test func `long paths are not followed`() {
        let part = String(repeating: "a/", count: 49)
        // A link's name has at most 100 bytes in a header, so a chain of folders fills the room.
        let long = Entry.symbolic(part + "x", to: part + "y")
        #expect(kernel([.symbolic("bin/app", to: "/" + part + "x"), long]) == "kernelNotInArchive")
        let deep = part + part
        #expect(kernel([.symbolic("bin/app", to: String(deep.prefix(99)))]) == "kernelNotInArchive")
    }
}
