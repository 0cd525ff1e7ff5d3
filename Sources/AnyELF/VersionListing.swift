// Symbol versions (Linux Standard Base, "Symbol Versioning"): a number for each dynamic symbol, and the lists that name the numbers. Both
// classes write them alike.

public import Bytes
public import Diagnostics
import ELF

/// A version that a file defines, or needs from another.
public struct ListedVersion: Sendable {
    /// Whether the file defines it.
    public let isDefined: Bool
    /// The number by which symbols refer to it.
    public let number: UInt16
    /// VER_FLG_BASE (1), VER_FLG_WEAK (2).
    public let flags: UInt16
    /// Its name.
    public let name: String
    /// The file that should define it; empty if this one does.
    public let file: String
    /// The versions that it follows, if the file defines it.
    public let parents: [String]
}

/// The lists of a file: SHT_GNU_verdef or DT_VERDEF, and SHT_GNU_verneed or DT_VERNEED.
public enum VersionListing {
    /// SHT_GNU_verdef, SHT_GNU_verneed and SHT_GNU_versym.
    static let definedKind: UInt32 = 0x6fff_fffd, neededKind: UInt32 = 0x6fff_fffe,
        numbersKind: UInt32 = 0x6fff_ffff

    /// All versions of `file`, by its section headers, or if these list none, by its dynamic section; the defined ones come first. Throws
    /// `versionTableMalformed`, and the faults of finding the tables.
    public static func all(_ file: ByteView, _ header: AnyFileHeader, _ sections: SectionListing) throws(Fault)
        -> [ListedVersion]
    {
        let versions = try all(sections, header.form)
        guard versions.isEmpty, let dynamic = try DynamicListing.first(file, header) else { return versions }
        return try all(dynamic, header.form)
    }

    /// The versions in the tables that section headers name.
    public static func all(_ sections: SectionListing, _ form: FileForm) throws(Fault) -> [ListedVersion] {
        var versions: [ListedVersion] = []
        for kind in [definedKind, neededKind] {
            for index in 0..<sections.count where sections[index].type == kind {
                guard Int(sections[index].link) < sections.count else { continue }
                let strings = try sections.contents(Int(sections[index].link))
                let tag = kind == definedKind ? DynamicTag.definedVersions : DynamicTag.neededVersions
                versions += try list(try sections.contents(index), strings, form, tag)
            }
        }
        return versions
    }

    /// The versions in the tables that the dynamic section names.
    public static func all(_ dynamic: DynamicListing, _ form: FileForm) throws(Fault) -> [ListedVersion] {
        var versions: [ListedVersion] = []
        for tag in [DynamicTag.definedVersions, DynamicTag.neededVersions] {
            guard let table = try dynamic.table(tag) else { continue }
            versions += try list(table, dynamic.strings, form, tag)
        }
        return versions
    }

    /// The versions in `table`, whose names are in `strings`; `tag` says which list it is. Each step goes forward, and no more items are
    /// read than fit. Throws `versionTableMalformed`.
    private static func list(_ table: ByteView, _ strings: ByteView, _ form: FileForm, _ tag: UInt64) throws(Fault)
        -> [ListedVersion]
    {
        let isDefined = tag == DynamicTag.definedVersions
        var versions: [ListedVersion] = []
        var entry: UInt64 = 0
        var steps: UInt64 = 0
        func malformed(_ offset: UInt64) -> Fault {
            Fault(.versionTableMalformed, .dynamic(tag), value: offset, limit: table.count)
        }
        func name(_ offset: UInt32) -> String { strings.string(at: UInt64(offset), limit: ByteView.textLimit + 1).text }
        // An empty section has no list.
        while table.count > 0 {
            guard table.contains(entry, isDefined ? 20 : 16) else { throw malformed(entry) }
            func u16(_ offset: UInt64) -> UInt16 { form.u16(table, at: entry &+ offset) ?? 0 }
            func u32(_ offset: UInt64) -> UInt32 { form.u32(table, at: entry &+ offset) ?? 0 }
            // vd_cnt and vd_aux, vn_cnt and vn_aux.
            let count = u16(isDefined ? 6 : 2)
            var item = entry &+ UInt64(u32(isDefined ? 12 : 8))
            var names: [String] = []
            for _ in 0..<count {
                steps += 1
                guard steps <= table.count / 8, table.contains(item, isDefined ? 8 : 16) else { throw malformed(item) }
                func field(_ offset: UInt64) -> UInt32 { form.u32(table, at: item &+ offset) ?? 0 }
                if isDefined {
                    // vda_name.
                    names.append(name(field(0)))
                } else {
                    // vna_other, vna_flags, vna_name; vn_file.
                    versions.append(
                        ListedVersion(
                            isDefined: false, number: form.u16(table, at: item &+ 6) ?? 0,
                            flags: form.u16(table, at: item &+ 4) ?? 0, name: name(field(8)), file: name(u32(4)),
                            parents: []))
                }
                // vda_next, vna_next.
                let next = field(isDefined ? 4 : 12)
                if next == 0 { break }
                item = item &+ UInt64(next)
            }
            if isDefined {
                // vd_ndx, vd_flags.
                versions.append(
                    ListedVersion(
                        isDefined: true, number: u16(4), flags: u16(2), name: names.first ?? "", file: "",
                        parents: Array(names.dropFirst())))
            }
            // vd_next, vn_next.
            let next = UInt64(u32(isDefined ? 16 : 12))
            if next == 0 { return versions }
            guard next >= (isDefined ? 20 : 16) else { throw malformed(entry) }
            entry = entry &+ next
        }
        return versions
    }
}
