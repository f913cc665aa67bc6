#include "common/base/faultpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether `text` is name, or name-kind, and what stands behind it. */
static bool is_named (const char *text, const char *name, const char *kind, const char **behind)
{
    size_t len = strlen (name);
    if (strncmp (text, name, len) != 0)
        return false;
    text += len;
    if (kind) {
        len = strlen (kind);
        if (*text != '-' || strncmp (text + 1, kind, len) != 0)
            return false;
        text += 1 + len;
    }
    *behind = text;
    return *text == '\0' || *text == ':';
}

/* The first to get here makes the file; nobody ends behind it. */
static bool is_first (const char *words)
{
    char line[200];
    const char *path = getenv ("DROVER_FAULT_FILE");
    if (!path || !*path)
        return true;
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    int len = snprintf (line, sizeof line, "%s pid=%ld\n", words, (long)getpid ());
    ssize_t ignored = write (fd, line, (size_t)len);
    (void)ignored;
    close (fd);
    return true;
}

static bool is_the_nth (const char *name, const char *kind)
{
    static atomic_ulong passed; /* of the one point that is asked for */
    const char *wanted = getenv ("DROVER_FAULT");
    const char *behind;
    if (!wanted || !is_named (wanted, name, kind, &behind))
        return false;
    unsigned long nth = *behind ? strtoul (behind + 1, NULL, 10) : 1;
    return atomic_fetch_add (&passed, 1) + 1 == nth && is_first (wanted);
}

/* Of several processes that pass one removes the file. */
static bool is_laid (const char *name, const char *kind)
{
    char path[400];
    const char *dir = getenv ("DROVER_FAULT_DIR");
    if (!dir || !*dir)
        return false;
    int len =
        snprintf (path, sizeof path, "%s/%s%s%s", dir, name, kind ? "-" : "", kind ? kind : "");
    return len < (int)sizeof path && unlink (path) == 0;
}

void fault_point (const char *name, const char *kind)
{
    if (!is_the_nth (name, kind) && !is_laid (name, kind))
        return;
    kill (getpid (), SIGKILL);
    _exit (137); /* the first process of a namespace cannot kill itself */
}
