// loader-pack LOADER MOVED OUTPUT: from two links of the loader, at two addresses, makes one that may lie anywhere (PackedImage.swift).

import Foundation

/// The command.
@main
enum LoaderPack {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { fail("usage: loader-pack LOADER MOVED OUTPUT") }
        do {
            let images = try arguments[1...2].map { try ImageBytes(Array(Data(contentsOf: URL(fileURLWithPath: $0)))) }
            let packed = try PackedImage(images[0], moved: images[1])
            try Data(packed.file).write(to: URL(fileURLWithPath: arguments[3]))
        } catch {
            fail("loader-pack: \(error)")
        }
    }

    private static func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(1)
    }
}
