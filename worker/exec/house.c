#include "worker/exec/house.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIGH_FD 1000 /* beyond it a process pays for a larger table */
#define ROOM 10      /* below the limit */

void house_init (struct house *h)
{
    int fd = open (".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    h->dir_fd = fd < 0 ? fd : house_hide_fd (fd);
    h->umask = umask (0);
    umask (h->umask);
    sigprocmask (SIG_SETMASK, NULL, &h->mask);
    sigaction (SIGTERM, NULL, &h->term);
}

void house_fini (struct house *h)
{
    if (h->dir_fd >= 0)
        close (h->dir_fd);
    h->dir_fd = -1;
}

void house_tidy (const struct house *h)
{
    if (h->dir_fd >= 0 && fchdir (h->dir_fd) < 0)
        (void)0; /* closed by a function: then it stays where that has put it */
    umask (h->umask);
    sigaction (SIGTERM, &h->term, NULL);
    sigprocmask (SIG_SETMASK, &h->mask, NULL);
}

int house_hide_fd (int fd)
{
    struct rlimit limit;
    int high = HIGH_FD;
    if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < HIGH_FD + ROOM)
        high = limit.rlim_cur > 4 * ROOM ? (int)limit.rlim_cur - ROOM : 3;
    int hidden = fcntl (fd, F_DUPFD_CLOEXEC, high);
    if (hidden < 0)
        return fd;
    close (fd);
    return hidden;
}
