#include "worker/exec/start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/exec/spawn.h"

enum { CANNOT_START = 125, CANNOT_RUN = 126, NOT_FOUND = 127 };

void starter_init (struct starter *s, pid_t parent, struct leaf *leaf)
{
    s->null_fd = -1;
    s->parent = parent;
    s->leaf = leaf;
    program_init (&s->program);
}

static void close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

void starter_fini (struct starter *s)
{
    program_fini (&s->program);
    close_fd (&s->null_fd);
}

/* --- descriptors ------------------------------------------------------------------------------ */

struct ends {
    int in, out, err; /* the task's */
};

static int open_pipe (int *reading, int *writing, struct err *e)
{
    int fd[2];
    if (pipe2 (fd, O_CLOEXEC))
        return err_sys (e, errno, "cannot make a pipe for the task");
    *reading = fd[0];
    *writing = fd[1];
    return 0;
}

/* A file in memory with the value, so that the task may read it or not, and seek in it. */
static int open_value (struct bytes value, struct err *e)
{
    int fd = memfd_create ("drover-input", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys (e, errno, "cannot make the task's stdin");
    while (value.len) {
        ssize_t n = write (fd, value.ptr, value.len);
        if (n <= 0) {
            err_sys (e, errno, "cannot fill the task's stdin");
            close (fd);
            return -1;
        }
        value = bytes_of (value.ptr + n, value.len - (size_t)n);
    }
    lseek (fd, 0, SEEK_SET);
    return fd;
}

static int open_input (struct starter *s, uint64_t flags, const struct values *values,
                       struct ends *theirs, struct started *t, struct err *e)
{
    if (flags & SPEC_LIVE_INPUT)
        return open_pipe (&theirs->in, &t->in, e);
    if (flags & SPEC_ROW_INPUT && values->count) {
        theirs->in = open_value (values->v[values->count - 1], e);
        return theirs->in < 0 ? -1 : 0;
    }
    if (s->null_fd < 0)
        s->null_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    if (s->null_fd < 0)
        return err_sys (e, errno, "cannot open /dev/null");
    theirs->in = s->null_fd;
    return 0;
}

static int open_cancel (uint64_t flags, struct started *t, struct err *e)
{
    return flags & SPEC_CANCEL_FD ? open_pipe (&t->cancel[0], &t->cancel[1], e) : 0;
}

static int open_ends (struct starter *s, uint64_t flags, const struct values *values,
                      struct ends *theirs, struct started *t, struct err *e)
{
    if (open_input (s, flags, values, theirs, t, e) || open_pipe (&t->out, &theirs->out, e) ||
        open_cancel (flags, t, e))
        return -1;
    if (flags & SPEC_MERGE_STDERR) {
        theirs->err = theirs->out;
        return 0;
    }
    return open_pipe (&t->err, &theirs->err, e);
}

/* The task has its own copies now, or there is no task. */
static void release_ends (const struct starter *s, struct ends *theirs, struct started *t)
{
    if (theirs->in != s->null_fd)
        close_fd (&theirs->in);
    t->held[0] = theirs->out;
    t->held[1] = theirs->err != theirs->out ? theirs->err : -1;
}

/* --- the process ------------------------------------------------------------------------------ */

/* The kernel takes so many bytes for one argument, its end included; MAX_ARG_STRLEN. */
enum { ARGUMENT_MAX = 131072 };

static void explain_too_big (const struct spawn_program *p, struct err *e)
{
    for (char *const *arg = p->argv; *arg; arg++) {
        size_t len = strlen (*arg);
        if (len >= ARGUMENT_MAX) {
            err_set (e, E2BIG, "cannot run %s: an argument has %zu bytes, the system takes %d",
                     p->word, len, ARGUMENT_MAX - 1);
            return;
        }
    }
    err_set (e, E2BIG, "cannot run %s: its arguments and environment are too long together",
             p->word);
}

static unsigned explain (const struct spawn_plan *plan, const struct spawn_fault *fault,
                         struct err *e)
{
    const char *word = plan->program[plan->programs - 1].word;
    switch (fault->step) {
    case SPAWN_DIR:
        err_sys (e, fault->code, "cannot enter %s", plan->dir);
        return CANNOT_START;
    case SPAWN_CGROUP:
        err_sys (e, fault->code, "cannot make a cgroup for the task");
        return CANNOT_START;
    case SPAWN_EXEC:
        if (fault->code == E2BIG)
            explain_too_big (&plan->program[plan->programs - 1], e);
        else
            err_sys (e, fault->code, "cannot run %s", word);
        return fault->code == ENOENT || fault->code == ENOTDIR ? NOT_FOUND : CANNOT_RUN;
    default:
        err_sys (e, fault->code, "cannot start a process");
        return CANNOT_START;
    }
}

/* Into the leaf; into a new one where the kernel does not know this one any more. */
static pid_t spawn_in_leaf (struct leaf *leaf, struct spawn_plan *plan, struct spawn_fault *fault)
{
    struct err e;
    pid_t pid;
    for (;;) {
        if (leaf_ready (leaf, &e)) {
            *fault = (struct spawn_fault){SPAWN_CGROUP, e.code};
            return -1;
        }
        plan->cgroup = leaf->fd;
        pid = spawn (plan, fault);
        bool no_room = fault->code == EAGAIN || fault->code == ENOMEM;
        if (pid >= 0 || fault->step != SPAWN_FORK || no_room || !leaf_lost (leaf, fault->code))
            return pid;
    }
}

int start_task (struct starter *s, struct spec *spec, const struct start_row *row,
                struct started *t, struct err *e)
{
    uint64_t flags = spec->w.m.spec.flags;
    struct ends theirs = {-1, -1, -1};
    struct spawn_plan plan = {
        .dir = spec->dir, .umask = (mode_t)spec->w.m.spec.umask, .cancel = -1, .cgroup = -1};
    struct spawn_fault fault;
    size_t count = row->values->count;
    int cancel_fd = flags & SPEC_CANCEL_FD ? SPAWN_CANCEL_FD : 0;
    *t = (struct started){
        .pid = -1, .in = -1, .out = -1, .err = -1, .cancel = {-1, -1}, .status = CANNOT_START};
    if (flags & SPEC_ROW_INPUT && count)
        count--;
    if (program_make (&s->program, spec, row->values->v, count, row->row, row->slot, &plan, e))
        t->status = CANNOT_RUN;
    else if (!open_ends (s, flags, row->values, &theirs, t, e)) {
        plan.in = theirs.in;
        plan.out = theirs.out;
        plan.err = theirs.err;
        plan.cancel = t->cancel[0];
        plan.envp = environ_for (spec->env, &(struct environ_task){.batch = row->batch,
                                                                   .row = row->row,
                                                                   .attempt = row->attempt,
                                                                   .slot = row->slot,
                                                                   .deadline_us = row->deadline_us,
                                                                   .parent = s->parent,
                                                                   .cancel_fd = cancel_fd});
        t->pid = flags & SPEC_LEAVE_CHILDREN ? spawn (&plan, &fault)
                                             : spawn_in_leaf (s->leaf, &plan, &fault);
        if (t->pid < 0)
            t->status = explain (&plan, &fault, e);
    }
    release_ends (s, &theirs, t);
    if (t->pid >= 0)
        return 0;
    close_fd (&t->in);
    close_fd (&t->out);
    close_fd (&t->err);
    close_fd (&t->held[0]);
    close_fd (&t->held[1]);
    close_fd (&t->cancel[0]);
    close_fd (&t->cancel[1]);
    return -1;
}
