// The modules as files that can be loaded together.

public import Firmware
public import Linking
import Memory
import Bytes

extension NamedFiles {
    /// Adds the modules of `platform` as offsets in `memory`, whose bytes these are; the first is the application. A module whose string
    /// does not begin with a name has none, and is known by its DT_SONAME only.
    @_lifetime(self: copy self)
    public mutating func add(_ platform: borrowing PlatformFacts, _ memory: PhysicalMemory) {
        for index in 0..<platform.moduleCount {
            let module = platform.module(index)
            var file = NamedFile(start: module.range.start &- memory.origin, size: module.range.size)
            // An application alone needs no name.
            if platform.moduleCount > 1, (try? LoaderOptions.isNamed(module, memory)) == true {
                file.string = module.commandLine.start &- memory.origin
                file.stringSize = module.commandLine.size
            }
            append(file)
        }
    }
}
