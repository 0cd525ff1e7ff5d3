// The parts of an object file's image.

extension ImageParts {
    /// Goes to the next part of an object file's image; false after the last. The parts are code, constants, written data, and the loader's
    /// additions. The template of thread-local storage lies in the written data; sections that are both written and executed make all
    /// written data executable.
    public mutating func advance(in image: borrowing ObjectImage) -> Bool {
        let (codeEnd, template) = (image.placed.bounds.end(.code), image.layout.templateStart)
        index &+= 1
        switch index {
        case 1: move(0, codeEnd, isExecutable: true)
        case 2: move(codeEnd, template)
        case 3:
            move(
                template, image.placed.memory.address, isWritable: true, isExecutable: image.layout.hasWrittenCode)
        case 4:
            move(
                image.layout.tableStart, image.layout.programEnd, isWritable: !image.layout.hasGeneratedCode,
                isExecutable: image.layout.hasGeneratedCode)
        default: return false
        }
        return true
    }
}
