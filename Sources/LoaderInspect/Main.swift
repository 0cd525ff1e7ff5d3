// The program: everything else is in the library, where tests reach it.

import ArgumentParser
import Inspection

/// Asynchronous only in a function: at the top level of a file the synchronous `main` would be chosen.
@main struct Main {
    static func main() async { await LoaderInspect.main() }
}
