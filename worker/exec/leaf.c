#include "worker/exec/leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

static void close_dir (struct leaf *l)
{
    if (l->fd >= 0)
        close (l->fd);
    l->fd = -1;
}

static int make (struct leaf *l, struct err *e)
{
    int own_fd = l->cgroup->own_fd;
    if (cgroup_remove (own_fd, l->path))
        return err_sys (e, errno, "cannot remove the cgroup of the last task");
    if (mkdirat (own_fd, l->path, 0755))
        return err_sys (e, errno, "cannot make a cgroup for the task");
    l->fd = openat (own_fd, l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->fd < 0)
        return err_sys (e, errno, "cannot open the cgroup of the task");
    return 0;
}

/* Tasks go on under the subreaper alone. */
static void give_up (struct leaf *l, const char *why)
{
    log_event (LOG_WARN, "tasks go on without a cgroup error=\"%s\"", why);
    close_dir (l);
    cgroup_remove (l->cgroup->own_fd, l->path);
    l->cgroup = NULL;
}

void leaf_init (struct leaf *l, const struct cgroup *cgroup, uint32_t executor)
{
    *l = (struct leaf){.cgroup = cgroup, .fd = -1};
    if (!cgroup)
        return;
    cgroup_leaf_path (cgroup, executor, l->path);
    make (l, NULL);
}

void leaf_fini (struct leaf *l)
{
    close_dir (l);
    if (l->cgroup)
        cgroup_remove (l->cgroup->own_fd, l->path);
    l->cgroup = NULL;
}

int leaf_ready (struct leaf *l, struct err *e)
{
    struct err why;
    if (!l->cgroup || (l->fd >= 0 && !l->used_up))
        return 0;
    close_dir (l);
    l->used_up = false;
    if (make (l, &why) == 0)
        return 0;
    if (l->cgroup->required)
        return err_set (e, why.code, "%s", why.text);
    give_up (l, why.text);
    return 0;
}

bool leaf_lost (struct leaf *l, int code)
{
    if (!l->cgroup || (l->lost && l->cgroup->required))
        return false;
    if (l->lost)
        give_up (l, strerror (code));
    l->used_up = l->lost = true;
    return true;
}

void leaf_kill (struct leaf *l)
{
    if (l->fd < 0)
        return;
    cgroup_kill (l->cgroup->own_fd, l->path);
    l->used_up = true;
}

bool leaf_populated (const struct leaf *l)
{
    return l->fd >= 0 && cgroup_populated (l->cgroup->own_fd, l->path);
}
