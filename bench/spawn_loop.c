/* spawn_loop: how many commands a second the kernel alone starts and ends, as the measure for
 * drover.
 *
 * --slots processes, each of which runs its share of the --tasks one after another: vfork, exec,
 * wait. With --capture the command's stdout and stderr come through two pipes and are read to their
 * end first. The command is the words behind the options, /bin/true without any.
 *
 * --plain prints one number: commands/s.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/options.h"
#include "common/base/clock.h"

static void check (int rc, const char *what)
{
    if (rc == -1)
        bench_die (what);
}

/* Runs in the parent's memory until the exec: no more than system calls. */
static _Noreturn void become (char **words, const int out[2], const int err[2])
{
    if (out[1] >= 0) {
        dup2 (out[1], 1);
        dup2 (err[1], 2);
    }
    execv (words[0], words);
    _exit (127);
}

static void open_pipe (int fds[2])
{
    check (pipe2 (fds, O_CLOEXEC), "no pipe");
}

/* Read both pipes until nobody can write to them any more. */
static void drain (int out, int err)
{
    struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    char buffer[65536];
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        check (poll (fds, 2, -1), "poll failed");
        for (int i = 0; i < 2; i++)
            if (fds[i].revents && read (fds[i].fd, buffer, sizeof buffer) <= 0)
                fds[i].fd = -1;
    }
}

static void run_one (char **words, bool capture)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1}, status;
    if (capture) {
        open_pipe (out);
        open_pipe (err);
    }
    pid_t pid = vfork ();
    check (pid, "vfork failed");
    if (pid == 0)
        become (words, out, err);
    if (capture) {
        close (out[1]);
        close (err[1]);
        drain (out[0], err[0]);
        close (out[0]);
        close (err[0]);
    }
    check (waitpid (pid, &status, 0), "wait failed");
    if (status != 0)
        bench_die ("the command failed");
}

static void start (const struct bench_options *o, uint64_t tasks)
{
    pid_t pid = fork ();
    check (pid, "fork failed");
    if (pid != 0)
        return;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (uint64_t i = 0; i < tasks; i++)
        run_one (o->rest, o->capture);
    _exit (0);
}

static void reap (unsigned count)
{
    int status;
    for (unsigned i = 0; i < count; i++) {
        check (wait (&status), "wait failed");
        if (status != 0)
            exit (1);
    }
}

int main (int argc, char **argv)
{
    static char *fallback[] = {"/bin/true", NULL};
    struct bench_options o = {.tasks = 4000, .slots = 2};
    bench_options_read (&o, argc, argv, "a bare loop of vfork and exec");
    if (!o.rest[0])
        o.rest = fallback;

    int64_t begin = clock_mono_us ();
    for (unsigned p = 0; p < o.slots; p++)
        start (&o, o.tasks / o.slots + (p < o.tasks % o.slots));
    reap (o.slots);
    double per_s = (double)o.tasks * US_PER_S / (double)(clock_mono_us () - begin);

    if (o.plain)
        printf ("%.1f\n", per_s);
    else
        printf ("vfork loop in %u processes%s: %.0f commands/s\n", o.slots,
                o.capture ? ", output captured" : "", per_s);
    return 0;
}
