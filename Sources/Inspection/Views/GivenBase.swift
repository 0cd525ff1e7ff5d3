// The user's address for an image in a view, whether a machine has memory there or not.

import AnyELF
import Boot
import Diagnostics
import Linking

extension ApplicationFile {
    /// Throws a `Failure` if the image of the file with the name `name` cannot begin at `base`: `size` and `alignment` are those of the
    /// whole image, if it has libraries.
    func check(base: UInt64, of name: String, size: UInt64? = nil, alignment: UInt64? = nil) throws(Failure) {
        if linked.isFixed, base != linked.linkStart {
            throw Failure(
                "\(printable(name)) is linked at a fixed address, \(hex(linked.linkStart)): it cannot be elsewhere")
        }
        let size = size ?? self.size
        // An image larger than any memory is refused for its size first.
        guard size > 1 << 46 || base.adding(size) != nil else {
            throw Failure(
                "\(printable(name)) has \(size) bytes in memory: from \(hex(base)) on they do not fit in 64 bits")
        }
        if isObject, base % max(object.alignment, 1) != 0 {
            throw Failure(
                "a section of \(printable(name)) needs an address that is a multiple of \(hex(object.alignment))")
        }
        let alignment = alignment ?? linked.alignment
        if !isObject, (base &- linkStart) & (alignment &- 1) != 0 {
            let residue = linkStart & (alignment &- 1)
            throw Failure(
                "a segment of \(printable(name)) needs an address that is a multiple of \(hex(alignment))"
                    + (residue == 0 ? "" : " plus \(hex(residue))"))
        }
    }
}
