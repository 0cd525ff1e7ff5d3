// The starter of the loader in QEMU, the firmware and the protocol: the meaning of `--firmware`, `--starter` and `--protocol`.

import ArgumentParser

/// A way of starting the loader that QEMU can show.
struct BootWay {
    let firmware: GuestFirmware
    let starter: GuestStarter
    let startProtocol: StartProtocol

    /// The options' choice, and the usual one for options not given. Throws a `ValidationError` for an impossible combination.
    init(_ options: RunnerOptions, _ machine: MachineOptions) throws {
        starter = options.starter
        firmware = options.firmware ?? (starter == .disk ? .ovmf : .bios)
        if machine.machine == .microvm {
            guard firmware != .ovmf else { throw ValidationError("OVMF needs --machine pc or q35") }
            guard starter == .qemu else {
                throw ValidationError("microvm has no PCI: --starter takes --machine pc or q35")
            }
        }
        let protocols = try BootWay.protocols(starter, firmware)
        startProtocol = machine.givenProtocol ?? protocols[0]
        guard protocols.contains(startProtocol) else {
            let names = protocols.map(\.rawValue)
            let list = [names.dropLast().joined(separator: ", "), names[names.count - 1]].filter { !$0.isEmpty }
            throw ValidationError(
                "\(firmware == .ovmf && starter == .qemu ? "OVMF" : starter.name) starts the loader by --protocol "
                    + list.joined(separator: " or ") + ": verdict, map, bootinfo and load rehearse the others")
        }
        guard machine.modules.isEmpty || takesModules else {
            throw ValidationError(
                startProtocol == .uefi
                    ? "QEMU gives UEFI one file: shared objects lie beside it on a disk, with --starter disk"
                    : startProtocol == .pvh
                        ? "QEMU's PVH boot has one module: shared objects take --protocol multiboot"
                        : "Linux's protocol has one initrd: shared objects take --protocol multiboot")
        }
    }

    /// The protocols by which `starter` starts the loader on `firmware`, the usual one first. Throws a `ValidationError` if there is none.
    private static func protocols(
        _ starter: GuestStarter, _ firmware: GuestFirmware
    ) throws -> [StartProtocol] {
        switch (starter, firmware) {
        case (.qemu, .ovmf), (.disk, .ovmf): return [.uefi]
        case (.qemu, _): return [.multiboot, .pvh, .linux]
        case (.grub, .bios), (.grub, .ovmf): return [.multiboot2, .multiboot, .linux]
        case (.pxe, .bios): return [.multiboot, .linux]
        case (.disk, _): throw ValidationError("--starter disk takes --firmware ovmf: a BIOS starts no file")
        case (.pxe, .ovmf): throw ValidationError("--starter pxe takes --firmware bios")
        case (_, .qboot):
            throw ValidationError("qboot starts what QEMU's -kernel names, and no disk: take --firmware bios")
        }
    }

    /// Whether shared objects can be given beside the application.
    private var takesModules: Bool {
        startProtocol == .multiboot || startProtocol == .multiboot2 || starter == .disk
    }

    /// Whether it starts the MZ file, `loader.efi`.
    var startsMZFile: Bool { startProtocol == .linux || startProtocol == .uefi }

    /// Whether the options for the loader are words of the application's string, rather than the first of the command line.
    var hasModuleStrings: Bool { startProtocol == .multiboot || startProtocol == .multiboot2 }
}
