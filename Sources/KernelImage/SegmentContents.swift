// Where the file holds what lies at a link address.

import Bytes
import Diagnostics
import ELF

extension KernelImage {
    /// The bytes of the file from link address `address` to the end of the PT_LOAD segment's file part that holds it, or `size`
    /// bytes where that is given. Throws `dynamicAddressOutsideFile` at `place`.
    @_lifetime(copy self)
    borrowing func contents(at address: UInt64, size: UInt64? = nil, _ place: Place) throws(Fault) -> ByteView {
        let offset = try fileOffset(of: address, size: size ?? 0, place)
        return file.part(at: offset.start, size: size ?? offset.room)
    }

    /// The file offset of link address `address`. Throws `dynamicAddressOutsideFile` at `place`.
    borrowing func fileOffset(of address: UInt64, _ place: Place) throws(Fault) -> UInt64 {
        try fileOffset(of: address, size: 0, place).start
    }

    /// The file offset of link address `address`, and the number of bytes from there to the end of its segment's file part, at
    /// least `size` and 1. Throws `dynamicAddressOutsideFile` at `place`.
    @inline(never)
    borrowing func fileOffset(
        of address: UInt64, size: UInt64, _ place: Place
    ) throws(Fault) -> (start: UInt64, room: UInt64) {
        var index = firstLoad
        while index < programHeaders.count {
            let segment = programHeaders[index]
            let offset = address &- segment.vaddr
            // No other segment can hold the address.
            if segment.type == ProgramHeader.Kind.load, offset < segment.filesz {
                guard size <= segment.filesz &- offset else { break }
                return (segment.offset &+ offset, segment.filesz &- offset)
            }
            index &+= 1
        }
        throw Fault(.dynamicAddressOutsideFile, place, value: address, limit: size)
    }
}
