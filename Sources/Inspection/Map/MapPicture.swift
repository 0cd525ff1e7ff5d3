// The picture of a file, its image and the guest's memory, before it is drawn.

import AnyELF
import Architecture
import Memory
import Boot
import HermitEntry
import Bytes
import Diagnostics

/// Everything that the picture shows, of one rehearsed boot.
struct MapPicture {
    let name: String
    let image: ImageMap
    /// The map of the guest's memory; nil if the file does not boot.
    let guest: GuestMap?
    /// The address of the entry point in the image; nil if the file does not boot.
    let entryPoint: UInt64?
    /// Why the file does not boot.
    let refusal: Refusal?
    /// The largest functions.
    let functions: LargestFunctions
    /// Sentences below the title.
    let facts: [String]

    /// The picture of `file`, with the name `name`, after its rehearsal on `machine`; if that fails, of the file alone.
    static func of(_ file: ByteView, _ name: String, on machine: HostMachine, gigabytePages: Bool) -> MapPicture {
        do throws(Refusal) {
            return try MapPicture(file, name, on: machine, gigabytePages: gigabytePages)
        } catch { return MapPicture(file, name, refused: error) }
    }

    private init(_ file: ByteView, _ name: String, refused refusal: Refusal) {
        self.name = printable(name)
        self.refusal = refusal
        (guest, entryPoint) = (nil, nil)
        image = ImageMap(unbootable: file)
        functions = LargestFunctions(file)
        var facts = ["\(file.count) bytes", "will not boot: \(refusal.sentence)"]
        facts += MapPicture.identity(file)
        if let remark = image.remark { facts.append(remark) }
        self.facts = facts
    }

    /// The build ID, if the file has one.
    private static func identity(_ file: ByteView) -> [String] {
        DebugLinks(file).buildID.map { ["build ID \($0)"] } ?? []
    }

    private init(_ file: ByteView, _ name: String, on machine: HostMachine, gigabytePages: Bool) throws(Refusal) {
        var found: Result<(ImageMap, TLSInfo?), Fault>?
        let rehearsal = try Rehearsal(file, on: machine, gigabytePages: gigabytePages) { application, rehearsal in
            found = Result { () throws(Fault) in
                let bias = rehearsal.plan.bias
                let image = try ImageMap(
                    application, bias: bias, libraries: rehearsal.libraries,
                    files: rehearsal.libraries.map { rehearsal.file(of: $0, on: machine)?.input })
                return (image, application.tls(bias: bias))
            }
        }
        let plan = rehearsal.plan
        let template: TLSInfo?
        do throws(Fault) {
            guard let found else { preconditionFailure("a boot that ends has shown its application") }
            (image, template) = try found.get()
        } catch { throw Refusal(error, file) }
        self.name = printable(name)
        guest = GuestMap(rehearsal, on: machine)
        entryPoint = rehearsal.entry.instructionPointer
        refusal = nil
        functions = LargestFunctions(file)
        var facts = [
            "\(file.count) bytes in the file, \(plan.image.size) bytes of memory at \(hex(plan.image.start))",
            "entry point \(hex(rehearsal.entry.instructionPointer)), \(rehearsal.generation.name.string)",
        ]
        if !image.relocated.isEmpty { facts.append(counted(image.relocated.count, "relocated place")) }
        for library in rehearsal.libraries {
            facts.append("\(printable(library.name)) at \(hex(library.memory.start)), \(library.memory.size) bytes")
        }
        if let tls = template {
            facts.append(
                "TLS template at \(hex(tls.start)): \(tls.filesz) of \(tls.memsz) bytes initialised, "
                    + "aligned to \(tls.align)")
        }
        facts += MapPicture.identity(file)
        if let remark = image.remark { facts.append(remark) }
        self.facts = facts
    }

    /// The file's name in at most `length` characters: the end of a long path.
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

    /// The number of bytes per additional line: the smallest power of two, at least 16, such that `total` needs at most `budget` lines.
    static func scale(_ total: UInt64, budget: UInt64) -> UInt64 {
        var unit: UInt64 = 16
        while total / unit > budget { unit *= 2 }
        return unit
    }

    /// The description of `part`: its size, kind and place, and the segment that holds it.
    func description(of part: MapPart) -> String {
        var words = ["\(part.name): \(counted(part.size, "byte")) of \(part.kind.title)"]
        if let file = part.file { words.append("file offsets \(rangeText(file))") }
        if let memory = part.memory {
            words.append("addresses \(rangeText(memory))")
            let count = image.relocations(in: memory)
            if count > 0 { words.append(counted(count, "relocated word")) }
            if isEntry(part) { words.append("entry point \(hex(entryPoint ?? 0))") }
        }
        if let segment = part.segment {
            words.append("segment \(segment)" + (image.access[segment].map { ", \($0)" } ?? ""))
        }
        return words.joined(separator: "; ")
    }

    /// Whether the entry point is in `part`.
    func isEntry(_ part: MapPart) -> Bool {
        guard let entryPoint, let memory = part.memory else { return false }
        return memory.contains(AddressRange(at: entryPoint, size: 1))
    }

    /// The density of relocated words in each of up to `cells` equal pieces of `range`, from 0 to 1.
    func density(_ range: AddressRange, cells: Int) -> [Double] {
        let count = min(UInt64(cells), max(range.size / 8, 1))
        return (0..<count).map { index in
            let start = range.start + range.size * index / count
            let end = range.start + range.size * (index + 1) / count
            return min(1, Double(image.relocations(in: AddressRange(start, end)) * 8) / Double(max(end - start, 1)))
        }
    }
}
