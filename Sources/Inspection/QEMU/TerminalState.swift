// The state of the terminal, which QEMU changes.

import Glibc

/// The terminal's state before QEMU, which changes it, and does not restore it if it is killed.
@safe struct TerminalState {
    private var attributes: termios?
    private let flags: Int32

    init() {
        var found = termios()
        // The call fills the structure.
        if isatty(0) == 1, unsafe tcgetattr(0, &found) == 0 { attributes = found }
        flags = fcntl(0, F_GETFL)
    }

    func restore() {
        if flags >= 0 { _ = fcntl(0, F_SETFL, flags) }
        guard var attributes else { return }
        // Setting them from the background would stop this process.
        signal(SIGTTOU, SIG_IGN)
        _ = unsafe tcsetattr(0, TCSADRAIN, &attributes)
        signal(SIGTTOU, SIG_DFL)
    }
}
