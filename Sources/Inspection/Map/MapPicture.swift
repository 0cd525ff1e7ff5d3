// The picture of a file, its image and the guest's memory, before anybody draws it.

import Memory
import Boot
import HermitEntry
import Bytes
import Diagnostics

/// Everything that the picture shows, of one rehearsed boot.
struct MapPicture {
    let name: String
    let image: ImageMap
    let guest: GuestMap
    /// Sentences below the title.
    let facts: [String]

    /// The picture of `file`, called `name`, after its rehearsal on `machine`.
    init(_ file: ByteView, _ name: String, on machine: HostMachine, gigabytePages: Bool) throws {
        let rehearsal = try Rehearsal(file, on: machine, gigabytePages: gigabytePages)
        var plans = Rehearsal.noPlan
        let application = try rehearsal.application(plans.mutableSpan)
        let placement = rehearsal.placement
        self.name = printable(name)
        image = try ImageMap(file, application, bias: placement.bias, libraries: rehearsal.libraries)
        guest = GuestMap(rehearsal, on: machine)
        var facts = [
            "\(file.count) bytes in the file, \(placement.image.size) bytes of memory at \(hex(placement.image.start))",
            "entry point \(hex(rehearsal.entry.instructionPointer)), \(rehearsal.generation.name.string)",
        ]
        if !image.relocated.isEmpty { facts.append(counted(image.relocated.count, "relocated place")) }
        for library in rehearsal.libraries {
            facts.append("\(printable(library.name)) at \(hex(library.memory.start)), \(library.memory.size) bytes")
        }
        if let tls = application.tls(bias: placement.bias) {
            facts.append(
                "TLS template at \(hex(tls.start)): \(tls.filesz) of \(tls.memsz) bytes initialised, "
                    + "aligned to \(tls.align)")
        }
        if let remark = image.remark { facts.append(remark) }
        self.facts = facts
    }

    /// The file's name in at most `length` characters: of a long path its end.
    func title(_ length: Int) -> String {
        name.count <= length ? name : "…" + name.suffix(length - 1)
    }

    /// `text` in at most `length` characters.
    static func clipped(_ text: String, _ length: Int) -> String {
        text.count <= length ? text : text.prefix(length - 1) + "…"
    }

    /// `size` bytes in a unit that needs at most four digits.
    static func human(_ size: UInt64) -> String {
        var (value, unit) = (size, 0)
        while value >= 10_000, unit < 4 {
            value = (value + 512) / 1024
            unit += 1
        }
        return "\(value) \(["B", "KiB", "MiB", "GiB", "TiB"][unit])"
    }

    /// The power of two, at least 16, of which at most `budget` make up `total`: what one more line stands for.
    static func scale(_ total: UInt64, budget: UInt64) -> UInt64 {
        var unit: UInt64 = 16
        while total / unit > budget { unit *= 2 }
        return unit
    }

    /// How dense the relocated words are in each of up to `cells` equal pieces of `range`, from 0 to 1.
    func density(_ range: AddressRange, cells: Int) -> [Double] {
        let count = min(UInt64(cells), max(range.size / 8, 1))
        return (0..<count).map { index in
            let start = range.start + range.size * index / count
            let end = range.start + range.size * (index + 1) / count
            return min(1, Double(image.relocations(in: AddressRange(start, end)) * 8) / Double(max(end - start, 1)))
        }
    }
}
