/* What a spec needs is made when it comes, not row by row. One that cannot be made stays in the
 * table with the reason, which every row of it gets as its outcome.
 */
#include "worker/exec/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/model/directexec.h"
#include "common/model/template.h"
#include "common/wire/rows.h"
#include "common/wire/template_wire.h"

struct key {
    uint64_t batch;
    uint64_t number;
};

struct entry {
    struct key key;
    struct spec spec;
    UT_hash_handle hh;
};

struct specs {
    struct entry *table;
};

struct specs *specs_new (void)
{
    return mem_zalloc (sizeof (struct specs));
}

static void drop (struct specs *s, struct entry *it)
{
    HASH_DEL (s->table, it);
    free (it->spec.dir);
    free (it->spec.shell);
    free (it->spec.argv);
    environ_free (&it->spec.env);
    template_free (&it->spec.line);
    wire_fini (&it->spec.w);
    free (it);
}

void specs_free (struct specs **s)
{
    struct entry *it, *next;
    if (*s) {
        HASH_ITER (hh, (*s)->table, it, next)
            drop (*s, it);
        free (*s);
    }
    *s = NULL;
}

static struct entry *find (struct specs *s, uint64_t batch, uint64_t number)
{
    struct key key = {batch, number};
    struct entry *it;
    HASH_FIND (hh, s->table, &key, sizeof key, it);
    return it;
}

struct spec *specs_get (struct specs *s, uint64_t batch, uint64_t number)
{
    struct entry *it = find (s, batch, number);
    return it ? &it->spec : NULL;
}

void specs_forget (struct specs *s, uint64_t batch)
{
    struct entry *it, *next;
    HASH_ITER (hh, s->table, it, next)
        if (it->key.batch == batch)
            drop (s, it);
}

/* --- making ----------------------------------------------------------------------------------- */

/* A C string of bytes, NULL when they hold a NUL. */
static char *text_of (struct bytes b, const char *when_empty)
{
    if (!b.len)
        return mem_strdup (when_empty);
    return memchr (b.ptr, 0, b.len) ? NULL : mem_strndup ((const char *)b.ptr, b.len);
}

/* The vector and its strings in one block. */
static char **argv_of (struct bytes row, struct err *e)
{
    size_t at = 0;
    int64_t count = row_read (row, &at, NULL, 0);
    if (count < 1) {
        err_set (e, EBADMSG, "the command is no list of words");
        return NULL;
    }
    size_t n = (size_t)count;
    struct bytes *words = calloc (n, sizeof *words);
    char **argv = malloc ((n + 1) * sizeof *argv + row.len + n);
    if (!words || !argv) {
        err_set (e, ENOMEM, "no memory for a command of %zu words", n);
        goto fail;
    }
    char *text = (char *)(argv + n + 1);
    at = 0;
    row_read (row, &at, words, n);
    for (size_t i = 0; i < n; i++) {
        if (words[i].len && memchr (words[i].ptr, 0, words[i].len)) {
            err_set (e, EINVAL, "word %zu of the command holds a NUL byte", i);
            goto fail;
        }
        argv[i] = text;
        if (words[i].len)
            memcpy (text, words[i].ptr, words[i].len);
        text[words[i].len] = 0;
        text += words[i].len + 1;
    }
    argv[n] = NULL;
    free (words);
    return argv;
fail:
    free (words);
    free (argv);
    return NULL;
}

static int make_function (struct spec *spec, struct bytes body, struct err *e)
{
    if (!body.len)
        return err_set (e, EBADMSG, "the function has no name");
    spec->function = body;
    return 0;
}

static int make_command (struct spec *spec, struct bytes body, struct err *e)
{
    const struct environ_task any = {0};
    spec->env = environ_new (bytes_of (spec->w.body[1].ptr, spec->w.body[1].len), spec->dir, e);
    if (!spec->env)
        return -1;
    if (spec->w.m.spec.form == FORM_ARGV) {
        spec->argv = argv_of (body, e);
        return spec->argv ? 0 : -1;
    }
    spec->line = template_unpack (body, e);
    spec->direct = environ_get (spec->env, "PATH") &&
                   directexec_shell (spec->shell, environ_for (spec->env, &any));
    return spec->line ? 0 : -1;
}

static int make (struct spec *spec, struct err *e)
{
    struct bytes body = bytes_of (spec->w.body[0].ptr, spec->w.body[0].len);
    spec->dir = text_of (spec->w.m.spec.dir, "");
    spec->shell = text_of (spec->w.m.spec.shell, "/bin/sh");
    if (!spec->dir || !spec->shell)
        return err_set (e, EINVAL, "the directory or the shell holds a NUL byte");
    return spec->w.m.spec.form == FORM_FUNCTION ? make_function (spec, body, e)
                                                : make_command (spec, body, e);
}

void specs_put_take (struct specs *s, struct wire *w)
{
    struct key key = {w->m.spec.batch, w->m.spec.spec};
    struct entry *it = find (s, key.batch, key.number);
    if (it)
        drop (s, it);
    it = mem_zalloc (sizeof *it);
    it->key = key;
    it->spec.w = *w;
    *w = (struct wire){0};
    if (make (&it->spec, &it->spec.broken) && !it->spec.broken.code)
        it->spec.broken.code = EINVAL;
    HASH_ADD (hh, s->table, key, sizeof it->key, it);
}
