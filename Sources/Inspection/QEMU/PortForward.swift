// Ports of the host that lead to the guest's.

import ArgumentParser

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
