// The variables of `--env`.

import ArgumentParser

/// The variables of `--env`.
enum EnvironmentVariables {
    /// Throws a `ValidationError` if one of `variables` has no name, or no value.
    static func check(_ variables: [String]) throws {
        for variable in variables where !variable.dropFirst().contains("=") || variable.hasPrefix("=") {
            throw ValidationError("--env is NAME=VALUE, not '\(variable)'")
        }
    }
}
