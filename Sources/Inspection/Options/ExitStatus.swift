// The exit statuses, as the help describes them.

/// The texts about exit statuses in the help.
enum ExitStatus {
    static let ofVerdicts = "0 it boots, 1 it will not boot, 2 it is malformed, 64 the command line is wrong."
    static let ofViews =
        "Exit status, the worst of all files: 0, 1 it could not boot on x86-64, 2 it is malformed, 64 the command "
        + "line is wrong."
    static let ofRehearsals =
        "Exit status: 0, 1 the file will not boot, 2 it is malformed, 64 the command line is wrong."
}
