/* Everything is reached by paths below one directory descriptor, that of the cgroup in which the
 * worker was started. A cgroup file is opened for each use: kills are rare.
 */
#include "worker/exec/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/exec/spawn.h"

#define TEXT_MAX 16384 /* of /proc/self/cgroup: a line for each hierarchy, ours is the last */
#define DEPTH_MAX 32   /* of cgroups in cgroups */
#define WAIT_MS 2000   /* for the end of what was killed */

/* --- small files ------------------------------------------------------------------------------ */

static int read_text (int fd, const char *path, char text[TEXT_MAX])
{
    int file = openat (fd, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t n = read (file, text, TEXT_MAX - 1);
    int saved = errno;
    close (file);
    errno = saved;
    text[n > 0 ? n : 0] = 0;
    return n < 0 ? -1 : 0;
}

static int read_of (int fd, const char *cgroup, const char *file, char text[TEXT_MAX])
{
    char path[PATH_MAX];
    snprintf (path, sizeof path, "%s/%s", cgroup, file);
    return read_text (fd, path, text);
}

bool cgroup_kill (int fd, const char *cgroup)
{
    char path[PATH_MAX];
    snprintf (path, sizeof path, "%s/cgroup.kill", cgroup);
    int file = openat (fd, path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool done = write (file, "1", 1) == 1;
    close (file);
    return done;
}

bool cgroup_populated (int fd, const char *cgroup)
{
    char text[TEXT_MAX];
    return read_of (fd, cgroup, "cgroup.events", text) == 0 && cgroup_events_populated (text);
}

static void await_empty (int fd, const char *cgroup, int64_t until_us)
{
    char path[PATH_MAX], text[TEXT_MAX];
    snprintf (path, sizeof path, "%s/cgroup.events", cgroup);
    int file = openat (fd, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    for (;;) {
        int64_t now_us = clock_mono_us ();
        struct pollfd p = {.fd = file, .events = POLLPRI};
        ssize_t n = pread (file, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = 0;
        if (!cgroup_events_populated (text) || now_us >= until_us)
            break;
        poll (&p, 1, clock_poll_ms (until_us, now_us));
    }
    close (file);
}

/* --- removing --------------------------------------------------------------------------------- */

static int remove_at (int fd, const char *path, unsigned depth);

static void remove_below (int fd, const char *path, unsigned depth)
{
    int dir_fd = openat (fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = dir_fd < 0 ? NULL : fdopendir (dir_fd);
    struct dirent *d;
    if (!dir) {
        if (dir_fd >= 0)
            close (dir_fd);
        return;
    }
    while ((d = readdir (dir)))
        if (d->d_type == DT_DIR && d->d_name[0] != '.')
            remove_at (dir_fd, d->d_name, depth + 1);
    closedir (dir);
}

/* The kernel removes a cgroup that has neither processes nor cgroups in it. */
static int remove_at (int fd, const char *path, unsigned depth)
{
    if (unlinkat (fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != EBUSY && errno != ENOTEMPTY)
        return -1;
    if (depth < DEPTH_MAX)
        remove_below (fd, path, depth);
    return unlinkat (fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int cgroup_remove (int fd, const char *path)
{
    return remove_at (fd, path, 0);
}

int cgroup_end (int fd, const char *path, int64_t until_us)
{
    if (cgroup_remove (fd, path) == 0)
        return 0;
    cgroup_kill (fd, path);
    await_empty (fd, path, until_us);
    return cgroup_remove (fd, path);
}

/* --- opening ---------------------------------------------------------------------------------- */

int cgroup_mount (char path[PATH_MAX], struct err *e)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;
    for (unsigned i = 0; i < sizeof mounts / sizeof *mounts; i++)
        if (statfs (mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
            strcpy (path, mounts[i]);
            return 0;
        }
    return err_set (e, ENOENT, "no cgroup v2 at %s or %s", mounts[0], mounts[1]);
}

int cgroup_self (struct cgroup_id *id, struct err *e)
{
    char text[TEXT_MAX], state;
    struct stat s;
    if (read_text (AT_FDCWD, "/proc/self/stat", text) || !cgroup_stat_parse (text, id, &state))
        return err_set (e, ENOENT, "cannot read /proc/self/stat");
    if (stat ("/proc/self/ns/pid", &s))
        return err_sys (e, errno, "cannot look at /proc/self/ns/pid");
    id->pid_ns = s.st_ino;
    return 0;
}

/* Descriptors 0, 1 and 2 may be closed yet, and must not become ours. */
static int open_own (struct cgroup *g, struct err *e)
{
    char path[PATH_MAX], text[TEXT_MAX];
    if (cgroup_mount (path, e))
        return -1;
    size_t len = strlen (path);
    if (read_text (AT_FDCWD, "/proc/self/cgroup", text) ||
        !cgroup_path_parse (text, path + len, sizeof path - len))
        return err_set (e, ENOENT, "/proc/self/cgroup names no cgroup v2 that can be seen here");
    int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys (e, errno, "cannot open %s", path);
    g->own_fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
    close (fd);
    if (g->own_fd < 0)
        return err_sys (e, errno, "cannot open %s", path);
    /* To put a process from here into a cgroup below takes the right to move processes here. */
    if (faccessat (g->own_fd, "cgroup.procs", W_OK, AT_EACCESS))
        return err_sys (e, errno, "cannot write %s/cgroup.procs", path);
    return 0;
}

static int check_made (const struct cgroup *g, struct err *e)
{
    char path[PATH_MAX], text[TEXT_MAX];
    snprintf (path, sizeof path, "%s/cgroup.kill", g->name);
    if (faccessat (g->own_fd, path, W_OK, AT_EACCESS))
        return err_sys (e, errno, "the kernel has no cgroup.kill");
    if (read_of (g->own_fd, g->name, "cgroup.type", text) || strcmp (text, "domain\n") != 0)
        return err_set (e, EOPNOTSUPP, "the cgroup in which it was started is a threaded one");
    return 0;
}

static int make_own (struct cgroup *g, struct err *e)
{
    struct cgroup_id id;
    if (!spawn_into_cgroup ())
        return err_set (e, ENOSYS, "no clone3 here: the processor's architecture or a filter");
    if (cgroup_self (&id, e) || open_own (g, e))
        return -1;
    cgroup_id_print (&id, g->name);
    if (mkdirat (g->own_fd, g->name, 0755))
        return err_sys (e, errno, "cannot make a cgroup below its own");
    if (check_made (g, e) == 0)
        return 0;
    cgroup_remove (g->own_fd, g->name);
    return -1;
}

int cgroup_open (struct cgroup *g, struct err *e)
{
    *g = (struct cgroup){.own_fd = -1};
    if (make_own (g, e) == 0)
        return 0;
    if (g->own_fd >= 0)
        close (g->own_fd);
    g->own_fd = -1;
    return -1;
}

void cgroup_close (struct cgroup *g)
{
    if (g->own_fd < 0)
        return;
    if (cgroup_end (g->own_fd, g->name, clock_mono_us () + WAIT_MS * US_PER_MS))
        log_event (LOG_ERROR, "cgroup cannot be removed name=%s error=\"%s\"", g->name,
                   strerror (errno));
    close (g->own_fd);
    g->own_fd = -1;
}

void cgroup_leave (const struct cgroup *g)
{
    unlinkat (g->own_fd, g->name, AT_REMOVEDIR);
}

/* --- leaves ----------------------------------------------------------------------------------- */

void cgroup_leaf_path (const struct cgroup *g, uint32_t executor, char path[CGROUP_LEAF_MAX])
{
    snprintf (path, CGROUP_LEAF_MAX, "%s/%" PRIu32, g->name, executor);
}

static bool end_now (int fd, const char *path)
{
    if (cgroup_remove (fd, path) == 0)
        return true;
    cgroup_kill (fd, path);
    return cgroup_remove (fd, path) == 0;
}

bool cgroup_end_leaf (const struct cgroup *g, uint32_t executor)
{
    char path[CGROUP_LEAF_MAX];
    if (!g)
        return true;
    cgroup_leaf_path (g, executor, path);
    return end_now (g->own_fd, path);
}

bool cgroup_end_all (const struct cgroup *g)
{
    if (!g)
        return true;
    if (cgroup_populated (g->own_fd, g->name))
        cgroup_kill (g->own_fd, g->name);
    remove_below (g->own_fd, g->name, 0);
    return !cgroup_populated (g->own_fd, g->name);
}
