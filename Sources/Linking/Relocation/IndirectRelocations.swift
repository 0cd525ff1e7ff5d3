// Relocations that wait for a resolver function.

import Architecture
public import Bytes
public import Diagnostics
import ELF

extension Relocator {
    /// The second pass, for an image that `apply` has relocated except for places that depend on resolver functions: calls these in order,
    /// by their run-time address, through `resolve`, and stores their results. If `resolve` returns nil the place stays unchanged. Without
    /// `mayResolve` the first resolver function is a fault, `resolverOutOfPlace`.
    @inline(never)
    public func resolveIndirect(
        in memory: inout ByteRegion, mayResolve: Bool,
        _ resolve: (_ resolver: UInt64, _ relocation: ListedRelocation) -> UInt64?
    ) throws(Fault) {
        var cursor = EntryCursor()
        var search = search
        while let relocation = own.next(&cursor, scope.files) {
            let entry = relocation.entry
            // The first pass has thrown any fault. By now an addend that was in place is overwritten, so the outcome of a relocation
            // that does not wait for a function can no longer be computed.
            guard let meaning = RelocationType(entry.type),
                entry.type == RelocationNumber.iRelative || meaning.formula.usesSymbolValue,
                let outcome = try? outcome(of: entry, in: memory, &search),
                case .indirect(let resolver) = outcome
            else { continue }
            guard mayResolve else { throw Fault(.resolverOutOfPlace, relocation.location, value: resolver) }
            // The addend is read before the call: it may be in place.
            let addend = entry.addend ?? Relocator.load(meaning.field, at: entry.offset, in: memory) ?? 0
            guard let result = resolve(resolver, relocation) else { continue }
            do throws(Fault) {
                let value = try meaning.value(result, addend, entry.offset &+ bias)
                guard Relocator.store(value, meaning.field, at: entry.offset, in: &memory) else {
                    throw outside(memory, entry)
                }
            } catch { throw error.at(relocation.location) }
        }
    }
}
