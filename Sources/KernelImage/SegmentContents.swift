// Where the file holds what lies at a link address.

import Bytes
import Diagnostics
import ELF

extension ProgramHeaders {
    /// The bytes of `file` from link address `address` to the end of the PT_LOAD segment's file part that holds it, or
    /// `size` bytes where that is given. Throws `dynamicAddressOutsideFile` at `place`.
    @inline(never)
    @_lifetime(copy file)
    func contents(
        at address: UInt64, size: UInt64? = nil, in file: ByteView, _ place: Place
    ) throws(Fault) -> ByteView {
        let offset = try fileOffset(of: address, size: size ?? 0, place)
        return try file.slice(at: offset.start, size: size ?? offset.room, else: .dynamicAddressOutsideFile, place)
    }

    /// The file offset of link address `address`, and the number of bytes from there to the end of its segment's file part,
    /// at least `size` and 1. Throws `dynamicAddressOutsideFile` at `place`.
    func fileOffset(
        of address: UInt64, size: UInt64 = 0, _ place: Place
    ) throws(Fault) -> (start: UInt64, room: UInt64) {
        for index in 0..<count where type(index) == ProgramHeader.Kind.load {
            let segment = self[index]
            let offset = address &- segment.vaddr
            guard address >= segment.vaddr, offset < segment.filesz, size <= segment.filesz &- offset else { continue }
            return (segment.offset &+ offset, segment.filesz &- offset)
        }
        throw Fault(.dynamicAddressOutsideFile, place, value: address, limit: size)
    }
}
