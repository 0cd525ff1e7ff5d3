// The options of `boot` beyond the machine's: processors, ports, folders, time.

import ArgumentParser
import FoundationEssentials
import Glibc

/// The means of running the guest's instructions.
enum Accelerator: String, CaseIterable, ExpressibleByArgument {
    /// QEMU itself, the same CPU everywhere.
    case tcg
    /// The host's CPU, by Linux.
    case kvm

    /// Throws `Failure` if it cannot be used here.
    func require() throws(Failure) {
        guard self == .kvm else { return }
        let descriptor = unsafe open("/dev/kvm", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(
                "KVM cannot be used: /dev/kvm: \(errorText(errno)); use --accel tcg, or leave it out, which is the same"
            )
        }
        close(descriptor)
    }
}

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

/// A port of the host, 0 for any free one, that leads to one of the guest's: `HOST:GUEST`, `ADDRESS:HOST:GUEST`, each with `/tcp`, `/udp`.
struct PortForward: ExpressibleByArgument {
    /// The address at which the host listens: 127.0.0.1, unless another one is given.
    let address: String
    let host: UInt16, guest: UInt16
    let isUDP: Bool

    init?(argument: String) {
        let halves = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count <= 2, halves.count == 1 || ["tcp", "udp"].contains(halves[1]) else { return nil }
        isUDP = halves.count == 2 && halves[1] == "udp"
        let words = halves[0].split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(words.count), let host = UInt16(words[words.count - 2]),
            let guest = UInt16(words[words.count - 1]), guest > 0
        else { return nil }
        (self.host, self.guest) = (host, guest)
        address = words.count == 3 ? String(words[0]) : "127.0.0.1"
        guard !address.isEmpty, address.allSatisfy({ $0.isHexDigit || $0 == "." }) else { return nil }
    }

    /// QEMU's arguments for a network card whose network has `ports`. Hermit drives only a modern virtio device, and uses packed queues. A
    /// kernel without DHCP has the address 10.0.5.3 and the gateway 10.0.5.1, so DHCP gives the same.
    static func arguments(_ ports: [PortForward]) -> [String] {
        guard !ports.isEmpty else { return [] }
        let network = "user,id=net0,net=10.0.5.0/24,host=10.0.5.1,dns=10.0.5.2,dhcpstart=10.0.5.3"
        let forwards = ports.map { ",hostfwd=\($0.isUDP ? "udp" : "tcp"):\($0.address):\($0.host)-:\($0.guest)" }
        return [
            "-netdev", network + forwards.joined(), "-device",
            "virtio-net-pci,netdev=net0,disable-legacy=on,packed=on",
        ]
    }
}

/// The options of a real boot, beyond those of a rehearsal.
struct RunnerOptions: ParsableArguments {
    @Option(
        name: .customLong("env"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An environment variable for the application; repeatable.", valueName: "name=value"))
    var environment: [String] = []

    @Option(help: "The number of processors; by default 1, or as many as an image requires.")
    var smp: Int?

    @Option(help: "QEMU's CPU and its features, instead of the one that kernels need.")
    var cpu: String?

    @Option(help: "How the guest is run: by QEMU, or by Linux' KVM with the host's CPU.")
    var accel = Accelerator.tcg

    @Option(help: "The machine's firmware: QEMU's own BIOS, UEFI, or qboot; by default bios, or ovmf for a disk.")
    var firmware: GuestFirmware?

    @Option(help: "Who starts the loader: QEMU's -kernel, GRUB from a CD, iPXE from the network, or UEFI from a disk.")
    var starter = GuestStarter.qemu

    @Option(
        name: .customLong("port"),
        help: ArgumentHelp(
            "A port of this machine that leads to one of the guest's: 8080:80, 5353:53/udp; repeatable.",
            valueName: "host:guest[/udp]"))
    var ports: [PortForward] = []

    @Option(
        name: .customLong("share"),
        help: ArgumentHelp(
            "A folder that the application finds at /TAG, by virtiofs; the tag is root unless given; repeatable.",
            valueName: "folder[:tag]"), completion: .directory)
    var shares: [String] = []

    @Option(help: "Seconds after which the guest is ended.")
    var timeout: Double?

    @Option(
        name: .customLong("qemu-arg"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("An argument for QEMU; repeatable.", valueName: "word"))
    var qemuArguments: [String] = []

    mutating func validate() throws {
        guard (1...255).contains(smp ?? 1) else { throw ValidationError("--smp is a number from 1 to 255") }
        guard timeout ?? 1 > 0, timeout ?? 1 < 1e9 else {
            throw ValidationError("--timeout is a number of seconds above 0")
        }
        try EnvironmentVariables.check(environment)
    }

    /// Throws if `machine` lacks the bus for a requested device.
    func require(_ machine: MachineKind) throws {
        guard machine == .microvm, !ports.isEmpty || !shares.isEmpty else { return }
        throw ValidationError("microvm has no PCI: --port and --share take --machine pc or q35")
    }
}

/// The variables of `--env`.
enum EnvironmentVariables {
    /// Throws a `ValidationError` if one of `variables` has no name, or no value.
    static func check(_ variables: [String]) throws {
        for variable in variables where !variable.dropFirst().contains("=") || variable.hasPrefix("=") {
            throw ValidationError("--env is NAME=VALUE, not '\(variable)'")
        }
    }
}
