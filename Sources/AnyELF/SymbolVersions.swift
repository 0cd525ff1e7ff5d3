// The versions of symbols, as linkers write them after a name.

public import Bytes
import Diagnostics
public import ELF

/// The versions of one table's symbols, as linkers write them after a name.
public struct SymbolVersions: ~Escapable, Sendable {
    private let form: FileForm
    /// Two bytes for each symbol; empty if symbols have no versions.
    private let numbers: ByteView
    /// The names by number: with `@` for a needed one, with `@@` for a defined one.
    private var names: [UInt16: String] = [:]

    /// The versions of the symbols in the section at `index` of `sections`; none if their tables are malformed.
    @_lifetime(copy file, copy sections)
    public init(of index: Int, _ sections: SectionListing, _ form: FileForm, _ file: ByteView) {
        self.form = form
        let number = (0..<sections.count).first {
            sections[$0].type == VersionListing.numbersKind && Int(sections[$0].link) == index
        }
        if let number, let bytes = try? sections.contents(number) {
            numbers = bytes
        } else {
            numbers = file.part(at: 0, size: 0)
        }
        if number != nil, let versions = try? VersionListing.all(sections, form) { read(versions) }
    }

    /// The versions of the symbols at DT_SYMTAB.
    @_lifetime(copy dynamic, copy file)
    public init(_ dynamic: DynamicListing, _ form: FileForm, _ file: ByteView) {
        self.form = form
        if let bytes = try? dynamic.table(DynamicTag.versions) {
            numbers = bytes
        } else {
            numbers = file.part(at: 0, size: 0)
        }
        if let versions = try? VersionListing.all(dynamic, form) { read(versions) }
    }

    private mutating func read(_ versions: [ListedVersion]) {
        // VER_FLG_BASE is the file's own name, which no symbol has.
        for version in versions where version.flags & 1 == 0 || !version.isDefined {
            names[version.number & VersionIndex.number] = (version.isDefined ? "@@" : "@") + version.name
        }
    }

    /// `@VERSION` for the symbol at `index`, `@@VERSION` if it is the default version; nil without one.
    public func version(of symbol: Symbol, at index: Int) -> String? {
        guard !names.isEmpty, let number = form.u16(numbers, at: UInt64(index) &* 2),
            number & VersionIndex.number > VersionIndex.global,
            let name = names[number & VersionIndex.number]
        else { return nil }
        // Bit 15 hides a version. A variable that a program has copied to itself keeps the version that it was referred to with.
        let isDefault = number & VersionIndex.hidden == 0 && !symbol.isUndefined
        return isDefault || !name.hasPrefix("@@") ? name : String(name.dropFirst())
    }
}
