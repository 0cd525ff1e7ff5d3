// A listing of the relocations of an object file, with the outcome of each.

import Architecture
public import Bytes
public import Diagnostics
public import ELF

/// One relocation of an object file, after it has been applied.
public struct AppliedRelocation: Equatable, Sendable {
    /// The entry; its offset counts in the section that it changes.
    public var entry: RelocationEntry
    /// The index of the section that holds the entry, and of the section that it changes.
    public var table: UInt32, section: UInt32
    /// The link address of the place.
    public var place: UInt64
    /// Its outcome; nil if the code around it has been replaced, so that its call is gone (psABI, chapter "TLS Relaxation").
    public var outcome: Result<RelocationOutcome, Fault>?
    /// The file offset of the name of its symbol, or else of its symbol's section; 0 if neither has one.
    public var nameOffset: UInt64
}

extension ObjectImage {
    /// Applies all relocations to `memory` as `relocate` does, and calls `body` with each; one that cannot be applied is skipped, and
    /// its outcome is the fault. Throws if a table cannot be read.
    public func forEachRelocation(
        in memory: inout ByteRegion, bias: UInt64, _ body: (AppliedRelocation) -> Void
    ) throws(Fault) {
        var state = ObjectRelocator(self, bias: bias)
        while try nextTarget(&state, in: memory) {
            var hasEntry = try state.relocations.next()
            while hasEntry {
                let (entry, count) = (state.relocations.entry, state.relocations.count)
                var isRelaxed = false
                var fault: Fault?
                let location = state.relocations.location
                do throws(Fault) { isRelaxed = try apply(&state, to: &memory) } catch { fault = error.at(location) }
                body(applied(entry, state, isRelaxed, fault, memory))
                if isRelaxed { body(applied(state.relocations.entry, state, true, nil, memory)) }
                // If an entry was read ahead in vain, it is the next.
                if isRelaxed || state.relocations.count == count { hasEntry = try state.relocations.next() }
            }
        }
    }

    private func applied(
        _ entry: RelocationEntry, _ state: borrowing ObjectRelocator, _ isRelaxed: Bool, _ fault: Fault?,
        _ memory: borrowing ByteRegion
    ) -> AppliedRelocation {
        let place = state.start &+ entry.offset
        let result: Result<RelocationOutcome, Fault> =
            if let fault { .failure(fault) } else { .success(outcome(of: entry, at: place, memory)) }
        var symbol = ObjectSymbol()
        _ = symbol.read(entry.symbol, of: symbols)
        return AppliedRelocation(
            entry: entry, table: state.relocations.section, section: state.relocations.target, place: place,
            outcome: isRelaxed ? nil : result, nameOffset: nameOffset(of: symbol))
    }

    /// The outcome of `entry`, which has been applied at link address `place`.
    private func outcome(
        of entry: RelocationEntry, at place: UInt64, _ memory: borrowing ByteRegion
    ) -> RelocationOutcome {
        guard let meaning = RelocationType(entry.type), meaning.field.size > 0 else { return .nothing }
        if meaning.formula == .tlsDescriptor {
            return .descriptor(
                resolver: memory.load(UInt64.self, at: place) ?? 0,
                argument: memory.load(UInt64.self, at: place &+ 8) ?? 0)
        }
        return Relocator.load(meaning.field, at: place, in: memory).map { .value($0) } ?? .nothing
    }
}
