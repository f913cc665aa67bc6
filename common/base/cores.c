#include "common/base/cores.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* A mask of the usual size fails on hosts with more cores than it holds. */
static unsigned affinity (void)
{
    for (int cores = 1024; cores <= 1 << 20; cores *= 2) {
        cpu_set_t *set = CPU_ALLOC (cores);
        size_t size = CPU_ALLOC_SIZE (cores);
        int count = 0;
        if (set && sched_getaffinity (0, size, set) == 0)
            count = CPU_COUNT_S (size, set);
        CPU_FREE (set);
        if (count > 0)
            return (unsigned)count;
    }
    long online = sysconf (_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

static int read_line (const char *path, char *line, size_t size)
{
    FILE *f = fopen (path, "re");
    if (!f)
        return -1;
    int rc = fgets (line, (int)size, f) ? 0 : -1;
    fclose (f);
    return rc;
}

static unsigned lower (unsigned cores, double quota, double period)
{
    if (quota <= 0 || period <= 0)
        return cores;
    double allowed = quota / period;
    unsigned whole = allowed >= cores ? cores : (unsigned)allowed;
    if (whole < allowed && whole < cores)
        whole++;
    return whole;
}

/* The quota of one group of the unified hierarchy: "max 100000" or "150000 100000". */
static unsigned group_v2 (const char *dir, unsigned cores)
{
    char path[PATH_SIZE + 32];
    char line[100];
    double quota;
    double period;
    snprintf (path, sizeof path, "%s/cpu.max", dir);
    if (read_line (path, line, sizeof line) == 0 && sscanf (line, "%lf %lf", &quota, &period) == 2)
        return lower (cores, quota, period);
    return cores;
}

static unsigned group_v1 (const char *dir, unsigned cores)
{
    char path[PATH_SIZE + 32];
    char quota[100];
    char period[100];
    snprintf (path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    if (read_line (path, quota, sizeof quota) < 0)
        return cores;
    snprintf (path, sizeof path, "%s/cpu.cfs_period_us", dir);
    if (read_line (path, period, sizeof period) < 0)
        return cores;
    return lower (cores, strtod (quota, NULL), strtod (period, NULL));
}

/* A group and all above it, up to the mount. */
static unsigned up_to (const char *mount, const char *group, unsigned cores,
                       unsigned (*limit) (const char *dir, unsigned cores))
{
    char dir[PATH_SIZE];
    int len = snprintf (dir, sizeof dir, "%s%s", mount, group);
    if (len < 0 || (size_t)len >= sizeof dir)
        return cores;
    for (;;) {
        cores = limit (dir, cores);
        char *slash = strrchr (dir, '/');
        if (!slash || strlen (dir) <= strlen (mount))
            return cores;
        *slash = '\0';
    }
}

static int names (const char *list, const char *word)
{
    size_t len = strlen (word);
    for (const char *at = list; (at = strstr (at, word)); at += len)
        if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
            return 1;
    return 0;
}

/* One line of /proc/self/cgroup: "0::/group" (unified), "4:cpu,cpuacct:/group". */
static unsigned by_line (char *line, unsigned cores)
{
    line[strcspn (line, "\n")] = '\0';
    char *list = strchr (line, ':');
    char *group = list ? strchr (list + 1, ':') : NULL;
    if (!group)
        return cores;
    *group++ = '\0';
    list++;
    if (!*list)
        return up_to ("/sys/fs/cgroup", group, cores, group_v2);
    if (names (list, "cpu"))
        return up_to ("/sys/fs/cgroup/cpu", group, cores, group_v1);
    return cores;
}

unsigned cores_usable (void)
{
    unsigned cores = affinity ();
    char line[PATH_SIZE];
    FILE *f = fopen ("/proc/self/cgroup", "re");
    while (f && fgets (line, sizeof line, f))
        cores = by_line (line, cores);
    if (f)
        fclose (f);
    return cores ? cores : 1;
}
