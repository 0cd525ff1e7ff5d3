// An application's file, or that of a shared object that is loaded with one.

import Boot
import Bytes
import Diagnostics
import Linking

extension ApplicationFile {
    /// `file`, an application or a shared object that is loaded with one.
    @_lifetime(copy file)
    init(loaded file: ByteView) throws(Fault) {
        do throws(Fault) {
            self = try ApplicationFile(file)
        } catch {
            self = try ApplicationFile(file, as: .library)
        }
    }

    /// The link address of the image's first byte.
    var linkStart: UInt64 { isObject ? 0 : linked.linkStart }

    /// The number of bytes of memory that the image needs.
    var size: UInt64 { isObject ? object.size : linked.size }
}
