// The end of a machine without a device at port 0xf4: it stops, and does not reboot in a loop.

import Foundation
import TestSupport
import Testing

/// The causes of an end; each takes its own way through the loader's code.
enum Failing: String, CaseIterable, CustomTestStringConvertible {
    case refusal = "a refusal"
    case cpu = "an unfit CPU"
    case exception = "an exception"
    case exceptionOverLoader = "an exception over the loader"
    var testDescription: String { rawValue }

    /// The machine, and a file that it needs while it runs.
    func guest() throws -> (Guest, TemporaryFile?) {
        var guest = Guest(initrd: nil)
        switch self {
        case .refusal: break
        case .cpu: guest.cpu = "qemu64,-sse2"
        case .exception: guest.initrd = Project.fixture("object-exception-INVALID.o")
        case .exceptionOverLoader:
            var writer = ELFWriter(type: 2, base: 0x10_0000)
            writer.append([UInt8](repeating: 0xcc, count: 0x8_0000))
            writer.entry = writer.append([0x0f, 0x0b])
            let file = try TemporaryFile(Data(writer.bytes))
            guest.initrd = file.url
            return (guest, file)
        }
        return (guest, nil)
    }
}

@Suite(.serialized, .built, .timeLimit(.minutes(minutesPerTest))) struct EndTests {
    static let isBuilt = Project.exists(Project.loader)

    /// Without isa-debug-exit and -no-reboot, a reset would start the boot again and again.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: ["pc", "q35"], Failing.allCases)
    func `QEMU powers off`(_ machine: String, _ failing: Failing) async throws {
        var (guest, file) = try failing.guest()
        defer { withExtendedLifetime(file) {} }
        guest.machine = machine
        guest.end = []
        let outcome = try await guest.boot()
        #expect(outcome.status == 0, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
    }

    /// microvm has no power-off port: it is reset by a triple fault.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: Failing.allCases)
    func `QEMU's microvm is reset`(_ failing: Failing) async throws {
        var (guest, file) = try failing.guest()
        defer { withExtendedLifetime(file) {} }
        guest.machine = "microvm"
        guest.end = ["-no-reboot"]
        let outcome = try await guest.boot()
        #expect(outcome.status == 0, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
    }

    /// Ports of other monitors, with isa-debug-exit in their place: its status shows which one was written first.
    /// Cloud Hypervisor resets by port 0x64, so its way to power off has to come before.
    @Test(
        .enabled(if: isBuilt, "make loader fixtures"),
        arguments: [(["0x64"], 0xfe), (["0x600"], 0x34), (["0x64", "0x600"], 0x34)],
        Failing.allCases)
    func `other monitors' ports are written in an order that ends them`(
        _ ports: (addresses: [String], value: Int), _ failing: Failing
    ) async throws {
        var (guest, file) = try failing.guest()
        defer { withExtendedLifetime(file) {} }
        // microvm has neither port.
        guest.machine = "microvm"
        guest.end =
            ["-no-reboot"] + ports.addresses.flatMap { ["-device", "isa-debug-exit,iobase=\($0),iosize=0x01"] }
        let outcome = try await guest.boot()
        #expect(outcome.status == Int32((2 * ports.value + 1) & 0xff), outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
    }

    /// Without a hypervisor the text stays on the screen: the CPU halts, and writes to no port, since any device may have it.
    @Test(.enabled(if: isBuilt, "make loader fixtures"), arguments: Failing.allCases)
    func `bare metal halts`(_ failing: Failing) async throws {
        var (guest, file) = try failing.guest()
        defer { withExtendedLifetime(file) {} }
        guest.machine = "microvm"
        guest.cpu += ",-hypervisor"
        guest.end = ["0x64", "0x600"].flatMap { ["-device", "isa-debug-exit,iobase=\($0),iosize=0x01"] }
        guest.staysAfter = ("[LOADER] error: ", 3)
        let outcome = try await guest.boot()
        #expect(outcome.status == 124, outcome.comment)
        #expect(outcome.errors.count == 1, outcome.comment)
    }
}
