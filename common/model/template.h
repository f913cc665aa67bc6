/* template: a command with replacement strings, compiled once, expanded for every task.
 *
 * The client compiles what the user wrote: option -I, names of columns, -q, the appended {} are all
 * resolved there. What is left is a list of parts, literal text or references to values, that the
 * worker puts together into one line for the job shell without looking for anything.
 *
 * A template is a value: its parts are open to the codec (common/wire/template_wire.h). Every
 * template that exists has passed template_check(), so that expanding needs no checks.
 */
#ifndef DROVER_MODEL_TEMPLATE_H
#define DROVER_MODEL_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

#define TEMPLATE_TEXT_MAX (128 * 1024) /* bytes of literal text */
#define TEMPLATE_PARTS_MAX 4096

/* What a part stands for. The numbers are on the wire: they keep their meaning. */
enum template_op {
    TEMPLATE_TEXT = 0,  /* the next `number` bytes of the text */
    TEMPLATE_ALL = 1,   /* all values, joined by a space; in a repeated word: its present value */
    TEMPLATE_FIRST = 2, /* value `number`, counted from 1; nothing where there is none */
    TEMPLATE_LAST = 3,  /* value `number`, counted from the last, which is 1 */
    TEMPLATE_SEQ = 4,   /* the job number */
    TEMPLATE_SLOT = 5,  /* the slot number */
    TEMPLATE_REPEAT = 6 /* the next `number` parts once for each value, with spaces between */
};

/* Which part of a value is meant. */
enum template_modifier {
    TEMPLATE_WHOLE = 0,    /* {} */
    TEMPLATE_NO_EXT = 1,   /* {.} */
    TEMPLATE_BASE = 2,     /* {/} */
    TEMPLATE_DIR = 3,      /* {//} */
    TEMPLATE_BASE_STEM = 4 /* {/.} */
};

/* How it is written. */
enum template_quoting {
    TEMPLATE_AS_IS = 0,
    TEMPLATE_WORD = 1,   /* quoted for the shell where needed */
    TEMPLATE_COMMAND = 2 /* likewise, where a command is expected: reserved words, too */
};

struct template_part {
    uint8_t op;
    uint8_t modifier; /* of ALL, FIRST, LAST; else 0 */
    uint8_t quoting;  /* likewise */
    uint32_t number;  /* of TEXT, FIRST, LAST, REPEAT; else 0 */
};

struct template
{
    struct template_part *parts;
    size_t count;
    uint8_t *text; /* of all TEXT parts, one behind the other */
    size_t text_len;
};

enum template_flag {
    TEMPLATE_QUOTE_WORDS = 1, /* -q: each word stays one word, nothing in it is live */
    TEMPLATE_NO_APPEND = 2,   /* do not append {} where the words hold no replacement string */
    TEMPLATE_RAW = 4,         /* values are never quoted (tags, names of files) */
    TEMPLATE_SPREAD = 8,      /* a blank-separated word that holds {} is repeated for each value */
    TEMPLATE_STAGE = 16       /* of a later stage of a pipeline: see below */
};

/* A row of a later stage is the number of its item, the output of the stage before, and the item's
 * own values. So with TEMPLATE_STAGE {} {.} ... are of value 2, {n} is value n + 2 and {#} value 1,
 * and {} is not appended. */
#define TEMPLATE_STAGE_OUTPUT 2
#define TEMPLATE_STAGE_VALUES 2 /* in front of the item's own */

/* What the user wrote. Everything is borrowed for the call. */
struct template_source {
    const char *const *words; /* NULL behind the last; NULL or none: the values are the commands */
    const char *replace;      /* stands for all values in place of {}; NULL: {} */
    const char *const
        *names;     /* names[i] is {names[i]}, value i + 1; NULL behind the last, or NULL */
    unsigned flags; /* enum template_flag */
};

/* Compile a source. For template_free(). NULL with an error: too long, too many parts, an empty
 * `replace`. */
struct template *template_compile (const struct template_source *source, struct err *e);

/* Make a template of parts that came from elsewhere: checked, and copied. NULL with an error. */
struct template *template_new (const struct template_part *parts, size_t count, struct bytes text,
                               struct err *e);

void template_free (struct template **t);

/* Of one with TEMPLATE_STAGE: does it hold {} or a part of it? And does it hold a value of the item
 * itself? */
bool template_takes_output (const struct template *t);
bool template_takes_item (const struct template *t);

/* Append the text for these values: `seq` is the job number and `slot` the slot number, both from
 * 1. 0, or -1 with out->failed set, where the limit of `out` is reached or memory is out. */
int template_expand (const struct template *t, const struct bytes *values, size_t count,
                     uint64_t seq, unsigned slot, struct buf *out);

#endif
