// Hermit images in QEMU: made by several programs, with kernels of every generation, and damaged; the host tool agrees.

import Commands
import Foundation
import TestSupport
import Testing

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct ImageTests {
    /// A folder with the file `hermit.toml` and the kernel `bin/app`, for programs that pack it.
    private struct Tree {
        private let folder: Folder
        var image: URL { folder.place("image") }

        init(_ kernel: URL, _ more: String = "") throws {
            folder = try Folder()
            try folder.write("bin/app", Array(try Data(contentsOf: kernel)))
            try folder.write("hermit.toml", "version = \"1\"\nkernel = \"/bin/app\"\n\(more)")
        }

        func shell(_ script: String) async throws {
            try await make(["sh", "-c", "cd '\(folder.url.path)' && { \(script)\n}"])
        }
    }

    private static let input = """
        [input]
        kernel_args = ["-freq 1000"]
        app_args = ["one", "two words"]
        env_vars = ["GREETING=hello", "HOST"]
        [requirements]
        memory = "64 MiB"
        cpus = 1
        """

    private static let line = " -freq 1000 env=GREETING=hello -- one 'two words'"

    /// The demonstration prints the command line from hermit.toml.
    private func check(_ tree: Tree, memory: String = "128M") async throws {
        let outcome = try await Guest(initrd: tree.image, memory: memory).boot()
        #expect(outcome.status == 3, outcome.comment)
        #expect(outcome.serial.contains("[LOADER] Hermit image, unpacked: "), outcome.comment)
        #expect(outcome.serial.contains("bootargs            \(Project.loader.path)\(Self.line)\n"), outcome.comment)
        #expect(outcome.serial.contains("demo: all 26 checks passed"), outcome.comment)
    }

    @Test(arguments: [
        "tar -czf image hermit.toml bin/app",
        // Beside the folder: tar fails if a file appears in a folder that it reads.
        #"tar --format=pax -czf "$PWD.new" . && mv "$PWD.new" image"#,
        "tar --format=ustar -cf image hermit.toml bin",
        #"tar -cf - . | gzip -1 >"$PWD.new" && mv "$PWD.new" image"#,
        "tar -P --transform 's,^,/,' -cf - hermit.toml bin | gzip -9 >image",
        "tar -cf part hermit.toml; tar -rf part bin/app; head -c 700 part | gzip >image; tail -c +701 part | gzip >>image",
        "tar -cf - hermit.toml bin | gzip --rsyncable >image",
        "mkdir opt; mv bin/app opt/app-1; ln -s ../opt/app-1 bin/app; tar -czf image hermit.toml bin opt",
        "ln bin/app first; tar -czf image hermit.toml first bin/app",
    ])
    func `images made by tar and gzip boot`(_ script: String) async throws {
        let tree = try Tree(Project.fixture("demo"), Self.input)
        try await tree.shell(script)
        try await check(tree)
    }

    @Test(.enabled(if: isInstalled("bsdtar"), "bsdtar is not installed"), arguments: ["ustar", "pax", "gnutar"])
    func `images made by BSD tar boot`(_ format: String) async throws {
        let tree = try Tree(Project.fixture("demo"), Self.input)
        try await tree.shell("bsdtar --format=\(format) -czf image hermit.toml bin/app")
        try await check(tree)
    }

    @Test(.enabled(if: isInstalled("python3"), "python3 is not installed"), arguments: ["USTAR", "GNU", "PAX"])
    func `images made by Python boot`(_ format: String) async throws {
        let tree = try Tree(Project.fixture("demo"), Self.input)
        try await tree.shell(
            """
            python3 -c "
            import tarfile
            archive = tarfile.open('image', 'w:gz', format=tarfile.\(format)_FORMAT)
            archive.add('hermit.toml'); archive.add('bin/app', './bin/app')
            archive.close()"
            """)
        try await check(tree)
    }

    @Test(arguments: [("pigz", "pigz -p 2"), ("zopfli", "zopfli --i1 -c /dev/stdin")])
    func `images made by other packers boot`(_ program: String, _ command: String) async throws {
        guard isInstalled(program) else {
            try Test.cancel("\(skipped("images packed by \(program)", "it is not installed"))")
        }
        let tree = try Tree(Project.fixture("demo"), Self.input)
        try await tree.shell(
            "tar -cf part hermit.toml bin; cp part whole; \(command.replacing("/dev/stdin", with: "part")) <part >image"
        )
        try await check(tree)
    }

    static let kernels = [
        "gen0", "gen1", "gen2", "gen3", "gen4-recursive", "gen4-v0.11", "gen4-identity",
    ]

    /// Each kernel at one of its link addresses in turn; in a soak at all of them.
    private static let placed: [(kernel: String, place: String)] = {
        let places = ["pie", "4M", "8M", "16M"]
        return kernels.enumerated().flatMap { index, kernel in
            (isSoak ? places : [places[index % places.count]]).map { (kernel, $0) }
        }
    }()

    /// The fixtures check everything that they are handed, including free memory. An unpacked archive stays where the starter put it, which
    /// is the end of RAM by PVH, unless the kernel needs it elsewhere.
    @Test(arguments: placed) func `kernels of every generation`(_ kernel: String, _ place: String) async throws {
        let image = ImageWriter(Array(try Data(contentsOf: Project.fixture("\(kernel)-\(place)"))), Self.input)
        let packed = try TemporaryFile(Data(image.packed))
        let archive = try TemporaryFile(Data(image.archive))
        for start in Start.allCases {
            let file = start == .pvh ? archive : packed
            var guest = Guest(initrd: file.url, loader: try start.loader(), memory: "128M")
            if place == "pie" { guest.memory = "96M" }
            let outcome = try await guest.boot()
            #expect(outcome.status == 3, outcome.comment)
            #expect(outcome.serial.contains(Self.line + "\n"), outcome.comment)
        }
    }

    /// Kernels that respect reservations are told of the archive.
    @Test(arguments: [("gen4-identity", true), ("gen4-v0.11", true), ("gen4-recursive", true), ("gen2", false)])
    func `the archive is in the device tree`(_ kernel: String, _ isTold: Bool) async throws {
        let image = ImageWriter(Array(try Data(contentsOf: Project.fixture("\(kernel)-pie"))))
        let file = try TemporaryFile(Data(image.packed))
        let run = try await run([
            RefusalTests.tool.path, "load", "--memory-dump", file.url.path + ".handoff",
            "--memory", "128M", file.url.path,
        ])
        defer { try? FileManager.default.removeItem(atPath: file.url.path + ".handoff") }
        #expect(run.succeeded, "\(run.output)")
        let handoff = try Data(contentsOf: URL(fileURLWithPath: file.url.path + ".handoff"))
        #expect((handoff.range(of: Data("linux,initrd-start".utf8)) != nil) == isTold)
        let range = try #require(run.output.firstMatch(of: /unpacked: [0-9]+ bytes at 0x([0-9a-f]+)-/))
        let start = try #require(UInt64(range.1, radix: 16))
        let cells = (0..<8).map { UInt8(truncatingIfNeeded: start >> UInt64(56 - 8 * $0)) }
        #expect(!isTold || handoff.range(of: Data(cells)) != nil)
    }

    @Test func `the user's words are added to the image's, and replace its arguments`() async throws {
        let image = ImageWriter(Array(try Data(contentsOf: Project.fixture("gen4-identity-pie"))), Self.input)
        let file = try TemporaryFile(Data(image.packed))
        for (append, rest) in [
            ("env=GREETING=mine", " -freq 1000 env=GREETING=hello env=GREETING=mine -- one 'two words'"),
            ("-- three", " env=GREETING=hello -- three"),
        ] {
            let outcome = try await Guest(initrd: file.url, memory: "128M", append: append).boot()
            #expect(outcome.serial.contains("command line: \(Project.loader.path)\(rest)\n"), outcome.comment)
        }
    }

    @Test func `shared objects come from the archive`() async throws {
        func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: Project.fixture(name))) }
        var image = ImageWriter(try bytes("libraries-pie"))
        image.files.append(("lib/unneeded.so", try bytes("demo")))
        for name in LibraryTests.libraries { image.files.append(("lib/\(name)", try bytes(name))) }
        let file = try TemporaryFile(Data(image.packed))
        let outcome = try await Guest(initrd: file.url, memory: "128M").boot()
        #expect(outcome.status == 3, outcome.comment)
    }

    @Test func `a machine without the memory or processors that an image requires is refused`() async throws {
        func image(_ text: String) throws -> TemporaryFile {
            let kernel = Array(try Data(contentsOf: Project.fixture("gen4-identity-pie")))
            return try TemporaryFile(Data(ImageWriter(kernel, "[requirements]\n\(text)\n").packed))
        }
        let (memory, processors) = (try image("memory = '256 MiB'"), try image("cpus = 3"))
        var outcome = try await Guest(initrd: memory.url, memory: "128M").boot()
        #expect(outcome.status == 43, outcome.comment)
        let words = "the image requires 268435456 bytes of memory"
        #expect(outcome.errors.first?.hasPrefix(words) == true, outcome.comment)
        outcome = try await Guest(initrd: memory.url, memory: "256M").boot()
        #expect(outcome.status == 3, outcome.comment)
        for (machine, start) in [("pc", Start.multiboot), ("q35", .multiboot), ("pc", .pvh), ("microvm", .pvh)] {
            outcome = try await Guest(
                initrd: processors.url, loader: try start.loader(), machine: machine, memory: "128M", processors: "2"
            ).boot()
            #expect(outcome.status == 43, outcome.comment)
            #expect(
                outcome.errors == ["the image requires 3 processors; the machine has 2; give the machine as many"],
                outcome.comment)
            outcome = try await Guest(
                initrd: processors.url, loader: try start.loader(), machine: machine, memory: "128M", processors: "3"
            ).boot()
            #expect(outcome.status == 3, outcome.comment)
        }
    }

    @Test func `the digest is the archive's`() async throws {
        let image = ImageWriter(Array(try Data(contentsOf: Project.fixture("gen4-identity-pie"))))
        let file = try TemporaryFile(Data(image.packed))
        let digest = try await sha256([file.url.path])[0]
        for (meant, status) in [(digest, 3), (String(repeating: "0", count: 64), 49)] as [(String, Int32)] {
            let outcome = try await Guest(
                initrd: file.url, moduleArguments: "loader.sha256=" + meant, memory: "128M"
            ).boot()
            #expect(outcome.status == status, outcome.comment)
        }
    }

    /// Loader and host tool print the same sentence.
    @Test func `damaged images are refused in the guest and on the host`() async throws {
        let image = ImageWriter(Array(try Data(contentsOf: Project.fixture("demo"))), Self.input)
        let (packed, archive) = (image.packed, image.archive)
        var files: [[UInt8]] = []
        for length in stride(from: 2, to: packed.count, by: packed.count / 5) {
            files.append(Array(packed.prefix(length)))
        }
        for length in stride(from: 600, to: archive.count, by: archive.count / 5) {
            files.append(Array(archive.prefix(length)))
        }
        for offset in [2, 3, 10, 11, 13, 15, 100, 600, packed.count - 8, packed.count - 4] {
            files.append(packed.putting(packed[offset] ^ 0xff, at: offset))
        }
        files.append(packed + [1])
        files.append(try await bomb())
        for file in files {
            let copy = try TemporaryFile(Data(file))
            let outcome = try await Guest(initrd: copy.url, memory: "32M").boot()
            let host = try await RefusalTests.inspect(copy.url, memory: "32M")
            #expect(outcome.errors.count == 1 && outcome.status >= 33, outcome.comment)
            #expect(outcome.errors.first == host.sentence, outcome.comment)
        }
    }

    /// More zeros than the guest has memory.
    private func bomb() async throws -> [UInt8] {
        let file = try TemporaryFile(Data())
        try await make(["sh", "-c", "head -c 40000000 /dev/zero | gzip -1 >'\(file.url.path)'"])
        return Array(try Data(contentsOf: file.url))
    }
}
