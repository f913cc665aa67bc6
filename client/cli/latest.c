/* latest: see latest.h. */
#include "client/cli/latest.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/cli/session.h"
#include "common/base/hash.h"
#include "common/base/mem.h"

#define PAGE_ROWS 500 /* one message of the broker */

struct latest_page {
    uint64_t first;
    uint64_t attempt[PAGE_ROWS]; /* the present one; 0: not known */
    UT_hash_handle hh;
};

struct latest_row {
    uint64_t row;
    UT_hash_handle hh;
};

void latest_init (struct latest *l, drover_t *h, const struct batch_state *state, bool follow)
{
    *l = (struct latest){
        .h = h, .batch = state->id, .retried = state->retried > 0, .follow = follow};
}

static void forget_row (struct latest *l, struct latest_row *row)
{
    HASH_DEL (l->failed, row);
    free (row);
}

void latest_fini (struct latest *l)
{
    struct latest_page *page, *next_page;
    struct latest_row *row, *next_row;

    HASH_ITER (hh, l->pages, page, next_page) {
        HASH_DEL (l->pages, page);
        free (page);
    }
    HASH_ITER (hh, l->failed, row, next_row) {
        forget_row (l, row);
    }
    drover_result_free (&l->kept);
}

static int note_attempt (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct latest_page *page = arg;
    uint64_t row = drover_pair_number (pairs, count, "row", 0);

    if (row >= page->first && row - page->first < PAGE_ROWS)
        page->attempt[row - page->first] = drover_pair_number (pairs, count, "attempt", 0);
    return 0;
}

static struct latest_page *find_page (struct latest *l, uint64_t first, drover_error_t *e)
{
    struct latest_page *page;

    HASH_FIND (hh, l->pages, &first, sizeof first, page);
    if (page)
        return page;
    page = mem_zalloc (sizeof *page);
    page->first = first;
    if (session_query (l->h, DROVER_QUERY_TASKS, l->batch, first, PAGE_ROWS, note_attempt, page,
                       e) < 0) {
        free (page);
        return NULL;
    }
    HASH_ADD (hh, l->pages, first, sizeof page->first, page);
    return page;
}

int latest_counts (struct latest *l, const drover_result_t **r, drover_error_t *e)
{
    struct latest_page *page;
    uint64_t row = (*r)->row;

    if (!l->retried || (*r)->how == DROVER_DONE)
        return 1;
    drover_result_free (&l->kept);
    l->kept = drover_result_keep (*r); /* asking ends the event */
    if (!l->kept) {
        e->code = DROVER_ENOMEM;
        snprintf (e->text, sizeof e->text, "no memory for the output of a task");
        return -1;
    }
    *r = l->kept;
    page = find_page (l, row - row % PAGE_ROWS, e);
    if (!page)
        return -1;
    return page->attempt[row % PAGE_ROWS] <= l->kept->attempt;
}

bool latest_replaces (struct latest *l, const drover_result_t *r)
{
    struct latest_row *row;
    bool before;

    if (!l->follow)
        return false;
    HASH_FIND (hh, l->failed, &r->row, sizeof r->row, row);
    before = row != NULL;
    if (before && r->how == DROVER_DONE) {
        forget_row (l, row);
    } else if (!before && r->how != DROVER_DONE) {
        row = mem_zalloc (sizeof *row);
        row->row = r->row;
        HASH_ADD (hh, l->failed, row, sizeof row->row, row);
    }
    return before;
}
