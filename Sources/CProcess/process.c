// Child processes that end with this one, and signals as bytes in a pipe (CProcess.h).

// For pipe2.
#define _GNU_SOURCE

#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
enum { watched_count = sizeof watched / sizeof *watched };

static int signal_pipe[2] = {-1, -1};
// The earlier actions of the signals, and whether to restore them.
static struct sigaction former[watched_count], former_pipe;
static int is_watching;

// A handler may do little: the numbers are handled elsewhere.
static void note_signal(int number) {
    int error = errno;
    unsigned char byte = (unsigned char)number;
    if (write(signal_pipe[1], &byte, 1) < 0) {
        // The pipe is full: enough signals are waiting in it.
    }
    errno = error;
}

static void handle(int number, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, NULL);
}

int process_watch_signals(void) {
    if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    for (int index = 0; index < watched_count; index++) {
        sigaction(watched[index], NULL, &former[index]);
        // Signals that the user ignores, as nohup does, stay ignored; but the end of a child must be noted.
        if (former[index].sa_handler == SIG_IGN && watched[index] != SIGCHLD) continue;
        handle(watched[index], note_signal);
    }
    sigaction(SIGPIPE, NULL, &former_pipe);
    handle(SIGPIPE, SIG_IGN);
    is_watching = 1;
    return signal_pipe[0];
}

int process_pipe(int *ends, int capacity) {
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    fcntl(ends[1], F_SETPIPE_SZ, capacity);
    return 0;
}

void process_forget_signals(void) {
    if (!is_watching) return;
    for (int index = 0; index < watched_count; index++) sigaction(watched[index], &former[index], NULL);
    sigaction(SIGPIPE, &former_pipe, NULL);
    is_watching = 0;
}

pid_t process_start(const char *path, char *const *arguments, int input, int output, int error,
                    int is_apart) {
    // Carries errno if the program does not start; closed if it does.
    int failure[2];
    if (pipe2(failure, O_CLOEXEC) != 0) return -errno;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        // Only async-signal-safe functions may be called: other threads may have held locks.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        // The parent may have ended before that.
        if (getppid() != parent) _exit(127);
        if (is_apart) setpgid(0, 0);
        process_forget_signals();
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (dup2(input, 0) >= 0 && dup2(output, 1) >= 0 && (error < 0 || dup2(error, 2) >= 0)) execv(path, arguments);
        int number = errno;
        if (write(failure[1], &number, sizeof number) < 0) _exit(126);
        _exit(127);
    }
    int number = child < 0 ? errno : 0;
    close(failure[1]);
    if (child > 0 && read(failure[0], &number, sizeof number) != sizeof number) number = 0;
    close(failure[0]);
    return number != 0 ? -number : child;
}
