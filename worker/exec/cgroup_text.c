#include "worker/exec/cgroup_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "drover-"
#define STAT_START 22 /* the field of /proc/PID/stat, counted from 1 */
#define STAT_STATE 3

void cgroup_id_print (const struct cgroup_id *id, char name[CGROUP_NAME_MAX])
{
    snprintf (name, CGROUP_NAME_MAX, PREFIX "%" PRIu64 "-%" PRIu64 "-%" PRIu64, id->pid_ns, id->pid,
              id->start);
}

/* Printed again it must be the same: so nothing is accepted that was not printed. */
bool cgroup_id_parse (const char *name, struct cgroup_id *id)
{
    char again[CGROUP_NAME_MAX];
    if (sscanf (name, PREFIX "%" SCNu64 "-%" SCNu64 "-%" SCNu64, &id->pid_ns, &id->pid,
                &id->start) != 3)
        return false;
    cgroup_id_print (id, again);
    return strcmp (name, again) == 0;
}

/* The name of the program stands in parentheses and may have any of these bytes itself. */
bool cgroup_stat_parse (const char *text, struct cgroup_id *id, char *state)
{
    const char *at = strrchr (text, ')');
    char *end;
    id->pid = strtoull (text, &end, 10);
    if (end == text || !at || at[1] != ' ')
        return false;
    *state = at[2];
    for (int field = STAT_STATE - 1; field < STAT_START; field++)
        if (!(at = strchr (at + 1, ' ')))
            return false;
    id->start = strtoull (at + 1, &end, 10);
    return end != at + 1;
}

static bool ends_with (const char *text, size_t len, const char *tail)
{
    size_t tail_len = strlen (tail);
    return len >= tail_len && memcmp (text + len - tail_len, tail, tail_len) == 0;
}

bool cgroup_path_parse (const char *text, char *path, size_t size)
{
    while (strncmp (text, "0::/", 4) != 0) {
        text = strchr (text, '\n');
        if (!text)
            return false;
        text++;
    }
    text += 3;
    size_t len = strcspn (text, "\n");
    if (len == 1)
        len = 0;
    if (len >= size || strncmp (text, "/..", 3) == 0 || ends_with (text, len, " (deleted)"))
        return false;
    memcpy (path, text, len);
    path[len] = 0;
    return true;
}

bool cgroup_events_populated (const char *text)
{
    return strncmp (text, "populated 1\n", 12) == 0 || strstr (text, "\npopulated 1\n");
}
