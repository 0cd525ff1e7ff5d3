// The header of a file, read once for a whole verdict.

import AnyELF
import Architecture
import Bytes
import Diagnostics
import ELF

/// The header of a file, whatever the file is.
struct FileHeaders {
    /// As the loader reads it, or the loader's fault.
    let own: Result<FileHeader, Fault>
    /// As the views read it, which read more kinds of file; nil if they do not read this one.
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
