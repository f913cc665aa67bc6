/* Progress: how far rows say they are, while they run. The last word of each is kept with the lease
 * under which it runs, for who asks; nothing of it is recorded.
 *
 * What rows have said that are not there any more goes when there are many, or with the lease: so
 * the end of a row, in whatever way, need not think of it.
 */
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { PROGRESS_MAX = 1000 }; /* of a lease */

static bool is_of_now (const struct lease *l, const struct progress *p)
{
    return ranges_has (&l->out, p->row) && odd_attempt (l->batch, p->row) == p->attempt;
}

static struct progress *find (const struct lease *l, uint64_t row)
{
    struct progress *p;
    SLIST_FOREACH (p, &l->progress, link)
        if (p->row == row)
            return p;
    return NULL;
}

static void drop (struct lease *l, bool all)
{
    struct progress *p = SLIST_FIRST (&l->progress);
    while (p) {
        struct progress *next = SLIST_NEXT (p, link);
        if (all || !is_of_now (l, p)) {
            SLIST_REMOVE (&l->progress, p, progress, link);
            l->n_progress--;
            free (p);
        }
        p = next;
    }
}

void progress_told (struct worker *wk, const struct msg_progress *m)
{
    struct lease *l = lease_find (wk, m->batch);
    const struct progress now = {
        .row = m->row, .attempt = m->attempt, .done = m->done, .total = m->total};
    if (!l || !is_of_now (l, &now))
        return;
    struct progress *p = find (l, m->row);
    if (!p) {
        if (l->n_progress >= wk->slots + wk->io_tasks || l->n_progress >= PROGRESS_MAX)
            drop (l, false);
        if (l->n_progress >= PROGRESS_MAX)
            return;
        p = mem_zalloc (sizeof *p);
        SLIST_INSERT_HEAD (&l->progress, p, link);
        l->n_progress++;
    }
    p->attempt = m->attempt;
    p->done = m->done;
    p->total = m->total;
}

const struct progress *progress_of (const struct lease *l, uint64_t row)
{
    const struct progress *p = find (l, row);
    return p && is_of_now (l, p) ? p : NULL;
}

void progress_drop_all (struct lease *l)
{
    drop (l, true);
}
