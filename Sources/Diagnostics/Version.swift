// The version of the loader and of loader-inspect (semantic versioning, semver.org): it covers what they do for their users.

/// The version of the loader, of loader-inspect and of its JSON.
public enum Version {
    /// MAJOR.MINOR.PATCH. Tests compare it with the manual page and the changelog.
    public static var text: Text { "1.1.0" }
}
