// The notes of an image about its kernel, and the generation of the entry contract that follows from them.

public import Bytes
public import Diagnostics
public import ELF

/// The version of a Hermit kernel, from the GNU ABI tag note.
public struct HermitVersion: Equatable, Sendable {
    /// Major, minor and patch number.
    public var major: UInt32, minor: UInt32, patch: UInt32
}

/// The notes that concern the loader, collected from every PT_NOTE segment.
public struct HermitNotes: Equatable, Sendable {
    /// The entry version: note `HERMIT`, type 0x5a00, one byte.
    public private(set) var entryVersion: UInt8?
    /// The kernel's version: note `GNU`, type 1, operating system 6; kernels before 0.10 have none.
    public private(set) var kernelVersion: HermitVersion?
    /// The uhyve interface version: note `UHYVEIF`, type 0x5b00, one big-endian word.
    public private(set) var uhyveInterface: UInt32?

    /// The newest known entry version.
    static var newestEntryVersion: UInt8 { 4 }

    /// n_type of the note `HERMIT`.
    public static var entryVersionType: UInt32 { 0x5a00 }
    /// NT_GNU_ABI_TAG, and the number of Hermit among its operating systems.
    public static var abiTagType: UInt32 { 1 }
    private static var hermit: UInt32 { 6 }
    /// n_type of the note `UHYVEIF`.
    public static var uhyveInterfaceType: UInt32 { 0x5b00 }

    /// No notes.
    public init() {}

    /// Reads the notes of all PT_NOTE segments of `file`.
    ///
    /// Throws `segmentBeyondFile`, `bytesListedTwice`, `noteTruncated`, `entryVersionSize`, `unknownEntryVersion`,
    /// `contradictoryEntryVersion`, `abiTagSize` or `abiTagNotHermit`.
    public init(_ file: ByteView, _ programHeaders: ProgramHeaders) throws(Fault) {
        try read(file, programHeaders)
    }

    /// Reads the notes of all PT_NOTE segments from the program header at `first` on, and adds them.
    public mutating func read(
        _ file: ByteView, _ programHeaders: ProgramHeaders, from first: Int = 0
    ) throws(Fault) {
        var reading = ReadBudget(limit: file.count)
        for index in first..<programHeaders.count {
            let segment = programHeaders[index]
            guard segment.type == ProgramHeader.Kind.note else { continue }
            let notes = try Notes(file, segment: segment, index: UInt64(index))
            try reading.add(segment.filesz, .programHeader(UInt64(index)))
            try add(notes)
        }
    }

    /// Reads the notes of all SHT_NOTE sections of an object file that are in memory at run time, as `read(_:_:from:)` does for PT_NOTE.
    public mutating func read(_ sections: borrowing SectionTable) throws(Fault) {
        var reading = ReadBudget(limit: sections.file.count)
        var numbers = sections.numbers
        while let index = numbers.next() {
            let section = sections[index]
            guard section.type == SectionHeader.Kind.note, section.flags & SectionHeader.Flags.alloc != 0 else {
                continue
            }
            let notes = try Notes(sections, section: index)
            try reading.add(section.size, .sectionHeader(UInt64(index)))
            try add(notes)
        }
    }

    private mutating func add(_ notes: Notes) throws(Fault) {
        var notes = notes
        while let note = try notes.next() { try add(note) }
    }

    private mutating func add(_ note: borrowing Note) throws(Fault) {
        let location = FaultLocation.offset(note.offset)
        if note.type == HermitNotes.entryVersionType, note.isOwned(by: "HERMIT") {
            guard note.desc.count == 1, let version = note.desc.byte(at: 0) else {
                throw Fault(.entryVersionSize, location, value: note.desc.count)
            }
            guard version >= 1, version <= HermitNotes.newestEntryVersion else {
                throw Fault(
                    .unknownEntryVersion, location, value: UInt64(version),
                    limit: UInt64(HermitNotes.newestEntryVersion))
            }
            guard entryVersion ?? version == version else {
                throw Fault(
                    .contradictoryEntryVersion, location, value: UInt64(version), limit: UInt64(entryVersion ?? 0))
            }
            entryVersion = version
        } else if note.type == HermitNotes.abiTagType, note.isOwned(by: "GNU") {
            guard note.desc.count >= 16 else { throw Fault(.abiTagSize, location, value: note.desc.count) }
            let tag = note.desc.entry(0, size: 16)
            guard tag.u32(0) == HermitNotes.hermit else {
                throw Fault(.abiTagNotHermit, location, value: UInt64(tag.u32(0)))
            }
            kernelVersion = HermitVersion(major: tag.u32(4), minor: tag.u32(8), patch: tag.u32(12))
        } else if note.type == HermitNotes.uhyveInterfaceType, note.isOwned(by: "UHYVEIF"), note.desc.count >= 4 {
            uhyveInterface = note.desc.word32(at: 0)?.byteSwapped
        }
    }
}

/// A generation of the entry contract: a BootInfo layout, and the state that the kernel relies on at its entry.
public enum Generation: UInt8, Equatable, Sendable {
    /// No note: kernels v0.3.10 to v0.4.2.
    case zero
    /// Entry version 1: v0.4.3 and v0.4.4.
    case one
    /// Entry version 2: v0.5.0 and v0.6.0.
    case two
    /// Entry version 3: v0.6.1 to v0.6.8.
    case three
    /// Entry version 4 on kernels before 0.11: the kernel maps memory itself, through a recursive page table.
    case fourRecursive
    /// Entry version 4 on kernels from 0.11: the loader identity-maps all RAM.
    case fourIdentity

    /// The generation of an image with these notes and this OSABI. Without an entry version it is of generation 0 if its OSABI is
    /// that of Hermit images; otherwise throws `missingEntryVersion`.
    public init(_ notes: HermitNotes, osABI: UInt8) throws(Fault) {
        switch notes.entryVersion {
        case nil:
            guard osABI == OSABI.standalone else {
                throw Fault(.missingEntryVersion, .header, value: UInt64(osABI))
            }
            self = .zero
        case 1: self = .one
        case 2: self = .two
        case 3: self = .three
        default:
            let version = notes.kernelVersion ?? HermitVersion(major: 0, minor: 0, patch: 0)
            self = version.major > 0 || version.minor >= 11 ? .fourIdentity : .fourRecursive
        }
    }

    /// Whether the kernel needs PML4[511] to point to the PML4, and nothing mapped where it will map memory itself.
    public var usesRecursivePageTable: Bool { self != .fourIdentity }
    /// Whether the kernel takes its stack from the register rsp, rather than from BootInfo.
    public var takesStackFromRegister: Bool { rawValue >= Generation.two.rawValue }
    /// Whether BootInfo holds the address of a device tree.
    public var hasDeviceTree: Bool { rawValue >= Generation.three.rawValue }
    /// Whether BootInfo has a platform tag for a machine that only a device tree describes.
    public var hasDeviceTreePlatform: Bool { rawValue >= Generation.fourRecursive.rawValue }

    /// The entry version.
    public var entryVersion: UInt8 { min(rawValue, 4) }

    /// The generation's name.
    public var name: Text {
        switch self {
        case .zero: "entry version 0"
        case .one: "entry version 1"
        case .two: "entry version 2"
        case .three: "entry version 3"
        case .fourRecursive: "entry version 4, recursive page table"
        case .fourIdentity: "entry version 4, identity-mapped RAM"
        }
    }
}
