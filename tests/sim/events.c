#include "tests/sim/events.h"

#include <stdlib.h>

#include "common/base/mem.h"

struct event {
    int64_t when;
    uint64_t order;
    sim_fn *fn;
    void *arg;
    uint64_t n;
};

struct events { /* a heap, the earliest first */
    struct event *at;
    size_t n, size;
    uint64_t order;
};

static bool before (const struct event *a, const struct event *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

struct events *events_new (void)
{
    return mem_zalloc (sizeof (struct events));
}

void events_free (struct events **e)
{
    if (*e)
        free ((*e)->at);
    free (*e);
    *e = NULL;
}

void sim_at (struct sim *s, int64_t when, sim_fn *fn, void *arg, uint64_t n)
{
    struct events *e = s->events;
    struct event ev = {when > s->now ? when : s->now, e->order++, fn, arg, n};
    if (e->n == e->size) {
        e->size = e->size ? 2 * e->size : 256;
        e->at = mem_resize (e->at, e->size, sizeof *e->at);
    }
    size_t i = e->n++;
    for (; i && before (&ev, &e->at[(i - 1) / 2]); i = (i - 1) / 2)
        e->at[i] = e->at[(i - 1) / 2];
    e->at[i] = ev;
}

static struct event take_first (struct events *e)
{
    struct event first = e->at[0];
    struct event last = e->at[--e->n];
    size_t i = 0;
    for (size_t child = 1; child < e->n; child = 2 * i + 1) {
        if (child + 1 < e->n && before (&e->at[child + 1], &e->at[child]))
            child++;
        if (!before (&e->at[child], &last))
            break;
        e->at[i] = e->at[child];
        i = child;
    }
    e->at[i] = last;
    return first;
}

bool events_next (struct sim *s)
{
    if (!s->events->n)
        return false;
    struct event ev = take_first (s->events);
    s->now = ev.when;
    ev.fn (s, ev.arg, ev.n);
    return true;
}
