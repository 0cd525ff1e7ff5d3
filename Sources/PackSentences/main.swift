// `make sentences`: writes the packed sentences as the source file that Diagnostics has.

import Diagnostics
import Sentences

print(Sentence.packedSource, terminator: "")
