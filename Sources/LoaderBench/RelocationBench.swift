// The cost of a relocation on the host: the loader's code compared with the system's dynamic linker and with a plain copy.

import Bytes
import Diagnostics
import Foundation
import Linking

/// Nanoseconds per entry for one kind and number of relocations; the smallest of several runs.
struct RelocationFigures: Codable {
    var kind: RelocationKind
    var count: Int
    /// `Relocator.apply` on an image that has just been loaded, as in the guest.
    var apply: Double
    /// A copy of half as many bytes as relocation reads and writes: the same traffic.
    var copy: Double
    /// Checking the file's tables and applying them to a private mapping of the file, including page faults, as the dynamic linker does.
    var mapped: Double
    /// The dynamic linker: dlopen with lazy binding off, minus dlopen of the same file without the tags of its relocation table.
    var dynamicLinkerMapped: Double
    /// The same in a process that maps files with all their pages present; absent if it may not. For large files it is a small
    /// difference of large times, and unreliable if other work disturbs them.
    var dynamicLinker: Double?
}

/// Measures relocations.
struct RelocationBench {
    let runner: Runner
    let sizes: [Int]

    func run() async throws -> [RelocationFigures] {
        var figures: [RelocationFigures] = []
        for kind in RelocationKind.allCases {
            for count in sizes {
                note("relocations: \(kind.rawValue), \(count)")
                figures.append(try await measure(kind, count))
            }
        }
        return figures
    }

    private func measure(_ kind: RelocationKind, _ count: Int) async throws -> RelocationFigures {
        let file = runner.folder.appendingPathComponent("relocated.so").path
        let plain = runner.folder.appendingPathComponent("unrelocated.so").path
        try RelocationFile.write(kind, count, to: file)
        try RelocationFile.write(kind, count, to: plain, isRelocated: false)
        defer { for path in [file, plain] { try? FileManager.default.removeItem(atPath: path) } }
        let mapped = try MappedFile(path: file)
        let copier = Copier(bytes: kind.traffic(count) / 2)
        var apply: [Double] = []
        var copy: [Double] = []
        var faulting: [Double] = []
        var relocated: [Double] = []
        var unrelocated: [Double] = []
        var locked: [Double] = []
        var lockedUnrelocated: [Double] = []
        // Everything in turn, so that other load on the machine affects all of them alike.
        for _ in 0..<max(3, min(20, 4_000_000 / count)) {
            for _ in 0..<Runner.opens {
                apply.append(try mapped.relocateLoaded(expecting: count))
                copy.append(copier.run())
                faulting.append(try mapped.relocateMapped(expecting: count))
            }
            relocated += try await runner.open(file)
            unrelocated += try await runner.open(plain)
            locked += try await runner.open(file, isLocked: true)
            lockedUnrelocated += try await runner.open(plain, isLocked: true)
        }
        // The smallest time counts: other load on the machine only adds.
        let perEntry = { (times: [Double]) in (times.min() ?? .nan) / Double(count) }
        return RelocationFigures(
            kind: kind, count: count, apply: perEntry(apply), copy: perEntry(copy), mapped: perEntry(faulting),
            dynamicLinkerMapped: perEntry(relocated) - perEntry(unrelocated),
            dynamicLinker: locked.isEmpty ? nil : perEntry(locked) - perEntry(lockedUnrelocated))
    }
}

/// A file that is relocated repeatedly. It owns its mapping, which ends with it; nothing else has the address.
@safe final class MappedFile {
    private let descriptor: Int32
    private let size: Int
    private let bytes: UnsafeMutableRawBufferPointer

    init(path: String) throws {
        descriptor = unsafe Foundation.open(path, O_RDONLY)
        size = Int(lseek(descriptor, 0, SEEK_END))
        unsafe bytes = try MappedFile.map(size, descriptor, PROT_READ)
    }

    deinit {
        unsafe munmap(bytes.baseAddress, size)
        close(descriptor)
    }

    private static func map(_ size: Int, _ descriptor: Int32, _ access: Int32) throws -> UnsafeMutableRawBufferPointer {
        let flags = MAP_PRIVATE | (descriptor < 0 ? MAP_ANONYMOUS : 0)
        guard let start = unsafe mmap(nil, size, access, flags, descriptor, 0), unsafe start != MAP_FAILED else {
            throw BenchError("mmap fails")
        }
        return unsafe UnsafeMutableRawBufferPointer(start: start, count: size)
    }

    /// Loads the file into memory and relocates it; returns the nanoseconds of relocation.
    func relocateLoaded(expecting count: Int) throws -> Double {
        let image = unsafe try LinkedImage(ByteView(start: bytes.baseAddress!, count: bytes.count), as: .library)
        let target = unsafe try MappedFile.map(Int(image.size), -1, PROT_READ | PROT_WRITE)
        defer { unsafe munmap(target.baseAddress, target.count) }
        var memory = unsafe ByteRegion(start: target.baseAddress!, count: target.count, at: image.linkStart)
        try image.load(into: &memory)
        return try relocate(image, &memory, expecting: count)
    }

    /// Relocates a private mapping of the file, whose addresses are its offsets, and reads the tables through another mapping; neither has
    /// been read before. Returns the nanoseconds of everything except mapping.
    func relocateMapped(expecting count: Int) throws -> Double {
        let file = unsafe try MappedFile.map(size, descriptor, PROT_READ)
        let target = unsafe try MappedFile.map(size, descriptor, PROT_READ | PROT_WRITE)
        defer {
            unsafe munmap(file.baseAddress, size)
            unsafe munmap(target.baseAddress, size)
        }
        let start = nanoseconds()
        let image = unsafe try LinkedImage(ByteView(start: file.baseAddress!, count: file.count), as: .library)
        var memory = unsafe ByteRegion(start: target.baseAddress!, count: target.count, at: 0)
        _ = try relocate(image, &memory, expecting: count)
        return nanoseconds() - start
    }

    /// Relocates, and throws if the number of relocations is not the expected one.
    private func relocate(
        _ image: borrowing LinkedImage, _ memory: inout ByteRegion, expecting count: Int
    ) throws -> Double {
        let relocator = try Relocator(copy image, bias: 0x7000_0000, as: .library)
        let start = nanoseconds()
        let counts = try relocator.apply(to: &memory)
        let time = nanoseconds() - start
        guard counts.total == UInt64(count) else { throw BenchError("\(counts.total) relocations, not \(count)") }
        return time
    }
}

/// Two buffers, which it owns, and a copy from one to the other.
@safe final class Copier {
    private let source: UnsafeMutableRawBufferPointer
    private let target: UnsafeMutableRawBufferPointer

    init(bytes: Int) {
        unsafe source = .allocate(byteCount: bytes, alignment: 64)
        unsafe target = .allocate(byteCount: bytes, alignment: 64)
        _ = unsafe source.initializeMemory(as: UInt8.self, repeating: 1)
        _ = unsafe target.initializeMemory(as: UInt8.self, repeating: 2)
    }

    deinit {
        unsafe source.deallocate()
        unsafe target.deallocate()
    }

    /// The nanoseconds of one copy.
    func run() -> Double {
        let start = nanoseconds()
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(source))
        return nanoseconds() - start
    }
}
