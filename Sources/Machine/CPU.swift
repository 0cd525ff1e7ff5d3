// The CPU: what it can do, how to leave it to the kernel, how to end.

internal import CMachine

/// The processor the loader runs on.
public enum CPU {
    /// Whether pages of 1 GiB can be used.
    public static var hasGigabytePages: Bool { cm_extended_features() >> 26 & 1 != 0 }
    /// Whether pages can be marked as not to be executed.
    public static var hasNoExecute: Bool { cm_extended_features() >> 20 & 1 != 0 }

    /// The address whose access caused the last page fault.
    public static var pageFaultAddress: UInt64 { cm_read_cr2() }

    /// Lets read-only pages bind this code and the kernel's (CR0.WP).
    public static func protectWriting() { cm_set_cr0(1 << 16) }

    /// Heeds marks on pages that are not to be executed (EFER.NXE); until then the mark makes an entry malformed.
    public static func protectExecution() { cm_set_efer(1 << 11) }

    /// Calls the function at `address`, which takes nothing and returns an address.
    public static func call(_ address: UInt64) -> UInt64 { cm_call(address) }

    /// A number from RDRAND; nil where the CPU has none, or none that works.
    public static func randomNumber() -> UInt64? {
        var value: UInt64 = 0
        // The pointer is used during the call only.
        return unsafe cm_random(&value) != 0 ? value : nil
    }

    /// Whether there is a time stamp counter.
    public static var hasTimeStamps: Bool { cm_has_time_stamps() != 0 }

    /// A number from the time stamp counter, or else from the interval timer alone, hard to foresee.
    public static func mixedTime() -> UInt64 { cm_mixed_time(cm_has_time_stamps()) }

    /// Enters the kernel with `state`, whose words are those that entry.S reads: `EntryState`.
    public static func enter(_ state: inout some BitwiseCopyable) -> Never {
        // The pointer outlives everything: the call does not return.
        unsafe cm_enter(&state)
    }

    /// Ends the machine, with `value` for QEMU's isa-debug-exit.
    public static func end(_ value: UInt8) -> Never { cm_end(value) }
}
