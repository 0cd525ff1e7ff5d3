// Child processes, which do not outlive this program.

import CProcess
import Glibc

/// Children that die with the thread that starts them.
enum ChildProcess {
    /// Starts the program at `path`; returns its number, or minus errno.
    static func start(
        _ path: String, _ arguments: [String], input: Int32, output: Int32, error: Int32 = -1, isApart: Bool = false
    ) -> pid_t {
        // Copies for C, until the child has its own.
        var words = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        return unsafe process_start(path, &words, input, output, error, isApart ? 1 : 0)
    }

    /// Kills `child`, and waits for its end.
    static func end(_ child: pid_t) {
        kill(child, SIGKILL)
        var status: Int32 = 0
        _ = unsafe waitpid(child, &status, 0)
    }
}
