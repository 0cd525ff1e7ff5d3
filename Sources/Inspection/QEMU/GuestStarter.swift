// Who starts the loader in a guest: the meaning of `--starter`.

import ArgumentParser

/// Who starts the loader in a guest.
enum GuestStarter: String, CaseIterable, ExpressibleByArgument {
    /// QEMU, by its `-kernel`.
    case qemu
    /// GRUB 2, from a CD that grub-mkrescue makes.
    case grub
    /// iPXE in the ROM of QEMU's network card, by TFTP.
    case pxe
    /// UEFI firmware, from a disk as `loader-inspect disk` makes it.
    case disk

    /// Its name in messages.
    var name: String {
        switch self {
        case .qemu: "QEMU"
        case .grub: "GRUB"
        case .pxe: "iPXE"
        case .disk: "UEFI"
        }
    }
}
