// The version of all that is built here: semantic versioning (semver.org) of what the loader and loader-inspect do for their users.

/// The version of the loader, of loader-inspect and of its JSON.
public enum Version {
    /// MAJOR.MINOR.PATCH; the manual page and the changelog have it, too, which tests compare.
    public static var text: Text { "1.1.0" }
}
