// The options of `boot` beyond the machine's: processors, ports, folders, time.

import ArgumentParser

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
