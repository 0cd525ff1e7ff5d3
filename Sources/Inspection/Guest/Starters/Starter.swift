// What starts the loader in a rehearsal: a type for each protocol, all of the same shape.

import Bytes
import Diagnostics
import Memory

/// Who starts the loader by one protocol: where the modules go, and what is written about them.
protocol Starter {
    /// Has the loader started on `machine`.
    init(_ machine: HostMachine)

    /// Whether modules beside the application are handed over.
    var takesModules: Bool { get }

    /// Where a module of `size` bytes goes, after those in `placed`.
    func address(of size: UInt64, after placed: [AddressRange]) -> UInt64

    /// Writes the protocol's structures about the modules in `placed`, the application first.
    func write(_ placed: [AddressRange], to guest: GuestMemory) throws(Fault) -> LoaderStart

    /// What looks wrong with the machine where the loader is started so.
    var findings: [Finding] { get }
}

extension Starter {
    var takesModules: Bool { true }
    var findings: [Finding] { [] }
}

/// What the loader is started with.
struct LoaderStart {
    /// The protocol's number.
    let magic: UInt32
    /// The address of its information.
    let information: UInt64
}
