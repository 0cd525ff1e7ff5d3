// An object file to load: it is planned as by a linker, then queried.

public import Bytes
public import Diagnostics
public import ELF

/// An ELF object file (ET_REL) whose headers, sections and symbol table have been checked, and whose memory is planned. It
/// goes wherever there is room: its link addresses begin at 0.
///
/// It is large, so it is filled in place, and not copied.
public struct ObjectImage: ~Escapable {
    /// The layout of its memory.
    var layout = ObjectLayout()
    /// Its sections.
    public private(set) var sections: SectionTable
    /// Its symbols.
    public private(set) var symbols: ObjectSymbols
    /// The walk through the sections, at its end: after all of them and the common symbols.
    var placed = PlacedSections(blockAlignment: 1, arrayAlignment: 1)

    /// Whether `file` claims to be an object file; it may be malformed.
    public static func isObjectFile(_ file: borrowing ByteView) -> Bool {
        // e_type; `FileHeader` checks the rest.
        file.word32(at: 0) == FileHeader.magic && file.byte(at: 16) == UInt8(FileType.relocatable.rawValue)
            && file.byte(at: 17) == 0
    }

    /// Validates and plans `file`, whose header is `header`.
    @_lifetime(copy file)
    public init(_ file: ByteView, _ header: FileHeader) throws(Fault) {
        self.init(unread: file)
        try read(header)
    }

    /// The image of `file`, which has not been read yet.
    @_lifetime(copy file)
    @inline(never)
    public init(unread file: ByteView) {
        sections = SectionTable(unread: file)
        symbols = ObjectSymbols(file.part(at: 0, size: 0))
    }

    /// Validates and plans it; `header` is its header.
    @_lifetime(self: copy self)
    public mutating func read(_ header: FileHeader) throws(Fault) {
        try find(header)
        try plan()
    }

    /// Finds sections and symbols.
    @_lifetime(self: copy self)
    @inline(never)
    mutating func find(_ header: FileHeader) throws(Fault) {
        try sections.find(header)
        try symbols.find(in: sections)
    }

    /// The file.
    public var file: ByteView {
        @_lifetime(copy self) get { sections.file }
    }
    /// The number of bytes of memory that the image needs: sections, GOT, and the loader's scratch memory.
    public var size: UInt64 { layout.end }
    /// The largest alignment of a section or a common symbol.
    public var alignment: UInt64 { layout.alignment }
    /// The link address of `_start`.
    public var entry: UInt64 { layout.entry }
    /// The link address and the initialised size of the template of thread-local storage.
    public var template: (start: UInt64, size: UInt64) { (layout.templateStart, placed.templateSize) }
    /// The size and the alignment of the block of thread-local storage; the size is 0 if there is none.
    public var block: (size: UInt64, alignment: UInt64) { (placed.block.address, layout.blockAlignment) }

    /// A walk through the sections, before the first of them.
    func walk() -> PlacedSections {
        PlacedSections(blockAlignment: layout.blockAlignment, arrayAlignment: layout.arrayAlignment)
    }

    /// Copies every section into `memory`, whose first byte is for link address 0, and clears the rest of it. Records the places of
    /// sections and common symbols. `memory` must have room for `size` bytes.
    public func load(into memory: inout ByteRegion) throws(Fault) {
        guard memory.clear(memory.address, size: size) else { throw tooLarge(memory.count) }
        var placed = walk()
        while try placed.next(in: sections) {
            layout.scratch.remember(placed, in: &memory)
            guard !placed.group.isZero else { continue }
            guard memory.copy(try sections.contents(placed.index), to: placed.address) else {
                throw tooLarge(memory.count)
            }
        }
        try placeCommon(&placed, in: &memory)
        if layout.hasDescriptors { layout.descriptorThunks.write(to: &memory, at: layout.descriptorThunks.start) }
    }

    private func tooLarge(_ room: UInt64) -> Fault { Fault(.imageTooLarge, value: size, limit: room) }

    /// Places common symbols after the sections, `placed`, and records their places.
    @inline(never)
    func placeCommon(_ placed: inout PlacedSections, in memory: inout ByteRegion) throws(Fault) {
        var symbol = ObjectSymbol()
        while next(&symbol) {
            guard symbol.definition == .common else { continue }
            let address = try placed.place(common: symbol.entry, at: symbol.index, symbols.section)
            layout.scratch.remember(address, ofSymbol: symbol.index, in: &memory)
        }
    }

    /// The section that the byte at link address `address` belongs to, and the section's link address; nil between sections.
    /// Linear in the number of sections.
    public func section(at address: UInt64) -> (index: UInt32, start: UInt64)? {
        var placed = walk()
        while (try? placed.next(in: sections)) == true {
            guard placed.group != .threadLocalZero else { continue }
            let start = placed.address
            // The walk is in ascending order.
            guard start <= address else { return nil }
            if address &- start < placed.size { return (placed.index, start) }
        }
        return nil
    }

    /// Whether link address `address` is in code, or in a section that is both written and executed.
    public func isCode(_ address: UInt64) -> Bool {
        address < placed.bounds.end(.code)
            || layout.hasWrittenCode && address >= layout.templateStart && address < placed.memory.address
    }

    /// The function or object that begins nearest at or below link address `address`, in the same section. Linear in the number of
    /// symbols.
    public func locate(_ address: UInt64) -> LinkedImage.Location? {
        guard let section = section(at: address) else { return nil }
        var nearest = NearestSymbol(below: address &- section.start)
        var next = ObjectSymbol()
        while self.next(&next) {
            if next.definition == .section(section.index) { nearest.consider(next.entry) }
        }
        return nearest.location(names: symbols.namesStart, size: symbols.strings.count)
    }
}

extension ObjectImage {
    /// Goes on to the next symbol; false after the last.
    @inline(never)
    func next(_ symbol: inout ObjectSymbol) -> Bool { symbol.read(symbol.index &+ 1, of: symbols) }

    /// Whether the name at `start` of the string table is `name`.
    func isName(_ start: UInt32, _ name: Text) -> Bool {
        start != 0 && symbols.strings.holds(string: name, at: UInt64(start))
    }

    /// Whether the name at `start` of the string table begins with `name`.
    @inline(never)
    func isName(_ start: UInt32, beginningWith name: Text) -> Bool {
        start != 0 && symbols.strings.holds(name, at: UInt64(start))
    }
}

extension ObjectImage {
    /// The file offset of the name of `symbol`, or else of its section, because a section's symbol has no name; 0 if neither has a name, as
    /// with the null symbol.
    func nameOffset(of symbol: ObjectSymbol) -> UInt64 {
        let name = symbols.nameOffset(of: symbol.entry)
        guard name == 0, case .section(let section) = symbol.definition else { return name }
        return sections.nameOffset(section)
    }
}
