// The reasons why the UEFI application cannot start the loader: a sentence for the firmware's console, and a status to return.

public import Diagnostics
import Firmware

/// A problem before boot services end.
public enum StartProblem: UInt8, Error, Sendable {
    /// The firmware does not know this image, so it is unknown where it was loaded from.
    case imageUnknown
    /// There is no application.
    case noApplication
    /// The initrd cannot be read.
    case initrdUnreadable
    /// A file cannot be read.
    case fileUnreadable
    /// There are more modules than the loader accepts.
    case tooManyFiles
    /// There is no memory below 4 GiB for a file, or for the start info.
    case noMemory
    /// There is no place for the loader.
    case noPlace
    /// The memory map cannot be read.
    case noMemoryMap
    /// Boot services cannot be ended.
    case cannotLeave

    /// EFI_STATUS.
    public var status: UInt64 {
        switch self {
        case .imageUnknown: EFI.Status.unsupported
        case .noApplication: EFI.Status.notFound
        case .initrdUnreadable, .cannotLeave, .noMemoryMap: EFI.Status.loadError
        case .fileUnreadable: EFI.Status.deviceError
        case .tooManyFiles: EFI.Status.invalidParameter
        case .noMemory, .noPlace: EFI.Status.outOfResources
        }
    }

    /// The sentence that describes the problem.
    public var sentence: Text {
        switch self {
        case .imageUnknown: "the firmware does not know where it loaded this program from"
        case .noApplication:
            "there is no application: neither an initrd (LoadFile2) nor \\EFI\\hermit\\hermit-app or \\EFI\\BOOT\\hermit-app on this volume"
        case .initrdUnreadable: "the initrd cannot be read"
        case .fileUnreadable: "a file in the application's folder cannot be read"
        case .tooManyFiles: "the application's folder has more than 15 shared objects"
        case .noMemory: "there is not enough memory below 4 GiB for the application"
        case .noPlace: "there is no free memory below 2 GiB for the loader"
        case .noMemoryMap: "the firmware does not give its memory map"
        case .cannotLeave: "the firmware's boot services do not end"
        }
    }

    /// The advice.
    public var advice: Text {
        switch self {
        case .imageUnknown: "start it from a volume or by the firmware's own boot menu"
        case .noApplication: "put the application there under that name, or give it to QEMU by -initrd"
        case .initrdUnreadable: "see whether the boot loader can read the file"
        case .fileUnreadable: "check the volume's file system, or copy the files again"
        case .tooManyFiles: "leave there only the ones that the application needs"
        case .noMemory: "give the machine more memory, or make the files smaller"
        case .noPlace: "give the machine more memory"
        case .noMemoryMap, .cannotLeave: "start build/loader in another way, or update the firmware"
        }
    }
}
