/* child: other programs, started by a bench program, and gone when it is. */
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/options.h"
#include "common/base/clock.h"

#define WORDS_MAX 32
#define END_US (5 * (int64_t)US_PER_S)

static void check (int rc, const char *what)
{
    if (rc == -1) {
        char text[200];
        snprintf (text, sizeof text, "%s: %s", what, strerror (errno));
        bench_die (text);
    }
}

/* Between fork and exec. */
static _Noreturn void become (char *const *argv, int in, int out)
{
    prctl (PR_SET_PDEATHSIG, SIGTERM);
    int none = open ("/dev/null", O_RDWR | O_CLOEXEC);
    dup2 (in >= 0 ? in : none, 0);
    dup2 (out >= 0 ? out : none, 1);
    execvp (argv[0], argv);
    dprintf (2, "%s: %s\n", argv[0], strerror (errno));
    _exit (127);
}

void child_start (struct child *c, char *const *argv, int in, unsigned flags)
{
    int out[2] = {-1, -1};
    if (flags & CHILD_READ)
        check (pipe2 (out, O_CLOEXEC), "pipe");
    c->pid = fork ();
    check (c->pid, "fork");
    if (c->pid == 0)
        become (argv, in, out[1]);
    if (out[1] >= 0)
        close (out[1]);
    c->out = out[0];
}

static uint64_t count_lines (const char *bytes, size_t len)
{
    uint64_t n = 0;
    for (const char *at = bytes, *end = bytes + len; (at = memchr (at, '\n', (size_t)(end - at)));
         at++)
        n++;
    return n;
}

uint64_t child_read (struct child *c, char *text, size_t size)
{
    char buffer[65536];
    uint64_t lines = 0;
    size_t kept = 0;
    ssize_t n;
    while ((n = read (c->out, buffer, sizeof buffer)) > 0) {
        lines += count_lines (buffer, (size_t)n);
        for (ssize_t i = 0; i < n && kept + 1 < size; i++)
            text[kept++] = buffer[i];
    }
    if (size)
        text[kept] = 0;
    close (c->out);
    c->out = -1;
    return lines;
}

static void complain (int status)
{
    char text[80];
    if (WIFSIGNALED (status))
        snprintf (text, sizeof text, "a program was ended by signal %d", WTERMSIG (status));
    else
        snprintf (text, sizeof text, "a program ended with status %d", WEXITSTATUS (status));
    bench_die (text);
}

void child_wait (struct child *c)
{
    int status;
    check (waitpid (c->pid, &status, 0), "wait");
    c->pid = 0;
    if (status != 0)
        complain (status);
}

void child_pause (int ms)
{
    poll (NULL, 0, ms);
}

int child_end (struct child *c)
{
    int status = 0;
    if (c->pid <= 0)
        return 0;
    int64_t deadline = clock_mono_us () + END_US;
    kill (c->pid, SIGTERM);
    while (waitpid (c->pid, &status, WNOHANG) == 0) {
        if (clock_mono_us () > deadline)
            kill (c->pid, SIGKILL);
        child_pause (5);
    }
    c->pid = 0;
    return status;
}

/* "DIR/NAME", where DIR is that of this program, then `up`. */
static char *beside (char *path, const char *up, const char *name)
{
    char own[CHILD_PATH_MAX - CHILD_NAME_MAX - 8] = "";
    check ((int)readlink ("/proc/self/exe", own, sizeof own - 1), "/proc/self/exe");
    char *slash = strrchr (own, '/');
    int len = slash ? (int)(slash - own) : 0;
    snprintf (path, CHILD_PATH_MAX, "%.*s/%s%.*s", len, own, up, CHILD_NAME_MAX, name);
    return path;
}

char *child_bench_path (char *path, const char *name)
{
    return beside (path, "", name);
}

char *child_drover_path (char *path, const char *name)
{
    const char *dir = getenv ("DROVER_BINDIR");
    if (!dir)
        return beside (path, "../", name);
    snprintf (path, CHILD_PATH_MAX, "%s/%s", dir, name);
    return path;
}

static void read_numbers (const char *text, double *values, unsigned n)
{
    char *end;
    for (unsigned i = 0; i < n; i++, text = end) {
        values[i] = strtod (text, &end);
        if (end == text)
            bench_die ("a reference program did not print what it should");
    }
}

void child_reference (double *values, unsigned n, const char *name, ...)
{
    char path[CHILD_PATH_MAX], text[400];
    char *words[WORDS_MAX] = {child_bench_path (path, name), (char *)"--plain"};
    unsigned count = 2;
    va_list ap;
    va_start (ap, name);
    while (count < WORDS_MAX - 1 && (words[count] = va_arg (ap, char *)))
        count++;
    va_end (ap);

    struct child c;
    child_start (&c, words, -1, CHILD_READ);
    child_read (&c, text, sizeof text);
    child_wait (&c);
    read_numbers (text, values, n);
}

int child_lines (const char *line, uint64_t count)
{
    int fd = memfd_create ("lines", MFD_CLOEXEC);
    check (fd, "memfd");
    FILE *f = fdopen (dup (fd), "w");
    if (!f)
        bench_die ("no memory");
    for (uint64_t i = 0; i < count; i++)
        fprintf (f, "%s\n", line);
    check (fclose (f), "memfd");
    child_rewind (fd);
    return fd;
}

void child_rewind (int fd)
{
    check ((int)lseek (fd, 0, SEEK_SET), "lseek");
}
