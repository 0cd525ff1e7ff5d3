// Hermit images, rehearsed: the kernel's command line, and images that are damaged or make false claims.

import Diagnostics
import HostileInput
import TestSupport
import Testing

@Suite(.disabled(if: isCheck, "not in make check"), .timeLimit(.minutes(minutesPerTest))) struct ImageTests {
    private static let kernel = SmallFile().bytes

    private static func input(_ kernelArguments: String, _ arguments: String, _ variables: String) -> String {
        "[input]\nkernel_args = [\(kernelArguments)]\napp_args = [\(arguments)]\nenv_vars = [\(variables)]\n"
    }

    private static func rule(_ boot: WatchedBoot) -> Rule? {
        if case .refused(let fault) = boot.ending { fault.rule } else { nil }
    }

    @Test func `a kernel is the same packed, unpacked, and without an archive`() {
        let image = ImageWriter(Self.kernel)
        let alone = WatchedBoot(image: Self.kernel)
        #expect(alone.ending == .loaded && alone.violations == [])
        for file in [image.packed, image.archive] {
            let boot = WatchedBoot(image: file)
            #expect(boot.ending == .loaded, "\(boot.report)")
            #expect(boot.violations == [])
            #expect(boot.image.count == alone.image.count)
            #expect(boot.report.contains("Hermit image, unpacked: \(image.archive.count) bytes at "))
        }
    }

    @Test(arguments: [
        // The line from hermit.toml, the user's line, and the kernel's.
        (
            #""-freq 100""#, #""one", "two words""#, #""A=b", "HOST", "C=d e""#, "loader",
            "loader -freq 100 env=A=b 'env=C=d e' -- one 'two words'"
        ),
        ("", "", "", "loader", "loader"), ("", "", "", "", "app"), (#""-x""#, #""y""#, "", "", "app -x -- y"),
        // Variables alone are added after the image's.
        (#""-x""#, #""y""#, #""A=b""#, "loader env=A=c", "loader -x env=A=b env=A=c -- y"),
        (#""-x""#, #""y""#, "", "loader 'env=A=c d'", "loader -x 'env=A=c d' -- y"),
        // Anything else replaces both arrays.
        (#""-x""#, #""y""#, #""A=b""#, "loader -- z", "loader env=A=b -- z"),
        (#""-x""#, #""y""#, #""A=b""#, "loader -ip 1", "loader env=A=b -ip 1"),
        (#""-x""#, #""y""#, "", "-ip 1", "app -ip 1"), (#""-x""#, #""y""#, "", "env=A=b", "app -x env=A=b -- y"),
        // Words that a shell would split.
        ("", #""it's", "", "a\"b", "$x""#, "", "loader", #"loader -- 'it'\''s' '' 'a"b' '$x'"#),
        ("", #""y""#, "", "loader   env=A=b  ", "loader env=A=b   -- y"),
    ])
    func `the user's line is added to the image's, or replaces it`(
        _ kernelArguments: String, _ arguments: String, _ variables: String, _ user: String, _ expected: String
    ) {
        let image = ImageWriter(Self.kernel, Self.input(kernelArguments, arguments, variables))
        let boot = WatchedBoot(image: image.packed, commandLine: user)
        #expect(boot.ending == .loaded && boot.violations == [], "\(boot.report)")
        #expect(boot.commandLine == expected)
    }

    @Test func `false sizes are corrected or refused`() {
        let image = ImageWriter(Self.kernel)
        let (packed, archive) = (image.packed, image.archive)
        // The size of the last member only: it is unpacked once more.
        let members = ImageWriter.gzip(Array(archive.prefix(700))) + ImageWriter.gzip(Array(archive.dropFirst(700)))
        #expect(WatchedBoot(image: members).ending == .loaded)
        for claim in [0, 1, UInt32(archive.count - 1), UInt32(archive.count + 1), 1 << 22, .max] {
            let boot = WatchedBoot(image: packed.putting(claim, at: packed.count - 4))
            #expect(Self.rule(boot) == .gzipChecksum, "\(claim): \(boot.report)")
            #expect(boot.violations == [])
        }
        // More than there is room for: the fault has the size.
        let zeros = ImageWriter.gzip([UInt8](repeating: 0, count: 60000))
        let large = WatchedBoot(image: packed + (0..<50).flatMap { _ in zeros })
        let unpacked = UInt64(archive.count + 50 * 60000)
        guard case .refused(let fault) = large.ending else {
            Issue.record("it was loaded")
            return
        }
        #expect(fault.rule == .archiveTooLarge && fault.value == unpacked && fault.limit < unpacked)
        #expect(
            large.report.contains("unpacked, the archive has \(unpacked) bytes, and the largest room in memory has "))
        #expect(large.violations == [])
    }

    @Test func `an image's requirements are checked against the machine`() {
        func demanding(_ text: String) -> WatchedBoot {
            WatchedBoot(image: ImageWriter(Self.kernel, "[requirements]\n\(text)").packed)
        }
        // 6 MiB without the hole below 1 MiB, which is tolerated.
        #expect(demanding("memory = '6 MiB'").ending == .loaded)
        #expect(
            demanding("memory = '7 MiB'").report.contains(
                "the image requires 7340032 bytes of memory, and the machine has "))
        // The number of processors is unknown.
        #expect(demanding("cpus = 4").ending == .loaded)
        let long = Self.input("", "'" + String(repeating: "a", count: 70_000) + "'", "")
        #expect(Self.rule(WatchedBoot(image: ImageWriter(Self.kernel, long).packed)) == .commandLineTooLong)
    }

    @Test func `the last of several entries with one name counts`() {
        var image = ImageWriter([1, 2, 3])
        image.files.append(("/app", Self.kernel))
        image.files.append(("./hermit.toml", Array("version = '1'\nkernel = './/app'".utf8)))
        image.files.insert(("x", [UInt8](repeating: 0, count: 600)), at: 0)
        let boot = WatchedBoot(image: image.packed)
        #expect(boot.ending == .loaded && boot.violations == [], "\(boot.report)")
    }

    // MARK: Damage

    @Test func `an image cut at any length boots or is refused`() {
        let image = ImageWriter(Self.kernel, Self.input("'-x'", "'y'", "'A=b'"))
        for file in [image.packed, image.archive] {
            var loaded = 0
            for length in stride(from: 0, to: file.count, by: isSoak ? 1 : 13) {
                let boot = WatchedBoot(image: Array(file.prefix(length)))
                #expect(boot.violations == [], "\(length) bytes")
                if boot.ending == .loaded { loaded += 1 }
            }
            // The zeros at an archive's end may be missing, but no compressed byte.
            #expect(loaded == 0 || file == image.archive && loaded <= 1024 / 13 + 1)
        }
    }

    @Test func `an image with any header byte changed boots or is refused`() {
        var image = ImageWriter(Self.kernel, Self.input("'-x'", "'y'", "'A=b'"))
        image.files.append(("libx.so", Self.kernel))
        let (packed, archive) = (image.packed, image.archive)
        var outcomes: [String: Int] = [:]
        func check(_ file: [UInt8], _ what: @autoclosure () -> String) {
            let boot = WatchedBoot(image: file)
            #expect(boot.violations == [], "\(what())")
            outcomes[Self.rule(boot).map { "\($0)" } ?? "loaded", default: 0] += 1
        }
        let step = isSoak ? 1 : 7
        for offset in Array(stride(from: 0, to: 40, by: 1))
            + Array(stride(from: packed.count - 8, to: packed.count, by: 1))
        {
            for value in MutationTests.values(packed[offset]).sorted() {
                check(packed.putting(value, at: offset), "gzip, byte \(offset) is \(value)")
            }
        }
        // The headers of both files, and hermit.toml.
        for offset in stride(from: 0, to: 1536, by: step) {
            for value in MutationTests.values(archive[offset]).sorted() {
                var changed = archive.putting(value, at: offset)
                check(changed, "archive, byte \(offset) is \(value)")
                let header = offset / 512 * 512
                guard header != 512 else { continue }
                changed.replaceSubrange(header + 148..<header + 156, with: [UInt8](repeating: 0x20, count: 8))
                let sum = changed[header..<header + 512].reduce(0) { $0 + Int($1) }
                let digits = String(repeating: "0", count: 6 - String(sum, radix: 8).count) + String(sum, radix: 8)
                changed.replaceSubrange(header + 148..<header + 155, with: Array((digits + "\u{0}").utf8))
                check(changed, "archive with a right sum, byte \(offset) is \(value)")
            }
        }
        print("images:", outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        #expect(outcomes.count > 8)
    }

    /// Small members repeated, and headers that only extend others: the steps grow like the bytes.
    @Test func `work is bounded by the file's size`() {
        let member = ImageWriter.gzip([])
        let growth = WorkTests.growth(2_000, 4_000) { count in
            let file = ImageWriter(Self.kernel).packed + (0..<count).flatMap { _ in member }
            #expect(WatchedBoot(image: file).ending == .loaded)
        }
        #expect(growth < 3)
    }
}
