#include "client/lib/command.h"

#include <stdlib.h>

#include "client/lib/fault.h"
#include "common/base/mem.h"

#define LINE_MAX_BYTES ((size_t)64 << 20) /* of an expansion: more than any row can make useful */
#define FEW 16                            /* values that are converted without an allocation */

/* The flags and sources of both sides are the same, number for number. */
_Static_assert((int)DROVER_COMMAND_QUOTE == (int)TEMPLATE_QUOTE_WORDS, "flags");
_Static_assert((int)DROVER_COMMAND_NO_APPEND == (int)TEMPLATE_NO_APPEND, "flags");
_Static_assert((int)DROVER_COMMAND_RAW == (int)TEMPLATE_RAW, "flags");
_Static_assert((int)DROVER_COMMAND_SPREAD == (int)TEMPLATE_SPREAD, "flags");
_Static_assert((int)DROVER_COMMAND_STAGE == (int)TEMPLATE_STAGE, "flags");

drover_command_t *drover_command_new (const drover_command_options_t *options, drover_error_t *e)
{
    static const drover_command_options_t none;
    struct err why = {0};
    if (!options)
        options = &none;
    struct template_source source = {options->words, options->replace, options->names,
                                     options->flags};
    struct template *t = template_compile (&source, &why);
    if (!t) {
        fault_err (e, &why);
        return NULL;
    }
    drover_command_t *c = mem_zalloc (sizeof *c);
    c->t = t;
    c->of_stage = (options->flags & DROVER_COMMAND_STAGE) != 0;
    buf_init (&c->text, LINE_MAX_BYTES);
    return c;
}

void drover_command_free (drover_command_t **c)
{
    if (!*c)
        return;
    template_free (&(*c)->t);
    buf_fini (&(*c)->text);
    free (*c);
    *c = NULL;
}

int drover_command_expand (drover_command_t *c, const drover_bytes_t *values, size_t count,
                           uint64_t seq, unsigned slot, const char **text, size_t *len,
                           drover_error_t *e)
{
    struct bytes few[FEW];
    struct bytes *own = count > FEW ? calloc (count, sizeof *own) : few;
    if (!own)
        return fault_set (e, DROVER_ENOMEM, "no memory for %zu values", count);
    for (size_t i = 0; i < count; i++)
        own[i] = bytes_of (values[i].ptr, values[i].len);
    buf_clear (&c->text);
    int rc = template_expand (c->t, own, count, seq, slot, &c->text);
    if (own != few)
        free (own);
    if (rc != 0 || buf_putc (&c->text, '\0') != 0)
        return fault_set (e, DROVER_ETOOBIG,
                          "the command for these values is longer than %zu bytes", LINE_MAX_BYTES);
    *text = (const char *)c->text.bytes;
    *len = c->text.len - 1;
    return 0;
}
