// Counts each byte of a file and its image once: for the part that holds it, or else for the section or segment around it.

import AnyELF
import Bytes
import Diagnostics
import ELF

/// A part, and how many bytes it has.
struct SizedPart: Equatable {
    let name: String
    /// In the file, and in memory.
    var file: UInt64 = 0, memory: UInt64 = 0
}

/// The parts of one file.
struct SizeBreakdown {
    /// The largest first.
    let parts: [SizedPart]
    /// The size of the file, and of its memory.
    let file: UInt64, memory: UInt64

    /// A section (or a segment if there are no sections) that contains parts.
    struct Container {
        let name: String
        let address: UInt64, size: UInt64
        /// How many of its first bytes are in the file.
        let fileSize: UInt64
        let isInMemory: Bool
    }

    /// A part that has a name: `size` bytes from `start` on in a container.
    struct Label {
        let container: Int
        let start: UInt64, size: UInt64
        let name: String
    }

    /// Attributes the bytes of a file of `fileSize` bytes: to `labels`, elsewhere to `containers` (in brackets if there are labels), and
    /// the rest to `remainder`. `labels` is nil if the containers are the parts.
    init(_ containers: [Container], _ labels: [Label]?, fileSize: UInt64, remainder: String = "[headers, padding]") {
        var sums: [String: SizedPart] = [:]
        var (stored, total) = (0 as UInt64, 0 as UInt64)
        func add(_ name: String, _ container: Container, _ start: UInt64, _ end: UInt64) {
            guard end > start else { return }
            let inFile = min(end, container.fileSize) - min(start, container.fileSize)
            sums[name, default: SizedPart(name: name)].file.addClamped(inFile)
            if container.isInMemory { sums[name, default: SizedPart(name: name)].memory.addClamped(end - start) }
        }
        // Of two at one place the larger one counts.
        let sorted = (labels ?? []).sorted {
            ($0.container, $0.start, $1.size, $0.name) < ($1.container, $1.start, $0.size, $1.name)
        }
        var next = 0
        for (index, container) in containers.enumerated() {
            let rest = labels == nil ? container.name : "[\(container.name)]"
            var reached: UInt64 = 0
            while next < sorted.count, sorted[next].container <= index {
                let label = sorted[next]
                next += 1
                guard label.container == index else { continue }
                let end = min(label.start.addingClamped(label.size), container.size)
                let start = max(label.start, reached)
                guard end > start else { continue }
                add(rest, container, reached, start)
                add(label.name, container, start, end)
                reached = end
            }
            add(rest, container, reached, container.size)
            stored.addClamped(container.fileSize)
            if container.isInMemory { total.addClamped(container.size) }
        }
        if stored < fileSize {
            sums[remainder, default: SizedPart(name: remainder)].file.addClamped(fileSize - stored)
        }
        parts = sums.values.filter { $0.file > 0 || $0.memory > 0 }.sorted {
            let (left, right) = (max($0.file, $0.memory), max($1.file, $1.memory))
            return left != right ? left > right : $0.name < $1.name
        }
        file = fileSize
        memory = total
    }
}

extension UInt64 {
    fileprivate mutating func addClamped(_ other: UInt64) { self = addingClamped(other) }
}
