// The parts of several files' image.

public import Bytes

extension ImageParts {
    /// Goes to the next part of several files' image, as link addresses of the application; false after the last. The parts are those of
    /// the files, one file after the other, and the loader's additions.
    public mutating func advance(in link: borrowing LinkMap, _ files: ByteView) -> Bool {
        while fileIndex < link.count {
            if advance(link[fileIndex], files) {
                part.start &+= link[fileIndex].displacement
                part.end &+= link[fileIndex].displacement
                return true
            }
            fileIndex &+= 1
            index = 0
        }
        index &+= 1
        switch index {
        case 1: move(link.plan.dataStart, link.plan.dataEnd)
        case 2: move(link.plan.codeStart, link.plan.end, isExecutable: true)
        default: return false
        }
        return true
    }
}
