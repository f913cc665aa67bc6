/* feed: a batch of equal rows for one function, with each result looked at. */
#include "bench/feed.h"

#include <stdio.h>

#include "bench/options.h"
#include "common/base/clock.h"

/* Rows, and bytes, between two looks at what has come back. */
#define STRIDE_ROWS 4096
#define STRIDE_BYTES (256u << 10)

/* The longest silence of a system that works; with it, a bench program never hangs. */
#define SILENCE_MS 30000

static void take (struct feed *f, const drover_event_t *event)
{
    char text[600];
    if (event->kind == DROVER_EVENT_RESULT) {
        const drover_result_t *r = event->result;
        if (r->how != DROVER_DONE || r->out_len != f->out_len) {
            snprintf (text, sizeof text, "row %llu: %s, %llu bytes %s", (unsigned long long)r->row,
                      drover_how_name (r->how), (unsigned long long)r->out_len, r->reason);
            bench_die (text);
        }
        f->results++;
    } else if (event->kind == DROVER_EVENT_END) {
        f->over = true;
    } else if (event->kind == DROVER_EVENT_REFUSED || event->kind == DROVER_EVENT_LOST) {
        bench_die (event->refused->text);
    }
}

/* Handle what is there; with `wait`, at least one event. */
static void pump (struct feed *f, bool wait)
{
    const drover_event_t *event;
    drover_error_t e;
    int rc = drover_next (f->h, wait ? SILENCE_MS : 0, &event, &e);
    if (rc == 0 && wait)
        bench_die ("nothing has come for 30 s");
    for (; rc == 1; rc = drover_next (f->h, 0, &event, &e))
        take (f, event);
    if (rc < 0)
        bench_die (e.text);
}

void feed_open (struct feed *f, drover_t *h, const char *function, drover_bytes_t row,
                uint64_t out_len)
{
    drover_error_t e;
    drover_spec_t *spec = drover_spec_new_function (function);
    *f = (struct feed){.h = h, .row = row, .out_len = out_len};
    f->batch = drover_batch_open (h, NULL, &e);
    if (!f->batch || !spec)
        bench_die (e.text);
    f->spec = drover_batch_add_spec (f->batch, spec, &e);
    if (f->spec < 0)
        bench_die (e.text);
    drover_spec_free (&spec);
}

static void add_rows (struct feed *f, uint64_t count)
{
    drover_error_t e;
    for (uint64_t i = 0; i < count; i++)
        if (drover_batch_add (f->batch, f->spec, &f->row, 1, &e) < 0)
            bench_die (e.text);
}

static uint64_t least (uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t n = a < b ? a : b;
    return n < c ? n : c;
}

void feed_add (struct feed *f, uint64_t count)
{
    uint64_t stride = STRIDE_BYTES / (f->row.len + 1) + 1;
    while (count > 0) {
        uint64_t n =
            least (drover_batch_room (f->batch), count, least (stride, STRIDE_ROWS, count));
        add_rows (f, n);
        count -= n;
        pump (f, n == 0);
    }
}

void feed_until (struct feed *f, uint64_t results)
{
    while (f->results < results)
        pump (f, true);
}

void feed_finish (struct feed *f)
{
    drover_error_t e;
    uint64_t rows = drover_batch_rows (f->batch);
    if (drover_batch_close (f->batch, &e))
        bench_die (e.text);
    while (!f->over)
        pump (f, true);
    if (f->results != rows)
        bench_die ("the batch ended without all its results");
    drover_batch_free (&f->batch);
}

int64_t feed_run (drover_t *h, const char *function, drover_bytes_t row, uint64_t out_len,
                  uint64_t tasks)
{
    struct feed f;
    int64_t begin = clock_mono_us ();
    feed_open (&f, h, function, row, out_len);
    feed_add (&f, tasks);
    feed_finish (&f);
    return clock_mono_us () - begin;
}
