// Typed wrappers of the firmware's calls (UEFI Specification 2.10): the only code here that uses pointers.
//
// Each use of them is safe for one of four reasons. The firmware's own pointers (its tables, protocols, files) are valid until boot
// services end, and nothing calls them after that. C functions (CMZ) get addresses of local variables, which they fill before they return.
// Buffers are allocations of `allocate`, which the firmware maps to themselves, with the requested sizes. And this program's own bytes are
// at the addresses that mz.ld gives them. Other reasons stand beside the code.

import Bytes
import CMZ
import Diagnostics
import Firmware
import Memory
import UEFI

/// An open file or folder, which must be closed.
@safe
struct FirmwareFile {
    fileprivate let file: UnsafeMutablePointer<uefi_file>
}

/// The firmware's boot services. Allocated memory is recorded, so that it can be freed.
@safe
struct Services {
    private let table: UnsafePointer<uefi_system_table>
    private let image: UnsafeMutableRawPointer
    private var allocations = InlineArray<32, AddressRange>(repeating: AddressRange(0, 0))
    private var allocationCount = 0

    /// The firmware that has started `image`.
    @unsafe
    init(_ image: UnsafeMutableRawPointer, _ table: UnsafePointer<uefi_system_table>) {
        // Kept as they are; `uefi_main` says how long they are valid.
        unsafe self.image = image
        unsafe self.table = table
    }

    // MARK: Memory

    /// Allocates whole pages for `size` bytes below 4 GiB; nil if there are none.
    mutating func allocate(_ size: UInt64) -> AddressRange? {
        allocate(size, EFI.AllocateType.maxAddress, at: UInt64(UInt32.max), .loaderData)
    }

    /// Allocates whole pages for `size` bytes of code at `address`; nil if they are in use. They are executable whatever the firmware's
    /// policy is.
    mutating func allocate(_ size: UInt64, at address: UInt64) -> AddressRange? {
        allocate(size, EFI.AllocateType.address, at: address, .loaderCode)
    }

    private mutating func allocate(
        _ size: UInt64, _ type: UInt32, at limit: UInt64, _ kind: EFI.MemoryType
    ) -> AddressRange? {
        guard allocationCount < 32, let whole = max(size, 1).aligned(to: EFI.pageSize) else { return nil }
        var start = limit
        let status = unsafe uefi_allocate_pages(table, type, kind.rawValue, whole / EFI.pageSize, &start)
        guard status == EFI.Status.success else { return nil }
        let range = AddressRange(at: start, size: whole)
        allocations[allocationCount] = range
        allocationCount &+= 1
        return range
    }

    /// Frees all memory.
    mutating func freeAll() {
        while allocationCount > 0 {
            allocationCount &-= 1
            let range = allocations[allocationCount]
            _ = unsafe uefi_free_pages(table, range.start, range.size / EFI.pageSize)
        }
    }

    /// The bytes of `range`, which has been allocated, for writing: the firmware maps it to itself.
    @unsafe @_lifetime(immortal)
    func region(_ range: AddressRange) -> ByteRegion {
        // An allocation does not begin at 0, and there is no other view of it while it is written.
        let pointer = unsafe UnsafeMutableRawPointer(bitPattern: UInt(range.start)).unsafelyUnwrapped
        return unsafe ByteRegion(start: pointer, count: Int(range.size), at: range.start)
    }

    /// The bytes of `range`, which has been allocated, for reading.
    @unsafe @_lifetime(immortal)
    func view(_ range: AddressRange) -> ByteView {
        unsafe view(UnsafeRawPointer(bitPattern: UInt(range.start)), range.size)
    }

    /// The `size` bytes at `pointer`, which must be there until boot services end.
    @unsafe @_lifetime(immortal)
    private func view(_ pointer: UnsafeRawPointer?, _ size: UInt64) -> ByteView {
        guard let pointer = unsafe pointer else { return ByteView("") }
        return unsafe ByteView(start: pointer, count: Int(size))
    }

    /// The size in bytes of the memory map, and of each of its entries.
    func memoryMapSize() -> (size: UInt64, entrySize: UInt64) {
        var (size, key, entrySize): (UInt64, UInt64, UInt64) = (0, 0, 0)
        _ = unsafe uefi_get_memory_map(table, &size, nil, &key, &entrySize)
        return (size, max(entrySize, EFI.MemoryDescriptor.size))
    }

