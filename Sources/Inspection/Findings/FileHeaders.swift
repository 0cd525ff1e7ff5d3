// The header of a file, read once for everything that is said of it.

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF

/// The header of a file, whatever the file is.
struct FileHeaders {
    /// As the loader reads it, or why it does not.
    let own: Result<FileHeader, Fault>
    /// As the views read it, which know more kinds of file; nil if it is none that they know.
    let any: AnyFileHeader?

    /// Reads the header of `file`.
    init(_ file: ByteView) {
        do throws(Fault) {
            let header = try FileHeader(file)
            own = .success(header)
            any = AnyFileHeader(header)
        } catch {
            own = .failure(error)
            any = try? AnyFileHeader(file)
        }
    }
}
