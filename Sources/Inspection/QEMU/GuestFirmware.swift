// The firmware that starts the loader.

import ArgumentParser
import FoundationEssentials
import Glibc

/// The machine's firmware.
enum GuestFirmware: String, CaseIterable, ExpressibleByArgument {
    /// QEMU's own: SeaBIOS, or its firmware for a microvm.
    case bios
    /// UEFI for virtual machines, which starts build/loader.efi.
    case ovmf
    /// QEMU's other firmware, without services.
    case qboot

    /// The file for QEMU's `-bios`; nil for QEMU's own choice. Throws `Failure` if there is none.
    func file() throws(Failure) -> String? {
        switch self {
        case .bios: nil
        case .ovmf: try GuestFirmware.ovmfFile()
        case .qboot: "qboot.rom"
        }
    }

    /// The file of OVMF: the one that the environment's OVMF names, or that of a distribution. Throws `Failure` if there is none.
    static func ovmfFile() throws(Failure) -> String {
        if let named = ProcessInfo.processInfo.environment["OVMF"] { return named }
        let usual = [
            "/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE_4M.fd",
            "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
            "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        ]
        guard let path = usual.first(where: { unsafe access($0, R_OK) == 0 }) else {
            throw Failure("there is no OVMF: install it (apt-get install ovmf), or set OVMF to its path")
        }
        return path
    }
}
