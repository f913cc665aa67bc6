/* after: --after BATCH[:WHEN],..., what a batch is to run after. Pure. */
#ifndef DROVER_CLI_AFTER_H
#define DROVER_CLI_AFTER_H

#include <stdbool.h>

#include "client/drover.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

enum { AFTERS_MAX = 64 };

struct afters { /* zero is none */
    drover_after_t list[AFTERS_MAX];
    struct bytes names[AFTERS_MAX]; /* in place of a number: last, @name (selectors.h); or empty */
    size_t count;
};

/* One value of the option, behind those of before; names are borrowed from it. 0; -1 with words to
 * stand behind the option's name. */
int afters_parse (struct afters *a, const char *text, struct err *e);

/* One more: 0; -1 where there are AFTERS_MAX. */
int afters_add (struct afters *a, uint64_t batch, int when, struct err *e);

/* Whether batches are named, by what changes. `a` may be NULL. */
bool afters_have_names (const struct afters *a);

/* Set the fields of the batch that this is about; `a` has no names, and is borrowed by them. */
void afters_apply (const struct afters *a, drover_batch_options_t *o);

#endif
