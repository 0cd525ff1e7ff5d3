// The protocols by which the loader can be started.

public import Diagnostics

/// A protocol by which the loader can be started.
public enum BootProtocol: UInt8, Sendable {
    /// Multiboot 1: eax holds 0x2badb002, ebx the address of the information.
    case multiboot
    /// Multiboot 2: eax holds 0x36d76289, ebx the address of the information.
    case multiboot2
    /// PVH, Xen's direct boot: ebx holds the address of the start info.
    case pvh
    /// Linux's boot protocol: esi or rsi holds the address of boot_params.
    case linux
    /// UEFI: the application in the MZ file leaves a start info like that of PVH.
    case uefi

    /// The protocol's name.
    public var name: Text {
        switch self {
        case .multiboot: "Multiboot"
        case .multiboot2: "Multiboot 2"
        case .pvh: "PVH"
        case .linux: "the Linux boot protocol"
        case .uefi: "UEFI"
        }
    }

    /// Whether the structures of the protocol may be handed on to kernels.
    var isForKernels: Bool { self == .multiboot }
}