    /// Lets the firmware write the memory map to `buffer`, and returns it with its key, which `leave` needs; nil if that fails.
    @_lifetime(immortal)
    func memoryMap(_ buffer: AddressRange, key: inout UInt64) -> FirmwareMemory? {
        var (size, entrySize) = (buffer.size, UInt64(0))
        let start = unsafe UnsafeMutableRawPointer(bitPattern: UInt(buffer.start))
        guard unsafe uefi_get_memory_map(table, &size, start, &key, &entrySize) == EFI.Status.success else {
            return nil
        }
        // The buffer is not written again while the map is read.
        return FirmwareMemory(unsafe view(AddressRange(at: buffer.start, size: size)), entrySize: entrySize)
    }

    /// Ends boot services, if the memory map has not changed since `key`.
    func leave(_ key: UInt64) -> Bool { unsafe uefi_exit_boot_services(table, image, key) == EFI.Status.success }

    // MARK: Facts of the firmware

    /// The load options, which may be empty. Throws `imageUnknown`.
    @_lifetime(immortal)
    func loadOptions() throws(StartProblem) -> FirmwareText {
        guard let loaded = unsafe uefi_loaded_image(table, image) else { throw .imageUnknown }
        // As many bytes as the protocol says (UEFI 2.10, 9.1).
        return unsafe FirmwareText(view(loaded.pointee.options, UInt64(loaded.pointee.options_size)))
    }

    /// The address of ACPI's root pointer, 0 if there is none.
    var rsdp: UInt64 { unsafe uefi_acpi(table) }

    /// The address of SEV-SNP's confidential computing blob, 0 if there is none.
    var confidentialBlob: UInt64 { unsafe uefi_confidential_blob(table) }

    /// Writes a text that ends with a 0 to the console.
    func output(_ text: Span<UInt16>) {
        // Read up to its 0, within the closure.
        unsafe text.withUnsafeBufferPointer { unsafe uefi_output(table, $0.baseAddress) }
    }

    // MARK: Files

    /// Reads the initrd that a boot loader or QEMU offers; nil if there is none. Throws `initrdUnreadable` or `noMemory`.
    mutating func readInitrd() throws(StartProblem) -> AddressRange? {
        guard let offer = unsafe uefi_initrd(table) else { return nil }
        var size: UInt64 = 0
        guard unsafe uefi_load(offer, &size, nil) == EFI.Status.bufferTooSmall, size > 0 else {
            throw .initrdUnreadable
        }
        guard let room = allocate(size) else { throw .noMemory }
        let bytes = unsafe UnsafeMutableRawPointer(bitPattern: UInt(room.start))
        guard unsafe uefi_load(offer, &size, bytes) == EFI.Status.success else { throw .initrdUnreadable }
        return AddressRange(at: room.start, size: min(size, room.size))
    }

    /// The root folder of the volume that this program was loaded from; nil if it was not loaded from a volume.
    func openVolume() throws(StartProblem) -> FirmwareFile? {
        guard let loaded = unsafe uefi_loaded_image(table, image) else { throw .imageUnknown }
        return unsafe uefi_open_volume(table, loaded.pointee.device).map { unsafe FirmwareFile(file: $0) }
    }

    /// Opens the file or folder with the name `name`, relative to `folder`; nil if there is none. Throws `fileUnreadable`.
    func open(_ name: Text, in folder: FirmwareFile) throws(StartProblem) -> FirmwareFile? {
        var wide = InlineArray<64, UInt16>(repeating: 0)
        for index in 0..<min(name.count, 63) { wide[index] = UInt16(name[index]) }
        // The buffer's last element stays 0, and the firmware reads up to the first 0.
        return try unsafe wide.span.withUnsafeBufferPointer { pointer throws(StartProblem) in
            unsafe try open(pointer.baseAddress, folder)
        }
    }

    /// Opens the file of the entry that lies in `range`. Throws `fileUnreadable`.
    func open(entry range: AddressRange, in folder: FirmwareFile) throws(StartProblem) -> FirmwareFile? {
        let name = UInt(range.start &+ EFI.FileInfo.fileName)
        return unsafe try open(UnsafePointer<UInt16>(bitPattern: name), folder)
    }

    @unsafe
    private func open(_ name: UnsafePointer<UInt16>?, _ folder: FirmwareFile) throws(StartProblem) -> FirmwareFile? {
        var status: UInt64 = 0
        guard let file = unsafe uefi_open(folder.file, name, &status) else {
            guard status == EFI.Status.notFound else { throw .fileUnreadable }
            return nil
        }
        return unsafe FirmwareFile(file: file)
    }

