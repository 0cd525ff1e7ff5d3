// Shared by the tests of images: unpacking, other programs as witnesses, and their files.

import Bytes
import Commands
import Diagnostics
import Foundation
import HermitImage
import TestSupport
import Testing

/// The result of unpacking: the bytes, or the fault.
enum Unpacked: Equatable {
    case bytes([UInt8])
    case fault(Fault)

    /// Unpacks `file` into room for `limit` bytes.
    init(_ file: [UInt8], limit: Int) {
        var room = [UInt8](repeating: 0xc5, count: limit)
        do throws(Fault) {
            var span = room.mutableSpan
            let count = try Gzip.unpack(ByteView(file.span.bytes), into: ByteRegion(span.mutableBytes, at: 0))
            self = .bytes(Array(room.prefix(Int(count))))
            if count > UInt64(limit) { self = .fault(Fault(.archiveTooLarge, value: count, limit: UInt64(limit))) }
        } catch {
            self = .fault(error)
        }
    }

    /// The broken rule.
    var rule: Rule? { if case .fault(let fault) = self { fault.rule } else { nil } }
}

extension Folder {
    /// Runs a shell's `script` in it.
    func shell(_ script: String) async throws {
        try await make(["sh", "-c", "cd '\(url.path)' && { \(script)\n}"])
    }
    /// Runs Python's `script` in it, with the arguments `words`; returns what it printed.
    @discardableResult
    func python(_ script: String, _ words: Int...) async throws -> String {
        try write("script.py", script)
        let result = try await run([
            "sh", "-c", "cd '\(url.path)' && python3 script.py \(words.map(String.init).joined(separator: " "))",
        ])
        guard result.succeeded else { throw CommandFailure(description: result.output) }
        return result.output
    }
}

/// The same numbers in every run.
struct Randomness: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ state >> 29) &* 0xbf58_476d_1ce4_e5b9
    }
}

extension [UInt8] {
    /// Bytes of several characters: noise, repetitions near and far, and text.
    static func mixed(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = Randomness(state: seed)
        var bytes: [UInt8] = []
        while bytes.count < count {
            let length = Int.random(in: 1...400, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: for _ in 0..<length { bytes.append(.random(in: 0...255, using: &random)) }
            case 1: bytes += [UInt8](repeating: .random(in: 0...255, using: &random), count: length)
            case 2 where !bytes.isEmpty:
                let start = Int.random(in: 0..<bytes.count, using: &random)
                bytes += bytes[start..<Swift.min(start + length, bytes.count)]
            case 3:
                let unit = (0..<Int.random(in: 2...9, using: &random)).map { _ in
                    UInt8.random(in: 97...122, using: &random)
                }
                for index in 0..<length { bytes.append(unit[index % unit.count]) }
            default: for _ in 0..<length { bytes.append(.random(in: 97...110, using: &random)) }
            }
        }
        return Array(bytes.prefix(count))
    }
}
