#include "client/lib/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/command.h"
#include "client/lib/fault.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"
#include "common/wire/template_wire.h"

#define GRACE_MS 5000

/* Left out of the environment of tasks: what belongs to one process (the descriptor numbers and
 * sockets of service managers, the last command of a shell), what would be loaded into programs of
 * other hosts, what drover sets for each task, and secrets. */
static const char *const EXCLUDED[] = {
    "_",
    "LD_PRELOAD",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "PARALLEL_SEQ",
    "PARALLEL_JOBSLOT",
    "PARALLEL_PID",
    "DROVER_BATCH",
    "DROVER_TASK",
    "DROVER_INDEX",
    "DROVER_ATTEMPT",
    "DROVER_SLOT",
    "DROVER_DEADLINE",
    "DROVER_CANCEL_FD",
    "DROVER_SECRET*",
    NULL,
};

static drover_spec_t *spec_new (enum wire_form form)
{
    drover_spec_t *s = mem_zalloc (sizeof *s);
    s->m.form = form;
    s->m.cpus = 1;
    s->m.grace_ms = GRACE_MS;
    s->m.umask = 022;
    return s;
}

/* The present umask without setting it: all threads share it. It is on one line of a file that is
 * always there on Linux; where it is not, the usual mask is as good a guess as any. */
static unsigned present_umask (void)
{
    char line[200];
    unsigned mask = 022;
    FILE *f = fopen ("/proc/thread-self/status", "re");
    if (!f)
        return mask;
    while (fgets (line, sizeof line, f))
        if (sscanf (line, "Umask: %o", &mask) == 1)
            break;
    fclose (f);
    return mask & 0777;
}

static void take_buf (drover_spec_t *s, struct slice *to, struct buf *from)
{
    slice_fini (to);
    if (from->failed)
        s->failed = true;
    else
        *to = buf_take_slice (from);
    if (!to->ptr)
        s->failed = true;
    buf_fini (from);
}

drover_spec_t *drover_spec_new_shell (const drover_command_t *c)
{
    struct buf b;
    drover_spec_t *s = spec_new (FORM_SHELL);
    s->m.umask = present_umask ();
    buf_init (&b, WIRE_FRAME_MAX);
    template_pack (c->t, &b);
    take_buf (s, &s->command, &b);
    s->of_stage = c->of_stage;
    s->takes_output = c->of_stage && template_takes_output (c->t);
    s->takes_item = c->of_stage && template_takes_item (c->t);
    return s;
}

static size_t count_strings (const char *const *strings)
{
    size_t count = 0;
    while (strings[count])
        count++;
    return count;
}

drover_spec_t *drover_spec_new_argv (const char *const *argv)
{
    struct buf b;
    drover_spec_t *s = spec_new (FORM_ARGV);
    s->m.umask = present_umask ();
    size_t count = count_strings (argv);
    buf_init (&b, WIRE_FRAME_MAX);
    row_begin (&b, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        row_value (&b, bytes_str (argv[i]));
    if (count == 0 || count > ROW_VALUES_MAX)
        s->failed = true;
    take_buf (s, &s->command, &b);
    return s;
}

drover_spec_t *drover_spec_new_function (const char *name)
{
    drover_spec_t *s = spec_new (FORM_FUNCTION);
    s->command = slice_of_take (blob_copy (name, strlen (name)));
    if (!s->command.ptr)
        s->failed = true;
    return s;
}

struct drover_spec *spec_copy (const struct drover_spec *s)
{
    struct drover_spec *copy = mem_zalloc (sizeof *copy);
    *copy = *s;
    copy->dir = copy->shell = NULL;
    drover_spec_dir (copy, s->dir);
    drover_spec_shell (copy, s->shell);
    copy->command = slice_keep (&s->command);
    copy->environment = slice_keep (&s->environment);
    return copy;
}

void drover_spec_free (drover_spec_t **s)
{
    if (!*s)
        return;
    slice_fini (&(*s)->command);
    slice_fini (&(*s)->environment);
    free ((*s)->dir);
    free ((*s)->shell);
    free (*s);
    *s = NULL;
}

void drover_spec_dir (drover_spec_t *s, const char *dir)
{
    free (s->dir);
    s->dir = dir ? mem_strdup (dir) : NULL;
    s->m.dir = bytes_str (s->dir);
}

void drover_spec_shell (drover_spec_t *s, const char *shell)
{
    free (s->shell);
    s->shell = shell ? mem_strdup (shell) : NULL;
    s->m.shell = bytes_str (s->shell);
}

void drover_spec_cpus (drover_spec_t *s, unsigned slots)
{
    s->m.cpus = slots;
}

void drover_spec_timeout (drover_spec_t *s, uint64_t timeout_ms)
{
    s->m.timeout_ms = timeout_ms;
}

void drover_spec_grace (drover_spec_t *s, uint64_t grace_ms)
{
    s->m.grace_ms = grace_ms;
}

void drover_spec_steps (drover_spec_t *s, int steps)
{
    s->m.steps = (uint64_t)steps;
}

void drover_spec_umask (drover_spec_t *s, unsigned mask)
{
    s->m.umask = mask & 0777;
}

void drover_spec_flags (drover_spec_t *s, unsigned flags)
{
    s->m.flags |= flags;
}

void drover_spec_keep (drover_spec_t *s, uint64_t max_bytes)
{
    s->m.keep_bytes = max_bytes;
}

static bool excluded (const char *variable)
{
    size_t len = strcspn (variable, "=");
    if (variable[len] != '=' || len == 0)
        return true; /* no variable at all */
    for (const char *const *x = EXCLUDED; *x; x++) {
        size_t n = strlen (*x);
        if ((*x)[n - 1] == '*' ? len >= n - 1 && strncmp (variable, *x, n - 1) == 0
                               : len == n && strncmp (variable, *x, n) == 0)
            return true;
    }
    return false;
}

int drover_spec_environment (drover_spec_t *s, char *const *environment, drover_error_t *e)
{
    struct buf b;
    uint32_t count = 0;
    for (char *const *v = environment; *v; v++)
        count += !excluded (*v);
    if (count > ROW_VALUES_MAX)
        return fault_set (e, DROVER_ETOOBIG, "the environment has %u variables, the limit is %d",
                          count, ROW_VALUES_MAX);
    buf_init (&b, WIRE_FRAME_MAX);
    row_begin (&b, count);
    for (char *const *v = environment; *v; v++)
        if (!excluded (*v))
            row_value (&b, bytes_str (*v));
    if (b.failed) {
        buf_fini (&b);
        return fault_set (e, DROVER_ETOOBIG, "the environment is larger than %u bytes",
                          WIRE_FRAME_MAX);
    }
    take_buf (s, &s->environment, &b);
    return 0;
}

const char *const *drover_environment_excluded (void)
{
    return EXCLUDED;
}