    /// Closes `file`.
    func close(_ file: FirmwareFile) { unsafe uefi_close(file.file) }

    /// Reads all of `file`. Throws `fileUnreadable` or `noMemory`.
    mutating func read(_ file: FirmwareFile) throws(StartProblem) -> AddressRange {
        var size: UInt64 = 0
        guard unsafe uefi_file_size(file.file, &size) == EFI.Status.success else { throw .fileUnreadable }
        guard let room = allocate(size) else { throw .noMemory }
        var count = size
        let bytes = unsafe UnsafeMutableRawPointer(bitPattern: UInt(room.start))
        guard unsafe uefi_read(file.file, &count, bytes) == EFI.Status.success, count == size else {
            throw .fileUnreadable
        }
        return AddressRange(at: room.start, size: size)
    }

    /// Reads the next entry of `folder` to `room`, and returns its range, empty after the last. Throws `fileUnreadable`.
    func readEntry(of folder: FirmwareFile, to room: AddressRange) throws(StartProblem) -> AddressRange {
        var count = room.size
        let bytes = unsafe UnsafeMutableRawPointer(bitPattern: UInt(room.start))
        guard unsafe uefi_read(folder.file, &count, bytes) == EFI.Status.success else { throw .fileUnreadable }
        return AddressRange(at: room.start, size: min(count, room.size))
    }
}

/// The loader's image in this file.
enum LoaderImage {
    /// The alignment of its first address: mz.ld sees to it that it then lies in one page of 2 MiB.
    static var alignment: UInt64 { 1 << 20 }
    /// The address that its last byte lies below: 2 GiB, as its code is linked.
    static var limit: UInt64 { 1 << 31 }
    /// Its size in memory.
    static var memorySize: UInt64 { UInt64(uefi_loader().memory_size) }

    /// Copies it to `place`, and relocates it: adds to each word that holds an address the distance from its link address.
    static func move(to place: inout ByteRegion) {
        let loader = uefi_loader()
        let listSize = UInt64(part(UInt64(loader.words), size: 4).word32(at: 0) ?? 0) &* 4
        let list = part(UInt64(loader.words) &+ 4, size: listSize)
        place.clear(place.address, size: place.count)
        place.copy(part(UInt64(loader.image), size: UInt64(loader.file_size)), to: place.address)
        let difference = UInt32(truncatingIfNeeded: place.address) &- loader.linked_at
        var offset: UInt64 = 0
        while let word = list.word32(at: offset) {
            let address = place.address &+ UInt64(word)
            place.store((place.load(UInt32.self, at: address) ?? 0) &+ difference, at: address)
            offset &+= 4
        }
    }

    /// A part of this file, which mz.ld has put at an offset.
    @_lifetime(immortal)
    private static func part(_ offset: UInt64, size: UInt64) -> ByteView {
        // The linker wrote offsets and sizes beside it.
        let start = unsafe UnsafeRawPointer(bitPattern: UInt(uefi_loader_address() &+ offset)).unsafelyUnwrapped
        return unsafe ByteView(start: start, count: Int(size))
    }

    /// Enters the image at `place`; `information` is the address of the start info.
    static func enter(_ place: UInt64, _ information: UInt64) -> Never {
        let entry = place &+ UInt64(uefi_loader().entry)
        uefi_enter(entry, PVH.uefiMagic, UInt32(truncatingIfNeeded: information))
    }
}

/// The firmware's console.
struct FirmwareConsole: TextSink {
    private let services: Services
    private var text = InlineArray<128, UInt16>(repeating: 0)
    private var count = 0

    /// The console of the firmware.
    init(_ services: Services) { self.services = services }

    /// Takes one byte of ASCII.
    mutating func write(_ byte: UInt8) {
        text[count] = UInt16(byte)
        count &+= 1
        if count == 127 { flush() }
    }

    /// Takes up to eight bytes, the first in the lowest byte.
    mutating func write(_ text: UInt64, count: UInt64) {
        for index in 0..<count { write(UInt8(truncatingIfNeeded: text >> (8 &* index))) }
    }

    /// Ends a line.
    mutating func endLine() {
        write(0x0d)
        write(0x0a)
        flush()
    }

    /// Writes the characters gathered so far.
    mutating func flush() {
        text[count] = 0
        count = 0
        services.output(text.span)
    }
}
