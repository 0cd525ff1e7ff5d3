// The clock of `make bench`, in a process of its own that loads only libc: the time that the system's dynamic linker takes for a file,
// time and peak memory of a command, and time between two lines of a serial port. Prints one or two numbers per line.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// timer dlopen|locked COUNT FILE: nanoseconds of each dlopen, lazy binding off; the file is closed in between. With `locked`
// the system makes all pages present when it maps them, so that relocation meets no page faults.
static int open_library(int locked, int count, const char *file) {
    if (locked && mlockall(MCL_FUTURE)) return 1;
    for (int i = 0; i < count; i++) {
        long long start = now();
        void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        long long end = now();
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        printf("%lld\n", end - start);
        dlclose(library);
    }
    return 0;
}

// timer run OUTPUT COMMAND…: nanoseconds and peak KiB of the command, whose standard output goes to OUTPUT.
static int run(const char *output, char **command) {
    long long start = now();
    pid_t child = fork();
    if (child == 0) {
        int descriptor = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(descriptor, 1);
        dup2(nowhere, 2);
        execvp(command[0], command);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
    printf("%lld %ld\n", now() - start, usage.ru_maxrss);
    return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? 0 : 1;
}

// timer serial PREFIX COMMAND…: nanoseconds from the first byte of a line that begins with PREFIX to the first byte of the
// next line that does not, in the command's standard output. It does not wait for more.
static int watch(const char *prefix, char **command) {
    int pipes[2];
    if (pipe(pipes)) return 1;
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 1);
        close(pipes[0]);
        execvp(command[0], command);
        _exit(127);
    }
    close(pipes[1]);
    // With a higher priority, if permitted, bytes are seen as soon as they arrive.
    setpriority(PRIO_PROCESS, 0, -20);
    size_t length = strlen(prefix), column = 0;
    int matches = 1;
    long long line = 0, first = 0, end = 0;
    char bytes[4096];
    for (ssize_t size; !end && (size = read(pipes[0], bytes, sizeof bytes)) > 0;) {
        long long time = now();
        for (ssize_t i = 0; i < size && !end; i++) {
            if (bytes[i] == '\r' || bytes[i] == '\n') {
                column = 0;
                continue;
            }
            if (column == 0) line = time, matches = 1;
            if (column < length && bytes[i] != prefix[column]) {
                if (matches && first) end = line;
                matches = 0;
            }
            if (++column == length && matches && !first) first = line;
        }
    }
    int status;
    if (end) kill(child, SIGTERM);
    waitpid(child, &status, 0);
    if (!first || !end) return 1;
    printf("%lld\n", end - first);
    return 0;
}

int main(int count, char **arguments) {
    if (count == 4 && !strcmp(arguments[1], "dlopen")) return open_library(0, atoi(arguments[2]), arguments[3]);
    if (count == 4 && !strcmp(arguments[1], "locked")) return open_library(1, atoi(arguments[2]), arguments[3]);
    if (count >= 4 && !strcmp(arguments[1], "run")) return run(arguments[2], arguments + 3);
    if (count >= 4 && !strcmp(arguments[1], "serial")) return watch(arguments[2], arguments + 3);
    return 64;
}
