// Disk images and the rehearsal before they are made. Tests/GuestTests/MZTests.swift boots them.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DiskTests {
    private static let canMake =
        ["/usr/sbin/sfdisk", "/sbin/sfdisk", "/usr/bin/sfdisk"].contains(where: FileManager.default.fileExists)
        && isInstalled("mformat")

    /// A folder with images that require 1.5 GiB, one of which is damaged, and an MZ file for the loader's.
    private func folder() throws -> Folder {
        let folder = try Folder()
        let image = ImageWriter(Sample.application, "[requirements]\nmemory = \"1.5 GiB\"\n").packed
        try folder.write("app.tar.gz", image)
        try folder.write("damaged.tar.gz", Array(image.dropLast()))
        try folder.write("loader.efi", Array("MZ".utf8))
        return folder
    }

    private func make(_ words: [String], in folder: Folder) async throws -> Run {
        try await Tool.run(["disk", "--output", "disk.img", "--loader", "loader.efi"] + words, in: folder.url)
    }

    @Test(.enabled(if: canMake, "sfdisk or mtools are not there: make deps"))
    func `an image is rehearsed with the memory that it requires`() async throws {
        let folder = try folder()
        let run = try await make(["app.tar.gz"], in: folder)
        #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
        // The disk has the image, not only its kernel.
        let copy = try await Tool.run(
            program: "mcopy", ["-i", "disk.img@@1M", "::/EFI/hermit/hermit-app", "copy"], in: folder.url)
        #expect(copy.status == 0, "\(copy.errors)")
        let files = ["copy", "app.tar.gz"].map { folder.url.appendingPathComponent($0) }
        #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
        let forced = try await make(["--force", "damaged.tar.gz"], in: folder)
        #expect(forced.status == 0, "\(forced.errors)")
    }

    @Test func `the machine's memory can be given`() async throws {
        let folder = try folder()
        let few = try await make(["--memory", "1G", "app.tar.gz"], in: folder)
        #expect(few.status == 1, "\(few.errors)")
        #expect(few.errors.contains("the image requires 1610612736 bytes of memory"), "\(few.errors)")
        #expect(few.errors.contains("no image was made"), "\(few.errors)")
        // A machine with UEFI has at least as much.
        let none = try await make(["--memory", "32M", "app.tar.gz"], in: folder)
        #expect(none.status == 64 && none.errors.contains("UEFI needs 64M of memory"), "\(none.errors)")
    }

    @Test func `no disk is made of a damaged image`() async throws {
        let folder = try folder()
        let run = try await make(["damaged.tar.gz"], in: folder)
        #expect(run.status == 2 && run.errors.contains("no image was made"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.url.path + "/disk.img"))
    }
}
