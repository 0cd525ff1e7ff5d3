// The application and its modules in a machine's memory, as the loader finds them when it is started.

import Bytes
import Diagnostics
import Memory

extension HostMachine {
    /// Who starts the loader.
    var starter: any Starter {
        switch startProtocol {
        case .multiboot: MultibootStarter(self)
        case .multiboot2: Multiboot2Starter(self)
        case .pvh: PVHStarter(self)
        case .linux: LinuxStarter(self)
        case .uefi: UEFIStarter(self)
        }
    }

    /// Puts `file`, the further modules and the firmware's structures into `guest`.
    func start(_ file: ByteView, in guest: GuestMemory) throws(Fault) -> LoaderStart {
        let starter = self.starter
        var placed: [AddressRange] = []
        try place(file, input, by: starter, &placed, in: guest)
        for module in modules where starter.takesModules {
            try place(ByteView(module.input.bytes), module.input, by: starter, &placed, in: guest)
        }
        return try starter.write(placed, to: guest)
    }

    /// Copies a module to the place that `starter` gives it.
    private func place(
        _ file: ByteView, _ input: InputFile?, by starter: any Starter, _ placed: inout [AddressRange],
        in guest: GuestMemory
    ) throws(Fault) {
        let start = starter.address(of: file.count, after: placed)
        guard guest.write(file, at: start, from: input) else {
            throw Fault(.moduleOutsideMemory, value: start, limit: start &+ file.count)
        }
        placed.append(AddressRange(at: start, size: file.count))
    }
}
