// The CPU: its features, the jump to the kernel, and the end.

internal import CMachine

/// The processor that the loader runs on.
public enum CPU {
    /// Whether pages of 1 GiB can be used.
    public static var hasGigabytePages: Bool { cm_extended_features() >> 26 & 1 != 0 }
    /// Whether pages can be marked as not executable (XD).
    public static var hasNoExecute: Bool { cm_extended_features() >> 20 & 1 != 0 }

    /// The address whose access caused the last page fault.
    public static var pageFaultAddress: UInt64 { cm_read_cr2() }

    /// Enforces read-only pages for the loader and the kernel, too (CR0.WP).
    public static func protectWriting() { cm_set_cr0(1 << 16) }

    /// Enforces the mark on pages that are not executable (EFER.NXE). Without it the mark is a reserved bit, which must be 0.
    public static func protectExecution() { cm_set_efer(1 << 11) }

    /// Calls the function at `address`, which takes no arguments and returns an address.
    public static func call(_ address: UInt64) -> UInt64 { cm_call(address) }

    /// A number from RDRAND; nil if the CPU lacks the instruction, or it does not work.
    public static func randomNumber() -> UInt64? {
        var value: UInt64 = 0
        // The pointer is used only during the call.
        return unsafe cm_random(&value) != 0 ? value : nil
    }

    /// Whether there is a time stamp counter.
    public static var hasTimeStamps: Bool { cm_has_time_stamps() != 0 }

    /// A number that is hard to predict, from the interval timer and, if there is one, the time stamp counter.
    public static func mixedTime() -> UInt64 { cm_mixed_time(cm_has_time_stamps()) }

    /// Enters the kernel with `state`, an `EntryState`, whose words entry.S reads.
    public static func enter(_ state: inout some BitwiseCopyable) -> Never {
        // The pointer stays valid: the call does not return.
        unsafe cm_enter(&state)
    }

    /// Ends the machine, with `value` for QEMU's isa-debug-exit.
    public static func end(_ value: UInt8) -> Never { cm_end(value) }
}
