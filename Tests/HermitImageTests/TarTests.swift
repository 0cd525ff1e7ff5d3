// Tape archives, with GNU tar, BSD tar and Python's tarfile as witnesses.

import Bytes
import Diagnostics
import Foundation
import HermitImage
import TestSupport
import Testing

/// An entry in words, as the tests compare it.
private func describe(_ entry: TarEntry, _ archive: [UInt8]) -> String {
    let view = ByteView(archive.span.bytes)
    func text(_ path: TarPath) -> String {
        String(decoding: (0..<path.count).map { path.byte($0, in: view) }, as: UTF8.self)
    }
    var name = text(entry.path)
    while entry.kind == .folder, name.hasSuffix("/") { name.removeLast() }
    let bytes = archive[Int(entry.start)..<Int(entry.start + entry.size)]
    let sum = bytes.reduce(into: 1 as UInt32) { $0 = $0 &* 31 &+ UInt32($1) }
    return "\(entry.kind) \(name) \(text(entry.target)) \(entry.size) \(sum) \(String(entry.mode & 0o7777, radix: 8))"
}

/// The entries of `archive`, in words; at a fault they end with its rule.
private func entries(_ archive: [UInt8]) -> [String] {
    var reader = TarReader(ByteView(archive.span.bytes))
    var list: [String] = []
    do throws(Fault) {
        while let entry = try reader.next() { list.append(describe(entry, archive)) }
    } catch { list.append("\(error.rule)") }
    return list
}

