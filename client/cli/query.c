/* query: a question to the broker, whose answer is told once and whole. An answer may come in many
 * messages, and the broker may be restarted between two of them: the rest of it never comes, and
 * the question is asked again. Of tasks it goes on behind the last one that was told; they are
 * asked for in pages, since a broker answers only so many at one time. A list that may have changed
 * meanwhile is told when all of it is there. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/session.h"
#include "common/base/mem.h"

#define ANSWER_MS 30000
#define TRIES 5
#define PAGE_ROWS 10000

struct record {
    drover_pair_t *pairs; /* owned, with their bytes behind them */
    size_t count;
};

struct query {
    drover_record_fn *fn;
    void *arg;
    struct record *records; /* of a list, until it is whole */
    size_t n, size;
    uint64_t next_row; /* of tasks: behind the last that was told */
};

static drover_bytes_t copy (char **to, drover_bytes_t from)
{
    drover_bytes_t mine = {*to, from.len};

    if (from.len)
        memcpy (*to, from.ptr, from.len);
    *to += from.len;
    return mine;
}

static struct record keep (const drover_pair_t *pairs, size_t count)
{
    struct record r = {.count = count};
    size_t bytes = count * sizeof *pairs;
    char *at;

    for (size_t i = 0; i < count; i++)
        bytes += pairs[i].name.len + pairs[i].value.len;
    r.pairs = mem_zalloc (bytes ? bytes : 1);
    at = (char *)(r.pairs + count);
    for (size_t i = 0; i < count; i++) {
        r.pairs[i].name = copy (&at, pairs[i].name);
        r.pairs[i].value = copy (&at, pairs[i].value);
    }
    return r;
}

static void forget (struct query *q)
{
    for (size_t i = 0; i < q->n; i++)
        free (q->records[i].pairs);
    q->n = 0;
}

static int gather (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct query *q = arg;

    if (q->n == q->size) {
        q->size = q->size ? 2 * q->size : 64;
        q->records = mem_resize (q->records, q->size, sizeof *q->records);
    }
    q->records[q->n++] = keep (pairs, count);
    return 0;
}

static int pass_on (const drover_pair_t *pairs, size_t count, void *arg)
{
    struct query *q = arg;

    q->next_row = drover_pair_number (pairs, count, "row", q->next_row) + 1;
    return q->fn (pairs, count, q->arg);
}

static int tell (struct query *q, drover_error_t *e)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->fn (q->records[i].pairs, q->records[i].count, q->arg) != 0) {
            *e = (drover_error_t){.code = DROVER_ESTOPPED};
            return -1;
        }
    return 0;
}

/* 0; -1 with an error. */
static int ask (drover_t *h, int what, uint64_t id, struct query *q, uint64_t count,
                drover_error_t *e)
{
    bool tasks = what == DROVER_QUERY_TASKS;
    uint64_t ref = drover_query (h, what, id, q->next_row, count, NULL, e);

    return ref ? drover_await (h, ref, ANSWER_MS, tasks ? pass_on : gather, q, NULL, e) : -1;
}

static int ask_list (drover_t *h, int what, uint64_t id, struct query *q, drover_error_t *e)
{
    int rc = -1;

    for (int left = TRIES; rc < 0 && left > 0; left--) {
        forget (q);
        rc = ask (h, what, id, q, 0, e);
        if (rc < 0 && e->code != DROVER_ELOST)
            break;
    }
    return rc < 0 ? -1 : tell (q, e);
}

/* Page by page, until one is empty. Where an answer breaks off behind the last task only its end is
 * missing. */
static int ask_tasks (drover_t *h, uint64_t id, struct query *q, uint64_t end, drover_error_t *e)
{
    int left = TRIES;

    while (q->next_row < end) {
        uint64_t from = q->next_row;
        uint64_t count = end - from < PAGE_ROWS ? end - from : PAGE_ROWS;

        if (ask (h, DROVER_QUERY_TASKS, id, q, count, e) == 0) {
            if (q->next_row == from)
                break;
        } else if (e->code != DROVER_ELOST || --left == 0) {
            return -1;
        }
    }
    return 0;
}

int session_query (drover_t *h, int what, uint64_t id, uint64_t first, uint64_t count,
                   drover_record_fn *fn, void *arg, drover_error_t *e)
{
    struct query q = {.fn = fn, .arg = arg, .next_row = first};
    int rc = what == DROVER_QUERY_TASKS
                 ? ask_tasks (h, id, &q, count ? first + count : UINT64_MAX, e)
                 : ask_list (h, what, id, &q, e);

    forget (&q);
    free (q.records);
    return rc;
}
