/* All of the client's strings lie in one block of memory, behind one another. The vector's first
 * entries point there and never change; the last point to small buffers, rewritten for each task.
 */
#include "worker/exec/environ.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/wire/rows.h"

#define OWN_MAX 10
#define OWN_BYTES 72

struct environ {
    char *text;  /* the client's strings */
    char *pwd;   /* PWD=..., where it had to be made */
    char **vars; /* NULL behind the last */
    size_t sent; /* how many of them are the client's, or PWD */
    size_t own;  /* how many of own[] are used */
    char own_text[OWN_MAX][OWN_BYTES];
};

/* What environ_for() sets, and what a task must not inherit from another drover's task. */
static const char *const own_names[] = {
    "DROVER_BATCH",    "DROVER_TASK",  "DROVER_INDEX",     "DROVER_ATTEMPT",   "DROVER_SLOT",
    "DROVER_DEADLINE", "PARALLEL_SEQ", "PARALLEL_JOBSLOT", "DROVER_CANCEL_FD", "PARALLEL_PID",
};

static bool name_is (struct bytes name, const char *text)
{
    return bytes_equal (name, bytes_str (text));
}

static bool wanted (struct bytes var, struct bytes name)
{
    if (memchr (var.ptr, 0, var.len) || name.len == 0)
        return false;
    for (size_t i = 0; i < sizeof own_names / sizeof *own_names; i++)
        if (name_is (name, own_names[i]))
            return false;
    bool ours = name.len > 7 && memcmp (name.ptr, "DROVER_", 7) == 0;
    return !(ours && memmem (name.ptr, name.len, "SECRET", 6));
}

static void take_var (struct environ *env, struct bytes var, char **at)
{
    const uint8_t *equals = var.len ? memchr (var.ptr, '=', var.len) : NULL;
    if (!equals || !wanted (var, bytes_of (var.ptr, (size_t)(equals - var.ptr))))
        return;
    memcpy (*at, var.ptr, var.len);
    (*at)[var.len] = 0;
    env->vars[env->sent++] = *at;
    *at += var.len + 1;
}

static bool same_place (const char *a, const char *b)
{
    struct stat sa, sb;
    return stat (a, &sa) == 0 && stat (b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static void set_pwd (struct environ *env, const char *dir)
{
    const char *old = environ_get (env, "PWD");
    if (!*dir || (old && *old == '/' && same_place (old, dir)))
        return;
    env->pwd = mem_printf ("PWD=%s", dir);
    size_t i = 0;
    while (i < env->sent && strncmp (env->vars[i], "PWD=", 4) != 0)
        i++;
    env->vars[i] = env->pwd;
    if (i == env->sent)
        env->sent++;
}

struct environ *environ_new (struct bytes row, const char *dir, struct err *e)
{
    size_t at = 0;
    int64_t count = row.len ? row_read (row, &at, NULL, 0) : 0;
    struct bytes *values = NULL;
    struct environ *env = mem_zalloc (sizeof *env);
    if (count < 0) {
        err_set (e, EBADMSG, "the environment is no list of variables");
        goto fail;
    }
    values = calloc ((size_t)count + 1, sizeof *values);
    env->vars = calloc ((size_t)count + 2 + OWN_MAX, sizeof *env->vars); /* PWD, and the NULL */
    env->text = malloc (row.len + (size_t)count + 1);
    if (!values || !env->vars || !env->text) {
        err_set (e, ENOMEM, "no memory for an environment of %zu bytes", row.len);
        goto fail;
    }
    at = 0;
    if (count)
        row_read (row, &at, values, (size_t)count);
    char *text = env->text;
    for (int64_t i = 0; i < count; i++)
        take_var (env, values[i], &text);
    set_pwd (env, dir);
    free (values);
    return env;
fail:
    free (values);
    environ_free (&env);
    return NULL;
}

void environ_free (struct environ **env)
{
    if (*env) {
        free ((*env)->text);
        free ((*env)->pwd);
        free ((*env)->vars);
        free (*env);
    }
    *env = NULL;
}

const char *environ_get (const struct environ *env, const char *name)
{
    size_t len = strlen (name);
    for (size_t i = 0; i < env->sent; i++)
        if (strncmp (env->vars[i], name, len) == 0 && env->vars[i][len] == '=')
            return env->vars[i] + len + 1;
    return NULL;
}

static void own_var (struct environ *env, const char *fmt, ...)
{
    va_list ap;
    va_start (ap, fmt);
    vsnprintf (env->own_text[env->own], OWN_BYTES, fmt, ap);
    va_end (ap);
    env->vars[env->sent + env->own] = env->own_text[env->own];
    env->own++;
}

char *const *environ_for (struct environ *env, const struct environ_task *t)
{
    env->own = 0;
    own_var (env, "DROVER_BATCH=%" PRIu64, t->batch);
    own_var (env, "DROVER_TASK=%" PRIu64 ".%" PRIu64, t->batch, t->row + 1);
    own_var (env, "DROVER_INDEX=%" PRIu64, t->row + 1);
    own_var (env, "DROVER_ATTEMPT=%" PRIu64, t->attempt);
    own_var (env, "DROVER_SLOT=%" PRIu64, t->slot);
    if (t->deadline_us)
        own_var (env, "DROVER_DEADLINE=%" PRId64 ".%06d", t->deadline_us / US_PER_S,
                 (int)(t->deadline_us % US_PER_S));
    if (t->cancel_fd)
        own_var (env, "DROVER_CANCEL_FD=%d", t->cancel_fd);
    own_var (env, "PARALLEL_SEQ=%" PRIu64, t->row + 1);
    own_var (env, "PARALLEL_JOBSLOT=%" PRIu64, t->slot);
    own_var (env, "PARALLEL_PID=%d", (int)t->parent);
    env->vars[env->sent + env->own] = NULL;
    return env->vars;
}
