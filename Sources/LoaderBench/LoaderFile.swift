// A loader's file: its sizes and addresses.

import AnyELF
import Bytes
import ELF
import Foundation

/// The sizes and addresses of a loader's file.
struct LoaderFile: Codable {
    var text: Int
    var data: Int
    var bss: Int
    /// The number of bytes of the file, fully stripped.
    var stripped: Int

    /// Measures the file with size and strip.
    init(measuring path: String, in folder: URL) async throws {
        let line = try await Runner.capture("size", [path]).split(separator: "\n").last ?? ""
        let numbers = line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard numbers.count >= 3 else { throw BenchError("size does not understand \(path)") }
        (text, data, bss) = (numbers[0], numbers[1], numbers[2])
        let copy = folder.appendingPathComponent("stripped").path
        _ = try await Runner.capture("strip", ["--strip-all", "-o", copy, path])
        stripped = (try FileManager.default.attributesOfItem(atPath: copy)[.size] as? Int) ?? 0
        try? FileManager.default.removeItem(atPath: copy)
    }

    /// The addresses of the segments of an ELF file, in the form of QEMU's -dfilter, from the lowest to the highest: the physical ones
    /// (p_paddr), where QEMU puts them, and then the virtual ones, if they differ.
    static func ranges(path: String) throws -> String {
        let file = try ELFSegments(path: path)
        guard let physical = file.physical, let virtual = file.virtual else {
            throw BenchError("\(path) has no PT_LOAD segment: give the addresses where it executes with --range")
        }
        let ranges = physical == virtual ? [physical] : [physical, virtual]
        return ranges.map { "\(hex($0.lowerBound))..\(hex($0.upperBound))" }.joined(separator: ",")
    }

    /// The entry point of an application that is linked at a fixed address inside `ranges`; nil for any other.
    static func fixedEntry(path: String, in ranges: String) -> UInt64? {
        guard let file = try? ELFSegments(path: path), file.isFixed, let own = file.virtual else { return nil }
        let bounds = ranges.split(separator: ",").map { range in
            range.split(separator: ".").compactMap { UInt64($0.hasPrefix("0x") ? $0.dropFirst(2) : $0, radix: 16) }
        }
        let isInside = bounds.contains { $0.count == 2 && $0[0] <= own.upperBound && own.lowerBound <= $0[1] }
        return isInside ? file.entry : nil
    }
}

/// The segments of an ELF file of either class: loaders that Multiboot starts are often 32-bit files.
private struct ELFSegments {
    /// e_entry.
    let entry: UInt64
    /// ET_EXEC.
    let isFixed: Bool
    /// The addresses from the first of a PT_LOAD segment to the last.
    private(set) var physical: ClosedRange<UInt64>?, virtual: ClosedRange<UInt64>?

    /// Reads the program headers. Throws if the file is not ELF.
    init(path: String) throws {
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped))
        let file = ByteView(bytes.span)
        guard let header = try? AnyFileHeader(file), let segments = try? SegmentListing(file, header) else {
            throw BenchError("\(path) is not an ELF file: give the addresses where it executes with --range")
        }
        entry = header.entry
        isFixed = header.type == FileType.executable.rawValue
        for index in 0..<segments.count where segments[index].type == ProgramHeader.Kind.load {
            let segment = segments[index]
            guard segment.memsz > 0 else { continue }
            physical = ELFSegments.join(physical, segment.paddr, segment.memsz)
            virtual = ELFSegments.join(virtual, segment.vaddr, segment.memsz)
        }
    }

    private static func join(_ range: ClosedRange<UInt64>?, _ start: UInt64, _ size: UInt64) -> ClosedRange<UInt64> {
        let end = max(start, start &+ (size - 1))
        return min(range?.lowerBound ?? start, start)...max(range?.upperBound ?? end, end)
    }
}
