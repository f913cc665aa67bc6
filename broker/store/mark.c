#include "broker/store/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { LINE_MAX_ = 200 };

/* The line without its checksum. All parts have a fixed width, so that the new one covers the old.
 */
static int words (char line[LINE_MAX_], const struct mark *m)
{
    return snprintf (line, LINE_MAX_,
                     "drover-mark 1 state=%-16.16s boot=%-36.36s mode=%s commit=%020" PRIu64,
                     m->state, m->boot[0] ? m->boot : "-", m->fast ? "fast" : "full", m->commit);
}

static void trim (char *text)
{
    size_t len = strcspn (text, " ");
    text[len] = '\0';
    if (strcmp (text, "-") == 0)
        text[0] = '\0';
}

static bool parse (const char *line, struct mark *m)
{
    char mode[5] = "", again[LINE_MAX_];
    unsigned long long sum;
    int end = 0;
    *m = (struct mark){0};
    if (sscanf (line, "drover-mark 1 state=%16c boot=%36c mode=%4s commit=%20" SCNu64 "%n",
                m->state, m->boot, mode, &m->commit, &end) != 4 ||
        !end || sscanf (line + end, " sum=%16llx", &sum) != 1)
        return false;
    trim (m->state);
    trim (m->boot);
    m->fast = strcmp (mode, "fast") == 0;
    int len = words (again, m);
    return len == end && memcmp (line, again, (size_t)len) == 0 &&
           XXH3_64bits (line, (size_t)len) == sum;
}

enum mark_found mark_read (const char *path, struct mark *m)
{
    char line[LINE_MAX_ + 1] = "";
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? MARK_MISSING : MARK_UNREADABLE;
    ssize_t n = read (fd, line, LINE_MAX_);
    close (fd);
    return n > 0 && parse (line, m) ? MARK_READ : MARK_UNREADABLE;
}

int mark_open (const char *path, struct err *e)
{
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? err_sys (e, errno, "cannot open %s", path) : fd;
}

int mark_write (int fd, const struct mark *m, bool sync, struct err *e)
{
    char line[LINE_MAX_ + 32];
    int len = words (line, m);
    len += snprintf (line + len, sizeof line - (size_t)len, " sum=%016llx\n",
                     (unsigned long long)XXH3_64bits (line, (size_t)len));
    ssize_t n = pwrite (fd, line, (size_t)len, 0);
    if (n != len)
        return err_sys (e, n < 0 ? errno : ENOSPC, "cannot write the mark");
    if (sync && fsync (fd) < 0)
        return err_sys (e, errno, "cannot write the mark");
    return 0;
}

void mark_boot (char boot[37])
{
    int fd = open ("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read (fd, boot, 36);
    boot[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close (fd);
}
