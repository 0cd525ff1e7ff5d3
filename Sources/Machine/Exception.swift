// CPU exceptions (Intel SDM volume 3, 6.15): what is known of one.

public import CMachine

/// An exception, as its stub in entry.S recorded it.
public struct Exception {
    /// Its number, and its error code where it has one.
    public var vector: UInt64, errorCode: UInt64
    /// Where it happened, and the stack there.
    public var instructionPointer: UInt64, stackPointer: UInt64

    /// Reads `frame`, which the stub has pushed.
    public init(_ frame: UnsafePointer<cm_exception_frame>) {
        vector = unsafe frame.pointee.vector
        errorCode = unsafe frame.pointee.error_code
        instructionPointer = unsafe frame.pointee.rip
        stackPointer = unsafe frame.pointee.rsp
    }
}
