// Reports skipped cases: Swift Testing prints no line for a case that cancels itself.

/// Prints that the case called `name` is skipped, in the form that `make test` repeats at its end; returns the reason, for `Test.cancel`.
public func skipped(_ name: String, _ reason: String) -> String {
    print("➜ Case \"\(name)\" skipped: \"\(reason)\"")
    return reason
}
