// The outcome of a relocation, as the views of relocations write it.

import Diagnostics
import Linking

extension Listing {
    /// The cell of `outcome`: a value, a descriptor's two words, a function to call, or the address and the size of a copied object.
    mutating func cell(_ outcome: RelocationOutcome) {
        switch outcome {
        case .nothing: none()
        case .value(let value): hex(value)
        case .descriptor(let resolver, let argument): pair(resolver, argument)
        case .indirect(let resolver): text("\(Inspection.hex(resolver))()")
        case .copy(let source, let size): pair(source, size)
        }
    }

    /// The cell of two numbers.
    mutating func pair(_ first: UInt64, _ second: UInt64) { text("\(Inspection.hex(first)),\(Inspection.hex(second))") }

    /// The cell of a relocation that cannot be applied.
    mutating func cell(_ fault: Fault) { text("error: \(fault.rule)") }
}
