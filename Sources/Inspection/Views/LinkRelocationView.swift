// The relocations of an application and its shared objects, and which file defines each symbol.

import AnyELF
import Memory
import Boot
import Bytes
import Diagnostics
import ELF
import Linking

/// The view of relocations of several files.
enum LinkRelocationView {
    /// Lists all relocations of `file`, with the name `name`, and of the `modules` that it needs, for an image whose first byte lies at
    /// `base`, by default the file's link address. Returns the number of relocations that cannot be applied. Throws a `Refusal` if the
    /// files cannot be linked, and a `Failure` if the image cannot lie there.
    static func list(
        _ file: ByteView, _ name: String, with modules: [(path: String, input: InputFile)], base: UInt64?,
        to output: Output,
        json: Bool
    ) throws -> Int {
        // Side by side, as modules are in memory.
        var bytes: [UInt8] = []
        var list: [NamedFile] = []
        func append(_ path: String, _ contents: ByteView) {
            let string = UInt64(bytes.count)
            bytes += Array(path.utf8)
            list.append(
                NamedFile(
                    start: UInt64(bytes.count), size: contents.count, string: string,
                    stringSize: UInt64(path.utf8.count)))
            // The bytes are copied, and the pointer does not leave the closure.
            unsafe contents.span.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        }
        guard modules.count < NamedFiles.capacity else {
            let fault = Fault(
                .tooManyModules, value: UInt64(modules.count + 1), limit: UInt64(NamedFiles.capacity))
            throw Refusal(fault, file)
        }
        append(name, file)
        for module in modules { append(module.path, ByteView(module.input.bytes)) }
        // The bytes hold any value, and the array outlives the view.
        var files = NamedFiles(ByteView(unsafe bytes.span.bytes))
        for file in list { files.append(file) }
        let names = [name] + modules.map(\.path)
        do {
            return try self.list(files, names, base, output, json)
        } catch let fault as Fault { throw Refusal(fault, files) }
    }

    private static func list(
        _ files: borrowing NamedFiles, _ names: [String], _ base: UInt64?, _ output: Output, _ json: Bool
    ) throws -> Int {
        let application = try files.bytes.slice(
            at: files[0].start, size: files[0].size, else: .moduleOutsideMemory, .none)
        _ = try LinkedImage(application)
        var plans = Rehearsal.noPlan
        let link = try LinkMap(files, in: plans.mutableSpan)
        if let base {
            try ApplicationFile(application).check(
                base: base, of: names[0], size: link.plan.end &- link[0].linkStart, alignment: link.plan.alignment)
        }
        let bias = (base ?? link[0].linkStart) &- link[0].linkStart
        var faults = 0
        for index in 0..<link.count {
            let file = link[index].file
            let view = try files.bytes.slice(
                at: files[file].start, size: files[file].size, else: .moduleOutsideMemory, .none)
            let image = try LinkedImage(view, as: .library)
            let destination = ViewTarget(output: output, file: names[file], json: json, isTitled: true)
            faults += try list(index, of: link, image, files.bytes, bias, names, destination)
        }
        return faults
    }

    private static func list(
        _ index: Int, of link: LinkMap, _ image: LinkedImage, _ files: ByteView, _ bias: UInt64, _ names: [String],
        _ destination: ViewTarget
    ) throws(Fault) -> Int {
        let copy = try GuestMemory.holding(image, from: nil)
        let memory = copy.region(AddressRange(0, image.size), at: image.linkStart)
        let relocator = link.relocator(index, files, bias)
        let start = image.linkStart &+ link[index].displacement &+ bias
        let rows = RelocationRows(.libraries, json: destination.json)
        var listing = rows.listing(to: destination, base: start)
        var relocations = relocator.listed
        var number: UInt64 = 0
        var faults = 0
        while let relocation = try relocations.next() {
            let entry = relocation.entry
            listing.decimal(number)
            number += 1
            listing.text(table(relocation.location))
            rows.type(entry.type, in: &listing)
            rows.place(entry.offset &- image.linkStart &+ start, entry.type, in: &listing)
            do throws(Fault) {
                rows.outcome(try relocator.outcome(of: entry, relocation.location, in: memory), in: &listing)
            } catch {
                faults += 1
                rows.outcome(error, in: &listing)
            }
            let symbol = entry.symbol == 0 ? nil : relocator.symbol(at: entry.symbol)
            rows.symbol(image.file, at: symbol?.nameOffset ?? 0, in: &listing)
            if let found = try? relocator.definition(of: entry, relocation.location) {
                // The loader's own symbols have no name in any file.
                listing.text(found.symbol.name == 0 ? "the loader" : names[link[found.linkIndex].file])
            } else {
                listing.none()
            }
        }
        listing.end()
        return faults
    }

    private static func table(_ location: FaultLocation) -> Text {
        switch UInt64(location.table) {
        case DynamicTag.relr: "RELR"
        case DynamicTag.rela: "RELA"
        case DynamicTag.rel: "REL"
        default: "JMPREL"
        }
    }
}
