// The program: everything is in the library, where tests reach it.

import ArgumentParser
import Inspection

LoaderInspect.main()
