#include "client/cli/batch_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/show.h"
#include "common/base/mem.h"

/* Fields made by batch_table_add(). */
#define NOT_OK "not_ok"
#define STATE "shown_state"

static const struct show_column columns[] = {
    {"id", "BATCH"},     {"name", "NAME"},       {STATE, "STATE"},
    {"total", "TASKS"},  {"waiting", "WAITING"}, {"running", "RUNNING"},
    {"done", "DONE"},    {NOT_OK, "FAILED"},     {"cancelled", "CANCELLED"},
    {"lost", "LOST"},    {"parked", "PARKED"},   {"opened_ms", "AGE"},
    {"client", "CLIENT"}};

#define COLUMNS (sizeof columns / sizeof *columns)

void batch_table_init (struct table *t)
{
    table_init (t, COLUMNS);
    show_headings (t, columns, COLUMNS);
}

/* The state; of one that waits for others, for which. */
static drover_bytes_t state_of (const drover_pair_t *pairs, size_t count, char *text, size_t size)
{
    drover_bytes_t after = drover_pair_find (pairs, count, "after");

    if (after.len == 0)
        return drover_pair_find (pairs, count, "state");
    snprintf (text, size, "after %.*s", (int)after.len, (const char *)after.ptr);
    return (drover_bytes_t){text, strlen (text)};
}

/* What failed, however it did, is one column; what was cancelled, lost or parked are others. */
void batch_table_add (struct table *t, const drover_pair_t *pairs, size_t count)
{
    static const char *const bad[] = {"failed", "timeout", "skipped"};
    drover_pair_t *more = mem_resize (NULL, count + 2, sizeof *more);
    uint64_t not_ok = 0;
    char digits[24];
    char state[60];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        not_ok += drover_pair_number (pairs, count, bad[i], 0);
    snprintf (digits, sizeof digits, "%" PRIu64, not_ok);
    memcpy (more, pairs, count * sizeof *more);
    more[count] = (drover_pair_t){{NOT_OK, strlen (NOT_OK)}, {digits, strlen (digits)}};
    more[count + 1] =
        (drover_pair_t){{STATE, strlen (STATE)}, state_of (pairs, count, state, sizeof state)};
    show_row (t, columns, COLUMNS, more, count + 2);
    free (more);
}
