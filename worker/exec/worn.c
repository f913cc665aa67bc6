#include "worker/exec/worn.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LOOK_US (100 * US_PER_MS)

/* Of the resident set; 0 where it cannot be told. */
static uint64_t memory_bytes (void)
{
    char text[100];
    uint64_t pages = 0;
    int fd = open ("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
    if (fd >= 0)
        close (fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    if (sscanf (text, "%*u %" SCNu64, &pages) != 1)
        return 0;
    return pages * (uint64_t)sysconf (_SC_PAGESIZE);
}

/* UINT64_MAX where there is none left to look with. */
static uint64_t files (void)
{
    uint64_t n = 0;
    DIR *dir = opendir ("/proc/self/fd");
    if (!dir)
        return access ("/proc/self/fd", F_OK) == 0 ? UINT64_MAX : 0;
    while (readdir (dir))
        n++;
    closedir (dir);
    return n;
}

static bool over (uint64_t now, uint64_t at_first, uint64_t limit)
{
    return limit && now > at_first && now - at_first > limit;
}

bool worn_out (struct worn *w, int64_t now_us)
{
    if (over (w->calls, 0, w->limits.calls))
        return true;
    if (now_us < w->look_us || !w->calls)
        return false;
    uint64_t memory = w->limits.memory_bytes ? memory_bytes () : 0;
    uint64_t open_files = w->limits.files ? files () : 0;
    if (!w->look_us) {
        w->memory_bytes = memory;
        w->files = open_files;
    }
    w->look_us = now_us + LOOK_US;
    return over (memory, w->memory_bytes, w->limits.memory_bytes) ||
           over (open_files, w->files, w->limits.files);
}
