// Texts of the firmware: UCS-2 (UEFI 2.10, 2.3.1), in which surrogate pairs are nevertheless read.

public import Bytes
import Firmware

/// A text of 16-bit characters, which ends with a 0 or with its bytes.
public struct FirmwareText: ~Escapable {
    private let bytes: ByteView

    /// The text at the start of `bytes`.
    @_lifetime(copy bytes)
    public init(_ bytes: ByteView) {
        self.bytes = bytes
    }

    /// The characters before the end.
    public var count: UInt64 {
        var count: UInt64 = 0
        while let unit = unit(count), unit != 0 { count &+= 1 }
        return count
    }

    /// Whether it can be a line of words. The options of boot entries may hold arbitrary data, which is not meant for this program.
    var isLine: Bool {
        guard bytes.count & 1 == 0 else { return false }
        for index in 0..<count where (unit(index) ?? 0) < 0x20 && unit(index) != 9 { return false }
        return true
    }

    /// Whether it names a shared object: `libfoo.so`, `LIBFOO.SO`, `libfoo.so.1`.
    var namesSharedObject: Bool {
        for index in 0..<count where isSuffix(at: index) { return true }
        return false
    }

    private func isSuffix(at index: UInt64) -> Bool {
        let end = unit(index &+ 3) ?? 0
        return unit(index) == 0x2e && letter(index &+ 1) == UInt16(UInt8(ascii: "s"))
            && letter(index &+ 2) == UInt16(UInt8(ascii: "o")) && (end == 0 || end == 0x2e)
    }

    private func letter(_ index: UInt64) -> UInt16 { (unit(index) ?? 0) | 0x20 }

    private func unit(_ index: UInt64) -> UInt16? {
        guard bytes.contains(index &* 2, 2) else { return nil }
        return UInt16(bytes.byte(at: index &* 2) ?? 0) | UInt16(bytes.byte(at: index &* 2 &+ 1) ?? 0) << 8
    }

    /// The largest number of bytes that it can have in UTF-8.
    public var utf8Capacity: UInt64 { count &* 3 }

    /// Writes it in UTF-8 to `address` of `region`, and returns the address after it; nil if there is no room.
    public func write(to region: inout ByteRegion, at address: UInt64) -> UInt64? {
        var end = address
        var index: UInt64 = 0
        while let first = unit(index), first != 0 {
            index &+= 1
            var character = UInt32(first)
            if first & 0xf800 == 0xd800 {
                if first < 0xdc00, let second = unit(index), second & 0xfc00 == 0xdc00 {
                    character = 0x1_0000 &+ (UInt32(first & 0x3ff) << 10 | UInt32(second & 0x3ff))
                    index &+= 1
                } else {
                    character = 0xfffd
                }
            }
            // The number of bits in further bytes, six in each, and the first byte's mark for that.
            let (rest, mark): (UInt32, UInt32) =
                character < 0x80
                ? (0, 0) : character < 0x800 ? (6, 0xc0) : character < 0x1_0000 ? (12, 0xe0) : (18, 0xf0)
            var shift = rest
            var byte = mark | character >> shift
            while true {
                guard region.store(UInt8(truncatingIfNeeded: byte), at: end) else { return nil }
                end &+= 1
                if shift == 0 { break }
                shift &-= 6
                byte = 0x80 | (character >> shift & 0x3f)
            }
        }
        return end
    }
}

/// An entry of a folder (EFI_FILE_INFO; UEFI 2.10, 13.5.16).
public struct FolderEntry: ~Escapable {
    private let bytes: ByteView

    /// The entry that `bytes` consist of; nil if they are too few.
    @_lifetime(copy bytes)
    public init?(_ bytes: ByteView) {
        guard bytes.count > EFI.FileInfo.fileName else { return nil }
        self.bytes = bytes
    }

    /// The file's name.
    public var name: FirmwareText {
        @_lifetime(copy self) get {
            FirmwareText(bytes.part(at: EFI.FileInfo.fileName, size: bytes.count &- EFI.FileInfo.fileName))
        }
    }
    /// Whether it is the name of a shared object, which an application may need.
    public var isSharedObject: Bool {
        guard let attributes = bytes.word64(at: EFI.FileInfo.attribute.offset),
            attributes & EFI.FileInfo.directory == 0
        else { return false }
        return name.namesSharedObject
    }
}
