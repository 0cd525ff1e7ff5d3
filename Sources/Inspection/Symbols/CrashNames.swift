// The addresses of a crash as functions and lines of the source: after a boot, and for a log from elsewhere.

import Boot
import Bytes
import Memory

/// Addresses that a guest mentioned, and the place of its image.
struct CrashNames {
    let mentions: [GuestLog.Mention]
    /// The address of the image's first byte; nil if unknown.
    let start: UInt64?
    /// Whether that comes from a rehearsal rather than from the log.
    let isSupposed: Bool
    /// The most that are printed.
    static let limit = 32

    /// Prints their symbols, for the application in `input`, whose file is `path`; `rehearsal` has the places of shared objects. Returns
    /// how many lie in the image. Throws `Failure`.
    @discardableResult
    func tell(
        _ input: InputFile, _ path: String, _ host: HostMachine, _ rehearsal: Rehearsal?, debugFile: String?,
        to console: Output
    ) async throws -> Int {
        guard let start else { return 0 }
        let folder = RunFolder()
        defer { folder.remove() }
        // Other programs read the lines, and they cannot read images.
        let own = input.image == nil ? path : try folder.file(input)
        let debug = try DebugFile.of(input, path: own, given: debugFile, calling: path)
        var names = await AddressNames.of(mentions, ByteView(input.bytes), debug, at: start)
        for library in rehearsal?.libraries ?? [] {
            guard let module = rehearsal?.file(of: library, on: host) else { continue }
            let place = try module.path ?? folder.file(module.input)
            // After the application, in the same image.
            let offset = library.memory.start &- (rehearsal?.plan.image.start ?? 0)
            names += await AddressNames.of(
                mentions, ByteView(module.input.bytes),
                try DebugFile.of(module.input, path: place, given: nil, calling: library.name),
                at: start &+ offset)
        }
        guard !names.isEmpty else { return 0 }
        console.line("addresses in the output, with the image at \(hex(start))\(isSupposed ? " (supposed)" : ""):")
        if !debug.remark.isEmpty { console.line("(\(debug.remark))") }
        for name in names.prefix(Self.limit) { for line in name.lines { console.line(line) } }
        if names.count > Self.limit { console.line("  and \(names.count - Self.limit) more") }
        return names.count
    }
}
