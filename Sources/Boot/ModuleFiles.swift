// The modules as files that can be loaded together.

public import Firmware
public import Linking
import Memory
import Bytes

extension NamedFiles {
    /// Adds the modules of `platform`, as offsets in `memory`, which these bytes are; the first is the application.
    @_lifetime(self: copy self)
    public mutating func add(_ platform: borrowing PlatformFacts, _ memory: PhysicalMemory) {
        var index = 0
        while index < platform.moduleCount {
            let module = platform.module(index)
            index &+= 1
            append(
                NamedFile(
                    start: module.range.start &- memory.origin, size: module.range.size,
                    string: module.commandLine.start &- memory.origin, stringSize: module.commandLine.size))
        }
    }
}
