// The numbers that x86-64 adds to the ELF format (x86-64 psABI, chapters "Object Files" and "Large Models").

public import Bytes
public import Diagnostics
public import ELF

/// The values of e_machine.
public enum MachineType {
    /// EM_X86_64.
    public static var amd64: UInt16 { 62 }
}

extension FileHeader {
    /// Reads and validates the header of `file`, whose machine must be x86-64; see `init(_:machine:)`.
    public init(_ file: borrowing ByteView) throws(Fault) { try self.init(file, machine: MachineType.amd64) }
}

extension SectionIndex {
    /// SHN_X86_64_LCOMMON: the SHN_COMMON of the large code model.
    public static var largeCommon: UInt16 { 0xff02 }
}
