/* clock_shim: preloaded into every program, moves its real-time clock. The file that
 * $DROVER_TEST_CLOCK names says by how many seconds, now; nothing or no file: as it is. The
 * monotonic clock is not touched, as with a clock that somebody sets.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime (clockid_t id, struct timespec *t);
time_t time (time_t *t);
int gettimeofday (struct timeval *restrict t, void *restrict zone);

static long moved_by (void)
{
    char text[32];
    const char *path = getenv ("DROVER_TEST_CLOCK");
    int fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read (fd, text, sizeof text - 1);
    if (fd >= 0)
        close (fd);
    text[n > 0 ? n : 0] = '\0';
    return strtol (text, NULL, 10);
}

int clock_gettime (clockid_t id, struct timespec *t)
{
    int (*real) (clockid_t, struct timespec *) =
        (int (*) (clockid_t, struct timespec *))dlsym (RTLD_NEXT, "clock_gettime");
    int rc = real (id, t);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += moved_by ();
    return rc;
}

int gettimeofday (struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime (CLOCK_REALTIME, &now) < 0)
        return -1;
    *t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time (time_t *t)
{
    struct timespec now;
    if (clock_gettime (CLOCK_REALTIME, &now) < 0)
        return -1;
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}
