/* The kernel lists the children of each thread in /proc/PID/task/TID/children. The walk is breadth
 * first over a bounded list on the stack; a tree that does not fit is signalled as far as it is
 * known, and the rest is found when the caller walks again.
 */
#include "worker/exec/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WALK_MAX 4096

struct list {
    pid_t *pids;
    unsigned count; /* may pass max: then the rest was not stored */
    unsigned max;
};

static void list_add (struct list *l, pid_t pid)
{
    if (l->count < l->max)
        l->pids[l->count] = pid;
    l->count++;
}

/* Append "/" and a number, or a word, to a path; snprintf() is not for signal handlers. */
static char *put_text (char *at, const char *text)
{
    size_t len = strlen (text);
    memcpy (at, text, len + 1);
    return at + len;
}

static char *put_number (char *at, unsigned long n)
{
    char digits[24];
    int len = 0;
    do
        digits[len++] = (char)('0' + n % 10);
    while (n /= 10);
    while (len)
        *at++ = digits[--len];
    *at = 0;
    return at;
}

static void read_children (const char *path, struct list *l)
{
    char text[4096];
    long pid = 0;
    ssize_t n;
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* ended meanwhile */
    while ((n = read (fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid) {
                list_add (l, (pid_t)pid);
                pid = 0;
            }
        }
    }
    if (pid)
        list_add (l, (pid_t)pid);
    close (fd);
}

struct kernel_dirent {
    uint64_t ino;
    int64_t off;
    uint16_t reclen;
    uint8_t type;
    char name[];
};

static void children_of (pid_t pid, struct list *l)
{
    char path[96];
    _Alignas(struct kernel_dirent) char entries[2048];
    char *end = put_text (put_number (put_text (path, "/proc/"), (unsigned long)pid), "/task");
    int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    long n;
    while ((n = syscall (SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < n;) {
            const struct kernel_dirent *d = (const void *)(entries + at);
            at += d->reclen;
            if (d->name[0] == '.' || strlen (d->name) > 20)
                continue;
            put_text (put_text (put_text (end, "/"), d->name), "/children");
            read_children (path, l);
        }
    }
    close (fd);
}

unsigned tree_children (pid_t *pids, unsigned max)
{
    struct list l = {.pids = pids, .max = max};
    int saved = errno;
    children_of (getpid (), &l);
    errno = saved;
    return l.count;
}

unsigned tree_signal (int sig, tree_judge_fn *judge, const void *arg)
{
    pid_t pids[WALK_MAX];
    struct list l = {.pids = pids, .max = WALK_MAX};
    unsigned taken = 0;
    int saved = errno;
    children_of (getpid (), &l);
    for (unsigned i = 0; i < l.count && i < l.max; i++) {
        enum tree_verdict verdict = judge ? judge (pids[i], arg) : TREE_TAKE;
        if (verdict == TREE_SKIP)
            continue;
        if (verdict == TREE_TAKE && sig == SIGKILL) /* before the look: now it forks no more */
            kill (pids[i], sig);
        children_of (pids[i], &l);
        if (verdict == TREE_TAKE && sig && sig != SIGKILL)
            kill (pids[i], sig);
        taken += verdict == TREE_TAKE;
    }
    errno = saved;
    return taken;
}

unsigned tree_kill_all (unsigned wait_ms)
{
    for (unsigned ms = 0;; ms++) {
        tree_signal (SIGKILL, NULL, NULL);
        pid_t pid;
        while ((pid = waitpid (-1, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0)
            return 0;
        if (ms >= wait_ms)
            return tree_signal (0, NULL, NULL);
        poll (NULL, 0, 1);
    }
}
