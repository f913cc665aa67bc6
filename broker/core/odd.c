/* Odd rows: those that ran before, and what is remembered of that: the number of the next run, how
 * the last one ended, how many workers were lost meanwhile, and which workers it was with.
 *
 * A row like all others, which has not run or runs for the first time, costs nothing here.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

/* Workers that rows of the batch were with: each name once, and rows refer to it. */
enum { PAST_COMPACT = 16 }; /* workers: fewer are kept as they are */

struct past_worker {
    char *name;
    uint32_t number; /* place in batch.past_at */
    UT_hash_handle hh;
};

struct odd_row *odd_find (const struct batch *b, uint64_t row)
{
    struct odd_row *odd = NULL;
    if (b->odd)
        HASH_FIND (hh, b->odd, &row, sizeof row, odd);
    return odd;
}

unsigned odd_attempt (const struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    return odd ? odd->attempt : 1;
}

struct odd_row *odd_get (struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    if (odd)
        return odd;
    odd = mem_zalloc (sizeof *odd);
    odd->row = row;
    odd->batch = b;
    odd->attempt = 1;
    HASH_ADD (hh, b->odd, row, sizeof odd->row, odd);
    return odd;
}

void odd_drop (struct sched *s, struct batch *b, uint64_t row)
{
    struct odd_row *odd = odd_find (b, row);
    if (!odd)
        return;
    due_remove (s, odd);
    HASH_DEL (b->odd, odd);
    free (odd);
}

size_t odd_entries (const struct batch *b)
{
    return HASH_COUNT (b->odd) + HASH_COUNT (b->past);
}

void odd_forgive (struct odd_row *odd)
{
    odd->losses = odd->runs = 0;
    odd->n_past = 0;
}

static struct past_worker *past_find (const struct batch *b, const char *name)
{
    struct past_worker *p = NULL;
    if (b->past)
        HASH_FIND (hh, b->past, name, (unsigned)strlen (name), p);
    return p;
}

static void past_free (struct batch *b, struct past_worker *p)
{
    HASH_DEL (b->past, p);
    free (p->name);
    free (p);
}

/* Workers that no odd row remembers any more go, and the others get their numbers. */
static void past_compact (struct batch *b)
{
    uint32_t n = HASH_COUNT (b->past);
    uint32_t *to = mem_zalloc (n * sizeof *to); /* the new number, + 1 */
    uint32_t kept = 0;
    for (const struct odd_row *odd = b->odd; odd; odd = odd->hh.next)
        for (unsigned i = 0; i < odd->n_past; i++)
            to[odd->past[i]] = 1;
    for (uint32_t i = 0; i < n; i++) {
        struct past_worker *p = b->past_at[i];
        if (!to[i]) {
            past_free (b, p);
            continue;
        }
        p->number = kept++;
        b->past_at[p->number] = p;
        to[i] = kept;
    }
    for (struct odd_row *odd = b->odd; odd; odd = odd->hh.next)
        for (unsigned i = 0; i < odd->n_past; i++)
            odd->past[i] = to[odd->past[i]] - 1;
    free (to);
}

/* The table is looked through when it is to become greater: workers come and go for as long as a
 * batch is open, and each has a name of its own. */
static struct past_worker *past_get (struct batch *b, const char *name)
{
    struct past_worker *p = past_find (b, name);
    uint32_t n = HASH_COUNT (b->past);
    if (p)
        return p;
    if (n >= PAST_COMPACT && (n & (n - 1)) == 0)
        past_compact (b);
    p = mem_zalloc (sizeof *p);
    p->name = mem_strdup (name);
    p->number = (uint32_t)HASH_COUNT (b->past);
    if ((p->number & (p->number - 1)) == 0) /* room in powers of two */
        b->past_at = mem_resize (b->past_at, p->number ? 2 * (size_t)p->number : 1,
                                 sizeof (struct past_worker *));
    b->past_at[p->number] = p;
    HASH_ADD_KEYPTR (hh, b->past, p->name, (unsigned)strlen (p->name), p);
    return p;
}

void odd_was_with (struct odd_row *odd, const char *worker)
{
    uint32_t number = past_get (odd->batch, worker)->number;
    unsigned i = 0;
    while (i < odd->n_past && odd->past[i] != number)
        i++;
    if (i < odd->n_past || odd->n_past == PAST_MAX) { /* it becomes the last, the oldest goes */
        i = i < odd->n_past ? i : 0;
        memmove (odd->past + i, odd->past + i + 1, (odd->n_past - i - 1) * sizeof *odd->past);
        odd->n_past--;
    }
    odd->past[odd->n_past++] = number;
}

bool odd_knows (const struct odd_row *odd, const char *worker)
{
    const struct past_worker *p = past_find (odd->batch, worker);
    for (unsigned i = 0; p && i < odd->n_past; i++)
        if (odd->past[i] == p->number)
            return true;
    return false;
}

const char *odd_past (const struct odd_row *odd, unsigned i)
{
    return i < odd->n_past ? odd->batch->past_at[odd->past[i]]->name : NULL;
}

void odd_past_text (const struct odd_row *odd, struct buf *out)
{
    for (unsigned i = 0; i < odd->n_past; i++)
        buf_printf (out, "%s%.60s", i ? ", " : "", odd_past (odd, i));
}

void odds_free (struct sched *s, struct batch *b)
{
    struct odd_row *odd, *tmp;
    HASH_ITER (hh, b->odd, odd, tmp) {
        due_remove (s, odd);
        HASH_DEL (b->odd, odd);
        free (odd);
    }
    struct past_worker *p, *next;
    HASH_ITER (hh, b->past, p, next)
        past_free (b, p);
    free (b->past_at);
}
