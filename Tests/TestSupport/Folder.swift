// Folders for the files of tests. They lie in TMPDIR, which `make` sets to a folder that it removes: nothing is left if a test ends its
// process.

import Foundation

/// A folder that is removed with its last reference.
public final class Folder: Sendable {
    /// Its URL.
    public let url: URL

    /// An empty folder.
    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("loader-test-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// The URL of the file called `name`.
    public func place(_ name: String) -> URL { url.appendingPathComponent(name) }

    /// The path of the file called `name`.
    public func path(_ name: String) -> String { place(name).path }

    /// Writes `bytes` to the file called `name`, with the folders of its path; returns its URL.
    @discardableResult public func write(_ name: String, _ bytes: [UInt8]) throws -> URL {
        let file = place(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        return file
    }

    /// Writes `text` to the file called `name`.
    @discardableResult public func write(_ name: String, _ text: String) throws -> URL {
        try write(name, Array(text.utf8))
    }

    /// The bytes of the file called `name`.
    public func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: place(name))) }
}