@Suite(.timeLimit(.minutes(minutesPerTest))) struct TarTests {
    /// The entries that Python's tarfile finds in `packed`, in the same words.
    private static let witness = """
        import tarfile
        for entry in tarfile.open('packed'):
            data = tarfile.open('packed').extractfile(entry).read() if entry.isreg() else b''
            total = 1
            for byte in data: total = (total * 31 + byte) & 0xffffffff
            kind = ('file' if entry.isreg() else 'folder' if entry.isdir() else 'symbolicLink' if entry.issym()
                    else 'hardLink' if entry.islnk() else 'device' if entry.isdev() else 'other')
            target = entry.linkname if entry.issym() or entry.islnk() else ''
            print(kind, entry.name, target, len(data), total, format(entry.mode & 0o7777, 'o'))
        """

    /// A tree with short and long names, links, and files that fill a block, or do not.
    private static let tree = """
        import os
        os.makedirs('tree/folder/below')
        for name, size in [('empty', 0), ('one', 1), ('block', 512), ('more', 513), ('folder/large', 70000),
                           ('n' * 99, 5), ('m' * 100, 6), ('l' * 101, 7), ('folder/below/' + 'k' * 200, 8),
                           ('folder/' + 'j' * 90 + '=x\\ny z', 9), ('\\u00e4\\u4e2d\\U0001f600', 10)]:
            open('tree/' + name, 'wb').write(bytes((i * 7 + size) & 255 for i in range(size)))
        deep = 'tree/' + '/'.join(['d' * 60] * 5)
        os.makedirs(deep); open(deep + '/file', 'w').write('deep')
        os.symlink('one', 'tree/link'); os.symlink('q' * 150, 'tree/longlink'); os.link('tree/one', 'tree/second')
        """

    @Test(arguments: [
        "tar --format=gnu -cf packed -C tree .", "tar --format=pax -cf packed -C tree .",
        "tar --format=ustar -cf packed -C tree . || true",
        "tar --format=v7 -cf packed -C tree folder/large one block more",
        "tar --format=oldgnu -cf packed -C tree .", "tar -cf packed -C tree .; tar -rf packed -C tree one more",
        "tar --format=pax --pax-option=comment=x,exthdr.name=%d/pax/%f,globexthdr.name=g -cf packed tree",
        "tar -P -cf packed --transform 's,^,/,' tree",
        "tar --format=gnu --numeric-owner --owner=3000000 -cf packed tree",
        "tar -b 1 -cf packed tree", "bsdtar --format=ustar -cf packed -C tree folder one || true",
        "bsdtar --format=pax -cf packed tree", "bsdtar --format=gnutar -cf packed tree",
        "bsdtar --format=v7 -cf packed -C tree one block",
    ])
    func `archives made by tar`(_ command: String) async throws {
        let program = String(command.split(separator: " ")[0])
        guard isInstalled(program) else {
            try Test.cancel("\(skipped("archives made by \(program)", "it is not installed"))")
        }
        let folder = try Folder()
        try await folder.python(Self.tree)
        try await folder.shell("LC_ALL=C.UTF-8; export LC_ALL; \(command)")
        let archive = try folder.read("packed")
        let lines = try await folder.python(Self.witness)
        let found = entries(archive)
        #expect(found.joined(separator: "\n") + "\n" == lines)
        #expect(found.count >= 2)
        let isArchive = TarReader.isArchive(ByteView(archive.span.bytes))
        #expect(isArchive)
    }

    @Test func `sizes in 256s, and names in both forms`() async throws {
        let folder = try Folder()
        try await folder.python(
            """
            import tarfile, io
            for format in [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]:
                archive = tarfile.open('packed%d' % format, 'w', format=format)
                for name in ['app', '/app', './app', './/x/./y', 'p' * 300]:
                    info = tarfile.TarInfo(name); info.size = 3
                    archive.addfile(info, io.BytesIO(b'abc'))
                archive.close()
            data = bytearray(open('packed1', 'rb').read())
            data[124:136] = b'\\x80' + bytes(10) + b'\\3'
            data[148:156] = b' ' * 8
            data[148:156] = b'%06o\\0 ' % sum(data[:512])
            open('packed', 'wb').write(data)
            """)
        for name in ["packed", "packed1", "packed2"] {
            let archive = try folder.read(name)
            let view = ByteView(archive.span.bytes)
            var reader = TarReader(view)
            var found: [TarEntry] = []
            while let entry = try reader.next() { found.append(entry) }
            try #require(found.count == 5)
            for entry in found { #expect(entry.size == 3 && entry.kind == .file) }
            func isSame(_ entry: TarEntry, _ path: String) -> Bool {
                let bytes = Array(path.utf8)
                return entry.path.isSame(as: ByteView(bytes.span), in: ByteView(archive.span.bytes))
            }
            for path in ["app", "/app", "./app", "././/app"] {
                #expect(isSame(found[0], path) && isSame(found[1], path) && isSame(found[2], path), "\(path)")
                #expect(!isSame(found[3], path))
            }
            let (isOne, isOther) = (
                found[0].path.isSame(as: found[2].path, in: view), found[0].path.isSame(as: found[3].path, in: view)
            )
            #expect(isOne && !isOther)
            #expect(isSame(found[3], "x/y") && !isSame(found[3], "x/y/z") && !isSame(found[3], "x"))
        }
    }

    @Test func `hostile archives break a rule`() async throws {
        let folder = try Folder()
        try await folder.python(
            """
            import tarfile, io
            def make(name, *entries, format=tarfile.PAX_FORMAT, pax={}):
                archive = tarfile.open(name, 'w', format=format)
                for path in entries:
                    info = tarfile.TarInfo(path); info.size = 3; info.pax_headers = pax
                    archive.addfile(info, io.BytesIO(b'abc'))
                archive.close()
            make('up', '../x'); make('inside', 'a/../b'); make('long', 'a' * 200 + '/..'); make('gnulong', 'a' * 200 + '/..', format=1)
            make('sparse', 'x', pax={'GNU.sparse.major': '1'})
            make('size', 'x', pax={'size': '99999999999999999999'}); make('sized', 'x', pax={'size': 'x'})
            make('beyond', 'x', pax={'size': '5000'.zfill(9) + '000'})
            make('plain', 'x', 'y')
            data = bytearray(open('plain', 'rb').read())
            def header(change, name):
                copy = data[:]
                change(copy)
                copy[148:156] = b' ' * 8
                copy[148:156] = b'%06o\\0 ' % sum(copy[:512])
                open(name, 'wb').write(copy)
            def put(at, value):
                def change(copy): copy[at:at + len(value)] = value
                return change
            header(put(124, b'99999999999\\0'), 'octal'); header(put(124, b'77777777777\\0'), 'huge')
            header(put(124, b'\\xff' * 12), 'negative'); header(put(124, b'\\x80\\0\\0\\0\\x7f' + b'\\xff' * 7), 'largest')
            header(put(156, b'S'), 'holes'); header(put(156, b'x'), 'paxdata')
            copy = data[:]; copy[100] ^= 1; open('sum', 'wb').write(copy)
            """)
        let rules: [(String, Rule)] = [
            ("up", .tarPathOutside), ("inside", .tarPathOutside), ("long", .tarPathOutside),
            ("gnulong", .tarPathOutside),
            ("sparse", .tarEntryUnknown), ("size", .tarRecord), ("sized", .tarRecord), ("beyond", .tarTruncated),
            ("octal", .tarNumber), ("huge", .tarTruncated), ("negative", .tarNumber), ("largest", .tarTruncated),
            ("holes", .tarEntryUnknown), ("paxdata", .tarRecord), ("sum", .tarChecksum),
        ]
        for (name, rule) in rules { #expect(entries(try folder.read(name)).last == "\(rule)", "\(name)") }
        #expect(entries(try folder.read("plain")).count == 2)
    }

    /// `header` with a correct checksum.
    private static func summed(_ header: [UInt8]) -> [UInt8] {
        var header = header
        header.replaceSubrange(148..<156, with: Array("        ".utf8))
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        header.replaceSubrange(
            148..<156, with: Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8))
        return header
    }

    /// An entry of `type` with these bytes.
    private static func entry(_ name: String, _ text: String = "", type: Character = "0", target: String = "")
        -> [UInt8]
    {
        let bytes = Array(text.utf8)
        return ImageWriter.header(name, size: bytes.count, type: type, target: target) + bytes
            + [UInt8](repeating: 0, count: -bytes.count & 511)
    }

    /// A record of a pax header.
    private static func record(_ text: String) -> String {
        // Its length counts its own digits.
        for length in text.utf8.count... where "\(length) \(text)\n".utf8.count == length {
            return "\(length) \(text)\n"
        }
        return ""
    }

    /// The names and targets of the entries of `archive`, and the fault that ends them.
    private static func read(_ archive: [UInt8]) -> (entries: [String], fault: Fault?) {
        let view = ByteView(archive.span.bytes)
        func text(_ path: TarPath) -> String {
            String(decoding: (0..<path.count).map { path.byte($0, in: view) }, as: UTF8.self)
        }
        var reader = TarReader(view)
        var list: [String] = []
        do throws(Fault) {
            while let entry = try reader.next() {
                list.append("\(text(entry.path)) \(text(entry.target)) \(entry.size)")
            }
            return (list, nil)
        } catch { return (list, error) }
    }

    private static let zeros = [UInt8](repeating: 0, count: 1024)

    /// Each broken rule with its place and its value, of the first header and of a later one.
    @Test func `a fault has its place and value`() throws {
        func changed(_ offset: Int, _ bytes: [UInt8], isSummed: Bool = true) -> [UInt8] {
            var header = ImageWriter.header("x", size: 0)
            header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            return isSummed ? Self.summed(header) : header
        }
        func words(_ text: String, type: Character = "x") -> [UInt8] { Self.entry("words", text, type: type) }
        let sum = ImageWriter.header("x", size: 0).enumerated().reduce(0 as UInt64) {
            $0 + ((148..<156).contains($1.offset) ? 32 : UInt64($1.element))
        }
        /// The change, and the fault of a header at 0.
        let cases: [(bytes: [UInt8], rule: Rule, place: UInt64, value: UInt64, limit: UInt64)] = [
            (changed(0, Array("../x".utf8)), .tarPathOutside, 0, 0, 0),
            (changed(156, [0x53]), .tarEntryUnknown, 0, 0x53, 0), (changed(156, [0x4d]), .tarEntryUnknown, 0, 0x4d, 0),
            (changed(124, [0x38]), .tarNumber, 124, 0, 0), (changed(124, [0x2f]), .tarNumber, 124, 0, 0),
            (changed(135, [0x39]), .tarNumber, 124, 0, 0), (changed(124, [0x81]), .tarNumber, 124, 0, 0),
            (changed(124, [0x80, 0, 0, 1]), .tarNumber, 124, 0, 0),
            (changed(124, [0x80, 0, 0, 0, 0x80]), .tarNumber, 124, 0, 0),
            (changed(150, [0x38], isSummed: false), .tarNumber, 148, 0, 0),
            (changed(100, [0x31], isSummed: false), .tarChecksum, 0, sum + 1, sum),
            (changed(148, [UInt8](repeating: 0x20, count: 8), isSummed: false), .tarChecksum, 0, sum, 0),
            (words("path=x\n"), .tarRecord, 512, 0, 0), (words("9 path=x\n9 path=y"), .tarRecord, 521, 0, 0),
            (words("9 path=x\n11 path=y\n"), .tarRecord, 521, 0, 0), (words("4 =\n"), .tarRecord, 512, 0, 0),
            (words("3 \n"), .tarRecord, 512, 0, 0), (words("0 \n"), .tarRecord, 512, 0, 0),
            (words("8 path\n"), .tarRecord, 512, 0, 0), (words("9\tpath=x\n"), .tarRecord, 512, 0, 0),
            (words("999999999999999999999 path=x\n"), .tarRecord, 512, 0, 0),
            (words(Self.record("path=\0")), .tarRecord, 519, 0, 0),
            (words(Self.record("path=a\0")), .tarRecord, 520, 0, 0),
            (words(Self.record("linkpath=\0a")), .tarRecord, 524, 0, 0),
            (words(Self.record("path=a"), type: "g"), .tarRecord, 519, 0, 0),
            (words(Self.record("size=3"), type: "g"), .tarRecord, 519, 0, 0),
            (words(Self.record("size=3x")), .tarRecord, 520, 0, 0),
            (words(Self.record("GNU.sparse.a=1")), .tarEntryUnknown, 528, 0x78, 0),
        ]
        let before = Self.entry("first", "abc")
        for (index, one) in cases.enumerated() {
            for start in [[], before] {
                let found = Self.read(start + one.bytes + Self.zeros)
                let place = FaultLocation.archive(one.place + UInt64(start.count))
                #expect(found.fault == Fault(one.rule, place, value: one.value, limit: one.limit), "case \(index)")
            }
        }
        // Too long for the archive, in its header and in its bytes.
        for size in [513, 1024, 1025, 5000] {
            let archive = before + ImageWriter.header("x", size: size) + [UInt8](repeating: 1, count: 512)
            let fault = Fault(.tarTruncated, .archive(1024), value: UInt64(size), limit: 2048)
            #expect(Self.read(archive).fault == fault)
        }
        for rest in [1, 100, 511] as [UInt64] {
            let archive = before + ImageWriter.header("x", size: 0).prefix(Int(rest))
            let fault = Fault(.tarTruncated, .archive(1024), value: 1536, limit: 1024 + rest)
            #expect(Self.read(archive).fault == fault)
        }
        // Other keys with the same beginning are ignored.
        for text in ["GNU.sparse.=1", "GNU.sparse=1", "GNU.sparsely=1", "paths=../x", "linkpaths=\0"] {
            let found = Self.read(Self.entry("words", Self.record(text), type: "x") + before + Self.zeros)
            #expect(found.fault == nil && found.entries == ["first  3"], "\(text)")
        }
    }

    /// Headers that extend a missing entry: the archive ends too early, with or without zeros.
    @Test func `a header that extends nothing is refused`() {
        let first = Self.entry("first", "abc")
        let extending: [([UInt8], Bool)] = [
            (Self.entry("words", Self.record("path=x"), type: "x"), true),
            (Self.entry("words", Self.record("linkpath=x"), type: "x"), true),
            (Self.entry("words", Self.record("size=0"), type: "x"), true),
            (Self.entry("long", "name", type: "L"), true),
            (Self.entry("long", "target", type: "K"), true),
            (Self.entry("words", Self.record("comment=x"), type: "x"), false),
            (Self.entry("words", Self.record("comment=x"), type: "g"), false),
            (Self.entry("words", Self.record("path="), type: "x"), false),
        ]
        for (header, isRefused) in extending {
            for zeros in [[], Self.zeros] {
                let found = Self.read(first + header + zeros)
                let end = UInt64(first.count + header.count)
                #expect(found.entries == ["first  3"])
                #expect(
                    found.fault
                        == (isRefused ? Fault(.tarTruncated, .archive(end), limit: end + UInt64(zeros.count)) : nil))
            }
        }
    }

    /// A record without a value cancels an earlier one; then the header's own name, target and size count, or GNU's.
    @Test func `records without a value cancel earlier ones`() {
        let record = Self.record
        let cases: [(words: String, long: [UInt8], entry: String)] = [
            ("", [], "name target 0"), (record("path=other"), [], "other target 0"),
            (record("path=other") + record("path="), [], "name target 0"),
            (record("path=") + record("path=other"), [], "other target 0"),
            (record("linkpath=to"), [], "name to 0"),
            (record("linkpath=to") + record("linkpath="), [], "name target 0"),
            (record("path=") + record("linkpath=to"), [], "name to 0"),
            (record("size=7") + record("size="), [], "name target 0"),
            (record("path="), Self.entry("", "long\0", type: "L"), "long target 0"),
            (record("path=other"), Self.entry("", "long\0", type: "L"), "other target 0"),
            ("", Self.entry("", "", type: "L"), " target 0"), ("", Self.entry("", "", type: "K"), "name  0"),
            (record("linkpath="), Self.entry("", "far", type: "K"), "name far 0"),
            (record("linkpath=to"), Self.entry("", "far", type: "K"), "name to 0"),
        ]
        for (words, long, expected) in cases {
            for isFirst in [false, true] {
                let pax = words.isEmpty ? [] : Self.entry("words", words, type: "x")
                let headers = isFirst ? long + pax : pax + long
                let archive = headers + Self.entry("name", type: "2", target: "target") + Self.zeros
                let found = Self.read(archive)
                #expect(found.fault == nil && found.entries == [expected], "\(words)")
            }
        }
    }

    /// Sizes in a pax header, by their digits: more than 63 bits are refused, and nothing wraps.
    @Test(
        arguments: [
            ("3", true), ("003", true), ("", true), ("4", true), ("9223372036854775807", false),
            ("5764607523034234880", nil),
            ("5764607523034234889", nil), ("5764607523034234890", false), ("9999999999999999999", false),
            ("18446744073709551619", false), ("18446744073709551616", false), ("-1", false), ("1.", false),
            ("/", false),
            (":", false), ("+3", false), (" 3", false), ("3 ", false), ("0x3", false),
        ] as [(String, Bool?)])
    func `sizes in words are decimal numbers`(_ size: String, _ isSize: Bool?) {
        let words = Self.record("size=\(size)")
        let archive = Self.entry("words", words, type: "x") + Self.entry("x", "abc") + Self.zeros
        let value = 512 + UInt64(words.utf8.count - size.utf8.count - 1)
        let fault: Fault? =
            switch isSize {
            case true?: nil
            case false?: Fault(.tarRecord, .archive(value))
            // A number, but larger than the archive.
            case nil: Fault(.tarTruncated, .archive(1024), value: UInt64(size) ?? 0, limit: UInt64(archive.count))
            }
        #expect(Self.read(archive).fault == fault)
    }

    /// The components of a path.
    private static func components(_ path: String) -> [Substring] {
        path.split(separator: "/").filter { $0 != "." }
    }

    /// Paths of few letters, as names in one part and in two: paths are equal if their components are, and none may leave the root.
    @Test func `paths are compared by their components`() throws {
        var random = Randomness(state: 12)
        func path() -> String {
            String((0..<Int.random(in: 1...9, using: &random)).map { _ in "ab..//".randomElement(using: &random)! })
        }
        var (same, outside) = (0, 0)
        for _ in 0..<4000 {
            let (prefix, name) = (Bool.random(using: &random) ? path() : "", path())
            let whole = prefix.isEmpty ? name : prefix + "/" + name
            // Another path, or the same with other slashes and dots, sometimes without its last letter.
            var other = path()
            if Bool.random(using: &random) {
                let joints = ["/", "//", "/./", "/././/"]
                other = Self.components(whole).reduce("") { $0 + joints.randomElement(using: &random)! + $1 }
                if other.isEmpty { other = "." }
                if Int.random(in: 0..<4, using: &random) == 0 { other.removeLast() }
            }
            var first = ImageWriter.header(name, size: 0)
            for (index, byte) in prefix.utf8.enumerated() { first[345 + index] = byte }
            let archive = Self.summed(first) + ImageWriter.header(other, size: 0) + [UInt8](repeating: 0, count: 1024)
            let (one, two) = (Self.components(whole), Self.components(other))
            var entries: [TarEntry] = []
            let found = fault {
                var reader = TarReader(ByteView(archive.span))
                while let entry = try reader.next() { entries.append(entry) }
            }
            if one.contains("..") || two.contains("..") {
                outside += 1
                let place = FaultLocation.archive(one.contains("..") ? 0 : 512)
                #expect(found == Fault(.tarPathOutside, place), "\(whole) \(other)")
                continue
            }
            try #require(found == nil && entries.count == 2, "\(whole) \(other)")
            if one == two { same += 1 }
            let isSame = entries[0].path.isSame(as: entries[1].path, in: ByteView(archive.span))
            let text = Array(other.utf8)
            let isText = entries[0].path.isSame(as: ByteView(text.span), in: ByteView(archive.span))
            #expect(isSame == (one == two) && isText == isSame, "\(whole) \(other)")
        }
        #expect(same > 100 && outside > 100)
    }

    /// 20,000 headers, each of which extends the next.
    @Test func `headers that only extend others end`() async throws {
        let folder = try Folder()
        try await folder.python(
            """
            import tarfile
            info = tarfile.TarInfo('x'); info.pax_headers = {'comment': 'y'}
            block = info.tobuf(tarfile.PAX_FORMAT)[:1024]
            open('packed', 'wb').write(block * 20000)
            open('ended', 'wb').write(block * 3 + tarfile.TarInfo('z').tobuf(tarfile.PAX_FORMAT) + bytes(1024))
            """)
        #expect(entries(try folder.read("packed")) == [])
        #expect(entries(try folder.read("ended")) == ["file z  0 1 644"])
    }

    @Test func `every length except those where entries end is refused`() async throws {
        let folder = try Folder()
        try await folder.python(Self.tree)
        try await folder.shell(
            "tar --format=pax -cf packed -C tree one more link \("l" + String(repeating: "l", count: 100))")
        let archive = try folder.read("packed")
        let all = entries(archive)
        #expect(all.count == 4)
        for length in 1..<archive.count - 512 {
            let found = entries(Array(archive.prefix(length)))
            guard found != all else { continue }
            #expect(
                length % 512 == 0 && all.starts(with: found) || found.last == "tarTruncated",
                "\(length) bytes: \(found)")
        }
    }

    /// With any bytes in a header, the entries end, and lie in the archive.
    @Test func `a header with any byte changed is read or refused`() async throws {
        let folder = try Folder()
        try await folder.python(Self.tree)
        try await folder.shell("tar --format=pax -cf packed -C tree \(String(repeating: "l", count: 101)) one")
        let archive = try folder.read("packed")
        var refused = 0
        // Every byte, or in a sample every third.
        let step = samples(3, soak: 1)
        for offset in stride(from: 0, to: 2560, by: step) {
            for value in [0, 0x20, 0x30, 0x39, 0x80, 0xff, archive[offset] ^ 1] as [UInt8]
            where value != archive[offset] {
                var changed = archive
                changed[offset] = value
                if Rule.allTar.contains(entries(changed).last ?? "") { refused += 1 }
                // The same with a correct checksum.
                let header = offset / 512 * 512
                let sum = changed[header..<header + 512].enumerated().reduce(0) {
                    $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element))
                }
                let digits =
                    Array((String(repeating: "0", count: 6) + String(sum, radix: 8)).suffix(6).utf8) + [0, 0x20]
                changed.replaceSubrange(header + 148..<header + 156, with: digits)
                if Rule.allTar.contains(entries(changed).last ?? "") { refused += 1 }
            }
        }
        #expect(refused > 5000 / step)
    }
}

extension Rule {
    /// The rules of archives, by name.
    fileprivate static let allTar: Set<String> = {
        let rules: [Rule] = [.tarTruncated, .tarChecksum, .tarNumber, .tarRecord, .tarEntryUnknown, .tarPathOutside]
        return Set(rules.map { "\($0)" })
    }()
}
