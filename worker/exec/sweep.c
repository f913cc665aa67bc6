/* A cgroup is removed when all of this holds: it has a name that drover gives, it is owned by this
 * user, its pid means something here (a container has pids of its own, which say nothing about
 * processes here), and no process with that pid and that time of start lives.
 */
#include "worker/exec/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define DEPTH_MAX 32
#define SEEN_MAX 20000 /* cgroups; a host with more keeps what is behind them */
#define WAIT_OWN_MS 50
#define WAIT_EVERYWHERE_MS 2000
#define STAT_MAX 1024

struct sweep {
    struct cgroup_id self;
    bool deep;
    int64_t until_us; /* wait no longer for the end of anything */
    unsigned seen;
    unsigned removed;
};

/* Where its end cannot be seen for certain, it lives. */
static bool lives (const struct cgroup_id *id)
{
    char path[48], text[STAT_MAX], state;
    struct cgroup_id now;
    snprintf (path, sizeof path, "/proc/%" PRIu64 "/stat", id->pid);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    ssize_t n = read (fd, text, sizeof text - 1);
    bool gone = n < 0 && errno == ESRCH;
    close (fd);
    text[n > 0 ? n : 0] = 0;
    if (gone || !cgroup_stat_parse (text, &now, &state))
        return !gone;
    return now.start == id->start && state != 'Z' && state != 'X';
}

static bool is_left (const struct sweep *s, int fd, const char *name, const struct cgroup_id *id)
{
    struct stat st;
    return id->pid_ns == s->self.pid_ns && !lives (id) &&
           fstatat (fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid ();
}

static void end (struct sweep *s, int fd, const char *name)
{
    bool populated = cgroup_populated (fd, name);
    if (cgroup_end (fd, name, s->until_us)) {
        log_event (LOG_WARN, "left by a dead worker, cannot be removed cgroup=%s error=\"%s\"",
                   name, strerror (errno));
        return;
    }
    s->removed++;
    log_event (populated ? LOG_WARN : LOG_INFO, "left by a dead worker, removed cgroup=%s%s", name,
               populated ? ": killed what ran there" : "");
}

static void look_in (struct sweep *s, int fd, const char *path, unsigned depth)
{
    int dir_fd = openat (fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = dir_fd < 0 ? NULL : fdopendir (dir_fd);
    struct cgroup_id id;
    struct dirent *d;
    if (!dir && dir_fd >= 0)
        close (dir_fd);
    if (!dir)
        return;
    while (s->seen < SEEN_MAX && (d = readdir (dir))) {
        if (d->d_type != DT_DIR || d->d_name[0] == '.')
            continue;
        s->seen++;
        if (!cgroup_id_parse (d->d_name, &id)) {
            if (s->deep && depth < DEPTH_MAX)
                look_in (s, dir_fd, d->d_name, depth + 1);
        } else if (is_left (s, dir_fd, d->d_name, &id)) {
            end (s, dir_fd, d->d_name);
        }
    }
    closedir (dir);
}

static unsigned sweep (int fd, const char *path, bool deep, int64_t wait_ms)
{
    struct sweep s = {.deep = deep, .until_us = clock_mono_us () + wait_ms * US_PER_MS};
    if (cgroup_self (&s.self, NULL) == 0)
        look_in (&s, fd, path, 0);
    return s.removed;
}

unsigned sweep_own (const struct cgroup *g)
{
    return sweep (g->own_fd, ".", false, WAIT_OWN_MS);
}

unsigned sweep_everywhere (void)
{
    char path[PATH_MAX];
    return cgroup_mount (path, NULL) ? 0 : sweep (AT_FDCWD, path, true, WAIT_EVERYWHERE_MS);
}
