// The access that pages allow.

/// The access that a page allows beyond reading.
public struct PageAccess: Equatable, Sendable {
    /// Whether it can be written.
    public let isWritable: Bool
    /// Whether its bytes can be executed.
    public let isExecutable: Bool

    /// Reading, and writing and executing as given.
    public init(isWritable: Bool, isExecutable: Bool) {
        self.isWritable = isWritable
        self.isExecutable = isExecutable
    }

    /// Writing and executing.
    public static var all: PageAccess { PageAccess(isWritable: true, isExecutable: true) }
    /// Writing, not executing.
    public static var data: PageAccess { PageAccess(isWritable: true, isExecutable: false) }
    /// Executing, not writing.
    public static var code: PageAccess { PageAccess(isWritable: false, isExecutable: true) }
    /// Neither writing nor executing.
    public static var none: PageAccess { PageAccess(isWritable: false, isExecutable: false) }

    /// The union of both: the access that at least one of them allows.
    public func union(_ other: PageAccess) -> PageAccess {
        PageAccess(
            isWritable: isWritable || other.isWritable, isExecutable: isExecutable || other.isExecutable)
    }
}
