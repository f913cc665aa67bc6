#include "worker/exec/program.h"

#include <errno.h>
#include <string.h>

#include "common/model/template.h"

#define LINE_MAX_BYTES (2u << 20) /* the kernel takes 128 KiB for one argument */
#define DIRECT_WORDS 4096

void program_init (struct program *p)
{
    *p = (struct program){0};
    buf_init (&p->line, LINE_MAX_BYTES);
    directexec_init (&p->direct, DIRECT_WORDS, LINE_MAX_BYTES);
}

void program_fini (struct program *p)
{
    buf_fini (&p->line);
    directexec_fini (&p->direct);
}

static void add (struct spawn_plan *plan, const char *word, char *const *argv, bool script)
{
    plan->program[plan->programs++] = (struct spawn_program){word, argv, script};
}

static int make_line (struct program *p, const struct spec *spec, const struct bytes *values,
                      size_t count, uint64_t row, uint64_t slot, struct err *e)
{
    buf_clear (&p->line);
    if (template_expand (spec->line, values, count, row + 1, (unsigned)slot, &p->line))
        return err_set (e, E2BIG, "the command line is longer than %u bytes", LINE_MAX_BYTES);
    if (p->line.len && memchr (p->line.bytes, 0, p->line.len))
        return err_set (e, EINVAL, "the command line holds a NUL byte");
    if (buf_putc (&p->line, '\0'))
        return err_set (e, E2BIG, "the command line is longer than %u bytes", LINE_MAX_BYTES);
    return 0;
}

int program_make (struct program *p, const struct spec *spec, const struct bytes *values,
                  size_t count, uint64_t row, uint64_t slot, struct spawn_plan *plan, struct err *e)
{
    plan->programs = 0;
    plan->path = environ_get (spec->env, "PATH");
    if (spec->w.m.spec.form == FORM_ARGV) {
        add (plan, spec->argv[0], spec->argv, true);
        return 0;
    }
    if (make_line (p, spec, values, count, row, slot, e))
        return -1;
    if (spec->direct && directexec_split (&p->direct, bytes_of (p->line.bytes, p->line.len - 1)))
        add (plan, p->direct.argv[0], p->direct.argv, false);
    p->shell_argv[0] = spec->shell;
    p->shell_argv[1] = (char *)(uintptr_t) "-c";
    p->shell_argv[2] = (char *)p->line.bytes;
    add (plan, spec->shell, p->shell_argv, false);
    return 0;
}
