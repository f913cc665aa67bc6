#include "worker/exec/family.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "worker/exec/tree.h"

#define CHILDREN_MAX 4096 /* looked at in one go */

struct member *family_add (struct family *f, pid_t pid, enum executor_kind kind)
{
    struct member *x = mem_zalloc (sizeof *x);
    x->pid = pid;
    x->number = ++f->last_number;
    x->kind = kind;
    HASH_ADD (hh, f->executors, pid, sizeof x->pid, x);
    return x;
}

struct member *family_find (const struct family *f, pid_t pid)
{
    struct member *x;
    HASH_FIND (hh, f->executors, &pid, sizeof pid, x);
    return x;
}

void family_remove (struct family *f, struct member *x)
{
    HASH_DEL (f->executors, x);
    control_unmap (&x->page);
    free (x);
}

void family_remove_all (struct family *f)
{
    struct member *x, *next;
    HASH_ITER (hh, f->executors, x, next)
        family_remove (f, x);
}

static bool is_spared (const struct family *f, pid_t pid)
{
    unsigned n = f->spared_count < FAMILY_SPARED ? f->spared_count : FAMILY_SPARED;
    pid_t session = n ? getsid (pid) : -1;
    for (unsigned i = 0; i < n; i++)
        if (f->spared[i].pid == pid || (session > 0 && f->spared[i].session == session))
            return true;
    return false;
}

static enum tree_verdict judge_leavings (pid_t pid, const void *arg)
{
    const struct family *f = arg;
    bool known = pid == f->agent || family_find (f, pid) || is_spared (f, pid);
    return known ? TREE_SKIP : TREE_TAKE;
}

static enum tree_verdict judge_all (pid_t pid, const void *arg)
{
    return is_spared (arg, pid) ? TREE_SKIP : TREE_TAKE;
}

void family_spare (struct family *f, pid_t pid)
{
    f->spared[f->spared_count++ % FAMILY_SPARED] = (struct spared){pid, getsid (pid)};
}

unsigned family_spare_leavings (struct family *f)
{
    pid_t pids[CHILDREN_MAX];
    unsigned n = tree_children (pids, CHILDREN_MAX), spared = 0;
    for (unsigned i = 0; i < n && i < CHILDREN_MAX; i++) {
        if (judge_leavings (pids[i], f) == TREE_SKIP)
            continue;
        family_spare (f, pids[i]);
        spared++;
    }
    return spared;
}

unsigned family_kill_leavings (const struct family *f)
{
    return tree_signal (SIGKILL, judge_leavings, f);
}

unsigned family_kill_all (const struct family *f)
{
    return tree_signal (SIGKILL, judge_all, f);
}
