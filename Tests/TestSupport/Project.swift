// Files of the package, genuine images and other programs.

import Foundation

/// Files of the package, relative to this file.
public enum Project {
    /// The package's folder.
    public static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    /// The loader.
    public static let loader = root.appendingPathComponent("build/loader")

    /// The application of the tests called `name`.
    public static func fixture(_ name: String) -> URL { root.appendingPathComponent("build/fixtures/\(name)") }

    /// A genuine Hermit image, from beside the package or from the folder in the environment.
    public static func genuine(_ name: String) -> URL { genuineImages.appendingPathComponent(name) }

    /// The folder of the genuine images.
    public static let genuineImages =
        ProcessInfo.processInfo.environment["LOADER_HERMIT_IMAGES"].map { URL(fileURLWithPath: $0) }
        ?? root.deletingLastPathComponent().appendingPathComponent("shared/hermit")

    /// Whether `file` is there.
    public static func exists(_ file: URL) -> Bool { FileManager.default.fileExists(atPath: file.path) }
}

/// Whether programs of all these names are in PATH.
public func isInstalled(_ programs: String...) -> Bool {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return programs.allSatisfy { name in
        folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
    }
}
