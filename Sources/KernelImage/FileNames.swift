// How the files that were given together are called.

import Bytes
import Diagnostics
import ELF

/// By what names the files can be needed: DT_SONAME, or else the last part of the path that they were given with.
public struct FileNames {
    private var names = InlineArray<16, NamedFile>(repeating: NamedFile(start: 0, size: 0))

    /// The names of `files`.
    public init(_ files: borrowing NamedFiles) {
        for index in 0..<files.count {
            let file = files[index]
            // The file's own name: the end of the string's first word.
            var name = NamedFile(start: 0, size: 0)
            var end = file.string
            name.string = end
            while end &- file.string < file.stringSize, let byte = files.bytes.byte(at: end), byte != 0x20 {
                end &+= 1
                if byte == UInt8(ascii: "/") { name.string = end }
            }
            name.stringSize = end &- name.string
            if let soname = try? FileNames.soname(files, file) { (name.start, name.size) = soname }
            names[index] = name
        }
    }

    /// The name of the file at `index` for people: its offset, and its length.
    public func shown(_ index: Int) -> (start: UInt64, size: UInt64) {
        let name = names.span[index]
        return name.size > 0 ? (name.start, name.size) : (name.string, name.stringSize)
    }

    /// The last part of the path that the file at `index` was given with.
    func fileName(_ index: Int) -> (start: UInt64, size: UInt64) {
        (names.span[index].string, names.span[index].stringSize)
    }

    /// DT_SONAME of a sound shared object: where it is, and its length. What is wrong with one that is not is told when it is
    /// needed.
    private static func soname(
        _ files: borrowing NamedFiles, _ file: NamedFile
    ) throws(Fault) -> (start: UInt64, length: UInt64) {
        let view = try files.bytes.slice(at: file.start, size: file.size, else: .moduleOutsideMemory, .none)
        let image = try KernelImage(view, as: .library)
        guard let segment = image.dynamicIndex.map({ image.programHeaders[$0] }) else { return (0, 0) }
        let bytes = try view.slice(at: segment.offset, size: segment.filesz, else: .segmentBeyondFile, .none)
        let section = try DynamicSection(bytes)
        let name = SharedObjectSection(bytes).name
        guard name != 0, let table = section.stringTable, name < section.stringTableSize ?? 0 else { return (0, 0) }
        let start = try image.fileOffset(of: table, .dynamic(DynamicTag.stringTable)) &+ name
        let limit = (section.stringTableSize ?? 0) &- name
        return (file.start &+ start, view.stringLength(at: start, limit: limit) ?? 0)
    }

    /// The file that the string at `offset` of `strings` names, nil where it is none of them.
    func find(
        _ offset: UInt64, _ strings: StringTable, _ files: borrowing NamedFiles, _ search: inout SymbolSearch
    ) throws(Fault) -> Int? {
        guard let length = strings.length(offset, files.bytes), length > 0 else { return nil }
        let start = strings.start &+ offset
        // Each file's names are compared once at the most.
        try search.add(length &* UInt64(files.count))
        for index in 0..<files.count where names.span[index].size == length {
            if files.bytes.areSame(names.span[index].start, start, count: length) { return index }
        }
        // A name with a path stands for its last part.
        var last = start
        for index in 0..<length where files.bytes.byte(at: start &+ index) == UInt8(ascii: "/") {
            last = start &+ index &+ 1
        }
        let lastLength = length &- (last &- start)
        for index in 0..<files.count where names.span[index].stringSize == lastLength && lastLength > 0 {
            if files.bytes.areSame(names.span[index].string, last, count: lastLength) { return index }
        }
        return nil
    }
}
