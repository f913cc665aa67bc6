/* proc: what the kernel says of a running process. */
#include "bench/proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind `name` in a file of "Name:  number kB" lines, or -1. */
static int64_t field_kib (pid_t pid, const char *file, const char *name)
{
    char path[64], line[256];
    int64_t value = -1;
    snprintf (path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen (path, "re");
    if (!f)
        return -1;
    while (value < 0 && fgets (line, sizeof line, f))
        if (strncmp (line, name, strlen (name)) == 0)
            value = strtoll (line + strlen (name), NULL, 10);
    fclose (f);
    return value;
}

int64_t proc_memory (pid_t pid)
{
    int64_t kib = field_kib (pid, "smaps_rollup", "Pss:");
    if (kib < 0)
        kib = field_kib (pid, "status", "VmRSS:");
    return kib < 0 ? -1 : kib * 1024;
}

/* Nanoseconds on a processor, the first number of schedstat. */
static int64_t thread_ns (pid_t pid, const char *thread)
{
    char path[320];
    int64_t ns = 0;
    snprintf (path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, thread);
    FILE *f = fopen (path, "re");
    if (!f)
        return 0;
    if (fscanf (f, "%" SCNd64, &ns) != 1)
        ns = 0;
    fclose (f);
    return ns;
}

static int64_t children_us (pid_t pid, const char *thread)
{
    char path[320];
    int child;
    int64_t us = 0;
    snprintf (path, sizeof path, "/proc/%d/task/%s/children", (int)pid, thread);
    FILE *f = fopen (path, "re");
    if (!f)
        return 0;
    while (fscanf (f, "%d", &child) == 1)
        us += proc_tree_cpu_us (child);
    fclose (f);
    return us;
}

int64_t proc_tree_cpu_us (pid_t pid)
{
    char path[64];
    int64_t us = 0;
    snprintf (path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir (path);
    if (!d)
        return 0;
    for (struct dirent *entry; (entry = readdir (d));)
        if (entry->d_name[0] != '.')
            us += thread_ns (pid, entry->d_name) / 1000 + children_us (pid, entry->d_name);
    closedir (d);
    return us;
}
