// Who runs the guest's instructions.

import ArgumentParser
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
