// The starters of the loader in a rehearsal: a type for each protocol, all of the same shape.

import Bytes
import Diagnostics
import Memory

/// A starter of the loader by one protocol: the places of the modules, and the structures about them.
protocol Starter {
    /// Has the loader started on `machine`.
    init(_ machine: HostMachine)

    /// Whether modules beside the application are handed over.
    var takesModules: Bool { get }

    /// The address of a module of `size` bytes, after those in `placed`.
    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64

    /// Writes the protocol's structures about the modules in `placed`, the application first.
    func write(_ placed: [AddressRange], to guest: GuestMemory) throws(Fault) -> LoaderStart

    /// Warnings about the machine for this way of starting.
    var findings: [Finding] { get }
}

extension Starter {
    var takesModules: Bool { true }
    var findings: [Finding] { [] }
}

/// The loader's state at its start.
struct LoaderStart {
    /// The protocol's number.
    let magic: UInt32
    /// The address of its information.
    let information: UInt64
}
