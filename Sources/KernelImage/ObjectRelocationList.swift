// The relocations of an object file one by one, with what each comes to: for whoever looks at them.

public import Bytes
public import Diagnostics
public import ELF

/// One relocation of an object file, after it has been applied.
public struct AppliedRelocation: Equatable, Sendable {
    /// What it came to.
    public enum Outcome: Equatable, Sendable {
        /// Nothing is stored.
        case nothing
        /// This is stored.
        case value(UInt64)
        /// A TLS descriptor is stored.
        case descriptor(resolver: UInt64, argument: UInt64)
        /// The code around it has been replaced, so that its call is none any more (psABI, chapter "TLS Relaxation").
        case relaxed
        /// It cannot be applied.
        case fault(Fault)
    }

    /// The entry; its offset is one in the section that it changes.
    public var entry: RelocationEntry
    /// The index of the section that holds the entry, and of the section that it changes.
    public var table: UInt32, section: UInt32
    /// The link address of the place.
    public var place: UInt64
    /// What it came to.
    public var outcome: Outcome
    /// The file offset of its symbol's name, or else of that of its symbol's section; 0 where neither has one.
    public var nameOffset: UInt64
}

extension ObjectRelocator {
    /// Applies all relocations to `memory` as `apply` does, and tells `body` each; one that cannot be applied is told like
    /// the others, and left out. Throws where a table cannot be read.
    public func forEachRelocation(
        in memory: inout ByteRegion, _ body: (AppliedRelocation) -> Void
    ) throws(Fault) {
        var table = GlobalOffsetTable(layout)
        var relocations = ObjectRelocations(sections)
        while let target = try nextTarget(&relocations, in: memory) {
            var next = try relocations.next()
            var number: UInt64 = 0
            while let entry = next {
                next = try relocations.next()
                var used: UInt64 = 1
                var fault: Fault?
                do throws(Fault) {
                    used = try apply(entry, number, before: next, target, &table, to: &memory)
                } catch { fault = error }
                number &+= used
                body(applied(entry, target, isRelaxed: used > 1, fault, memory))
                guard used > 1, let call = next else { continue }
                body(applied(call, target, isRelaxed: true, nil, memory))
                next = try relocations.next()
            }
        }
    }

    private func applied(
        _ entry: RelocationEntry, _ target: Target, isRelaxed: Bool, _ fault: Fault?,
        _ memory: borrowing ByteRegion
    ) -> AppliedRelocation {
        let place = target.start &+ entry.offset
        let outcome =
            isRelaxed
            ? .relaxed : fault.map { AppliedRelocation.Outcome.fault($0) } ?? outcome(of: entry, at: place, memory)
        return AppliedRelocation(
            entry: entry, table: target.table, section: target.section, place: place, outcome: outcome,
            nameOffset: nameOffset(of: entry))
    }

    /// What is stored at link address `place`, where `entry` has been applied.
    private func outcome(
        of entry: RelocationEntry, at place: UInt64, _ memory: borrowing ByteRegion
    ) -> AppliedRelocation.Outcome {
        guard let meaning = RelocationMeaning(entry.type), meaning.field.size > 0 else { return .nothing }
        if meaning.formula == .tlsDescriptor {
            return .descriptor(
                resolver: memory.load(UInt64.self, at: place) ?? 0,
                argument: memory.load(UInt64.self, at: place &+ 8) ?? 0)
        }
        return Relocator.load(meaning.field, at: place, in: memory).map { .value($0) } ?? .nothing
    }

    private func nameOffset(of entry: RelocationEntry) -> UInt64 {
        guard entry.symbol != 0, let symbol = symbols[entry.symbol] else { return 0 }
        let name = symbols.nameOffset(of: symbol)
        guard name == 0, case .section(let index) = symbols.definition(of: symbol, at: entry.symbol),
            index < sections.count
        else { return name }
        return sections.nameOffset(index)
    }
}
