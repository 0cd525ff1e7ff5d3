// Child processes that end with this one, and signals as bytes in a pipe: in C, because Swift code must not run between fork and exec
// or in a signal handler.

#pragma once

#include <sys/types.h>

/// Starts the program at `path` with `arguments`, whose last is null. The descriptors `input` and `output` become its standard
/// input and output, and `error` its standard error, unless it is negative.
/// The kernel kills it by SIGKILL when the calling thread ends, so that thread must wait for it.
/// With `is_apart` it gets a process group of its own, which a terminal's interrupts do not reach.
/// Returns its number, or minus errno.
pid_t process_start(const char *_Nonnull path, char *_Nullable const *_Nonnull arguments, int input, int output, int error,
                    int is_apart);

/// Makes a pipe, and stores its `ends`, the one for reading first, which children do not inherit. It holds `capacity` bytes if the user may
/// have as many. Returns 0, or minus errno.
int process_pipe(int *_Nonnull ends, int capacity);

/// Turns SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGCHLD into bytes, their numbers, which can be read from the returned descriptor; SIGPIPE is
/// ignored. Signals that were ignored before, except SIGCHLD, stay ignored. Returns minus errno if that fails.
int process_watch_signals(void);

/// Restores the earlier actions of these signals.
void process_forget_signals(void);
