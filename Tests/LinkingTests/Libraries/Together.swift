// Loads several files as one image, for tests.

import Bytes
import Diagnostics
import ELF
import Linking
import TestSupport

/// Files side by side in one array, as modules lie in memory.
struct FilesTogether {
    /// What lies before the files is not theirs: offset 0 means that a table is missing.
    private var bytes = [UInt8](repeating: 0xa5, count: 256)
    private var list: [NamedFile] = []

    /// The files' bytes, the application's first. Names stand in the modules' strings.
    init(_ files: [(name: String, bytes: [UInt8])]) {
        for file in files {
            bytes += [UInt8](repeating: 0, count: (16 - bytes.count % 16) % 16 + 16)
            let string = bytes.count
            let name = "some/where/\(file.name)"
            bytes += Array(name.utf8) + [0]
            bytes += [UInt8](repeating: 0, count: (16 - bytes.count % 16) % 16)
            list.append(
                NamedFile(
                    start: UInt64(bytes.count), size: UInt64(file.bytes.count), string: UInt64(string),
                    stringSize: UInt64(name.utf8.count)))
            bytes += file.bytes
        }
    }

    /// Seven files that need each other in turn, with initialisers, finalisers and thread-local storage.
    private static let others: FilesTogether = {
        let names = (0..<7).map { "other\($0).so" }
        return FilesTogether(
            names.indices.map { index in
                var file = LinkedFileWriter()
                file.needed = names[(index + 1) % names.count]
                file.tls = LinkedTLS(vaddr: 0x4000, filesz: 8, memsz: 24, align: 32)
                file.entries = [(12, 0x4001), (13, 0x4002)]
                return (names[index], file.bytes)
            })
    }()

    /// All bytes.
    var view: ByteView {
        @_lifetime(borrow self) get { ByteView(bytes.span.bytes) }
    }

    /// The files.
    var files: NamedFiles {
        @_lifetime(borrow self) get {
            var files = NamedFiles(view)
            for file in list { files.append(file) }
            return files
        }
    }

    /// The link map, in `room`.
    @_lifetime(copy room)
    func link(_ room: consuming MutableSpan<LinkPlan>) throws(Fault) -> LinkMap {
        let range = Int(list[0].start)..<Int(list[0].start + list[0].size)
        _ = try LinkedImage(ByteView(bytes.span.bytes.extracting(range)))
        return try LinkMap(files, in: room)
    }

    /// All files loaded and relocated; called functions return what `resolve` gives for their address.
    func load(bias: UInt64, resolve: (UInt64) -> UInt64? = { _ in nil }) throws(Fault) -> LoadedTogether {
        var room = [LinkPlan()]
        // The room has been used before, for more files: its old contents must not matter.
        _ = try Self.others.link(room.mutableSpan)
        let link = try link(room.mutableSpan)
        let start = link[0].linkStart
        var memory = [UInt8](repeating: 0xee, count: Int(link.plan.end - start))
        var span = memory.mutableSpan
        var region = ByteRegion(span.mutableBytes, at: start)
        var called: [UInt64] = []
        let counts = try link.load(view, bias: bias, into: &region, mayResolve: true) { resolver, _ in
            called.append(resolver)
            return resolve(resolver)
        }
        var linkedFiles: [LinkedFile] = []
        for index in 0..<link.count { linkedFiles.append(link[index]) }
        return LoadedTogether(
            memory: memory, linkStart: start, plan: link.plan, linkedFiles: linkedFiles, counts: counts, called: called)
    }

    /// The sentence of the fault that refuses it.
    struct Refusal {
        var fault: Fault
        var sentence: String
        var rule: Rule { fault.rule }
        var file: Int { fault.file }
    }

    /// The fault that refuses it; nil if it is accepted.
    func refusal() -> Refusal? {
        do throws(Fault) {
            _ = try load(bias: 0x60_0000)
            return nil
        } catch {
            var sink = TextCollector()
            let file = list[error.file]
            let range = Int(file.start)..<Int(file.start + file.size)
            var room = [LinkPlan()]
            let details = FaultDetails(of: error, in: files, linkPlan: room.mutableSpan)
            error.write(to: &sink, details, file: bytes.span.bytes.extracting(range))
            return Refusal(fault: error, sentence: sink.text)
        }
    }
}

/// Several files in memory, relocated.
struct LoadedTogether {
    var memory: [UInt8]
    var linkStart: UInt64
    var plan: LinkPlan
    var linkedFiles: [LinkedFile]
    var counts: RelocationCounts
    /// The resolver functions called, in order.
    var called: [UInt64]

    /// `count` bytes at a link address of the application.
    func hex(_ address: UInt64, _ count: Int) -> String {
        hexadecimal(memory[Int(address - linkStart)..<Int(address - linkStart) + count])
    }

    /// The word at that address.
    func word(_ address: UInt64) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(memory[Int(address - linkStart) + $1]) << UInt64($1 * 8) }
    }

    /// The word at link address `address` of the file at `index`.
    func word(_ address: UInt64, in index: Int) -> UInt64 { word(address &+ linkedFiles[index].displacement) }
}
