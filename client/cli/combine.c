/* combine: an odometer whose slowest wheel is a stream.
 *
 * A group is a wheel: one source, or several linked ones. Group 0 is streamed: each turn of it
 * takes one value from each of its sources. The others are stocked and indexed. In wrap mode there
 * are no groups, only one stream and stocks; of the stream the first values are stocked as well, as
 * many as the longest stock has, because only those can come again.
 *
 * Any step may find that a source has nothing yet; everything here can be taken up again.
 */
#include "client/cli/combine.h"

#include <errno.h>
#include <stdlib.h>

#include "client/cli/stock.h"
#include "common/base/mem.h"

#define STOCK_MAX ((size_t)1 << 30) /* bytes of a source that is read whole */

struct member {
    struct combine_member is;
    struct stock stock;
    bool streamed;
    bool ended; /* of a stream */
    bool ready; /* the present turn has its value in the row already */
};

struct group {
    size_t first; /* of the members */
    size_t count;
    size_t at;   /* which of its values is in the row */
    size_t size; /* how many it has; not of the streamed group */
};

struct combine {
    struct member *members;
    size_t count;
    struct group *groups;
    size_t group_count;
    struct bytes *row;
    bool wrap;
    bool loaded;
    bool turning;   /* group 0 has its values in the row */
    size_t loading; /* the member that is being read whole */
    size_t turns;   /* of group 0; in wrap mode, rows given */
    size_t longest; /* in wrap mode: of the stocks read whole */
    int fd;
};

static void add_groups (struct combine *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!i || !c->members[i].is.linked)
            c->groups[c->group_count++] = (struct group){.first = i};
        c->groups[c->group_count - 1].count++;
    }
    for (size_t i = 0; i < c->groups[0].count; i++)
        c->members[i].streamed = true;
}

static void choose_stream (struct combine *c)
{
    struct member *chosen = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct member *m = &c->members[i];
        if (m->is.file && (!chosen || (m->is.first_choice && !chosen->is.first_choice)))
            chosen = m;
    }
    if (chosen)
        chosen->streamed = true;
}

struct combine *combine_new (const struct combine_member *members, size_t count, bool wrap)
{
    struct combine *c = mem_zalloc (sizeof *c);
    c->members = mem_zalloc (count * sizeof *c->members);
    c->groups = mem_zalloc (count * sizeof *c->groups);
    c->row = mem_zalloc (count * sizeof *c->row);
    c->count = count;
    c->wrap = wrap;
    c->fd = -1;
    for (size_t i = 0; i < count; i++) {
        c->members[i].is = members[i];
        stock_init (&c->members[i].stock, STOCK_MAX);
    }
    if (wrap)
        choose_stream (c);
    else
        add_groups (c);
    return c;
}

void combine_free (struct combine **c)
{
    if (!*c)
        return;
    for (size_t i = 0; i < (*c)->count; i++)
        stock_fini (&(*c)->members[i].stock);
    free ((*c)->members);
    free ((*c)->groups);
    free ((*c)->row);
    free (*c);
    *c = NULL;
}

int combine_fd (const struct combine *c)
{
    return c->fd;
}

/* The next value of a member, with a note of its descriptor where it must be waited for. */
static int next_of (struct combine *c, struct member *m, struct bytes *value, struct err *e)
{
    int step = source_next (m->is.source, value, e);
    if (step == INPUT_WAIT)
        c->fd = source_fd (m->is.source);
    return step;
}

static int keep (struct member *m, struct bytes value, struct err *e)
{
    if (stock_add (&m->stock, value))
        return err_set (e, EFBIG,
                        "an input source has more than %zu MiB; only the first one may be larger",
                        STOCK_MAX >> 20);
    return INPUT_VALUE;
}

/* Read whole what is not streamed. INPUT_END: done. */
static int load (struct combine *c, struct err *e)
{
    struct bytes value;
    for (; c->loading < c->count; c->loading++) {
        struct member *m = &c->members[c->loading];
        int step = INPUT_VALUE;
        while (!m->streamed && step == INPUT_VALUE) {
            step = next_of (c, m, &value, e);
            if (step == INPUT_VALUE)
                step = keep (m, value, e);
        }
        if (!m->streamed && step != INPUT_END)
            return step;
        if (stock_count (&m->stock) > c->longest)
            c->longest = stock_count (&m->stock);
    }
    return INPUT_END;
}

/* How many values the group has: the shortest of its members decides, an empty one has one. */
static void measure (struct combine *c, struct group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        size_t n = stock_count (&c->members[g->first + i].stock);
        if (!n)
            n = 1;
        if (!g->size || n < g->size)
            g->size = n;
    }
}

/* Put value `at` of each member of a stocked group into the row. */
static void show (struct combine *c, const struct group *g)
{
    for (size_t i = g->first; i < g->first + g->count; i++) {
        const struct stock *s = &c->members[i].stock;
        c->row[i] = stock_count (s) ? stock_at (s, g->at) : bytes_str ("");
    }
}

/* Nothing came of the streamed members in the first turn: is there anything at all? */
static bool all_empty (const struct combine *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct member *m = &c->members[i];
        if (m->streamed ? !m->ended : stock_count (&m->stock) > 0)
            return false;
    }
    return true;
}

/* The next value of a streamed member, into the row. */
static int take (struct combine *c, size_t i, struct err *e)
{
    struct member *m = &c->members[i];
    int step = next_of (c, m, &c->row[i], e);
    if (step == INPUT_WAIT || step < 0)
        return step;
    m->ready = true;
    m->ended = step == INPUT_END;
    if (m->ended)
        c->row[i] = bytes_str ("");
    return step;
}

/* Turn the streamed group: one value from each of its members. */
static int turn (struct combine *c, struct err *e)
{
    size_t n = c->groups[0].count;
    bool ended = false;
    for (size_t i = 0; i < n; i++)
        ended |= c->members[i].ended;
    for (size_t i = 0; i < n && !(ended && c->turns); i++) {
        int step = c->members[i].ready ? INPUT_VALUE : take (c, i, e);
        if (step == INPUT_WAIT || step < 0)
            return step;
        ended |= c->members[i].ended;
    }
    if (ended && (c->turns || all_empty (c)))
        return INPUT_END;
    for (size_t i = 0; i < n; i++)
        c->members[i].ready = false;
    c->turns++;
    return INPUT_VALUE;
}

/* The fastest wheel one on; where it is through, the next slower one. False when all are through.
 */
static bool advance (struct combine *c)
{
    for (size_t i = c->group_count - 1; i > 0; i--) {
        struct group *g = &c->groups[i];
        g->at = g->at + 1 < g->size ? g->at + 1 : 0;
        show (c, g);
        if (g->at)
            return true;
    }
    return false;
}

static int next_combination (struct combine *c, struct err *e)
{
    if (c->turning && advance (c))
        return INPUT_VALUE;
    c->turning = false;
    int step = turn (c, e);
    if (step == INPUT_VALUE) {
        c->turning = true;
        for (size_t i = 1; c->turns == 1 && i < c->group_count; i++)
            show (c, &c->groups[i]);
    }
    return step;
}

/* The value of the stream for the present row of wrap mode. */
static int next_streamed (struct combine *c, struct member *m, struct bytes *value, struct err *e)
{
    int step = m->ended ? INPUT_END : next_of (c, m, value, e);
    if (step == INPUT_VALUE && c->turns < c->longest)
        return keep (m, *value, e);
    m->ended = step == INPUT_END;
    return step;
}

static int next_linked (struct combine *c, struct err *e)
{
    bool more = c->turns < c->longest;
    for (size_t i = 0; i < c->count; i++) {
        struct member *m = &c->members[i];
        int step = m->streamed ? next_streamed (c, m, &c->row[i], e) : INPUT_END;
        if (step == INPUT_WAIT || step < 0)
            return step;
        more |= step == INPUT_VALUE;
    }
    if (!more)
        return INPUT_END;
    for (size_t i = 0; i < c->count; i++) {
        const struct member *m = &c->members[i];
        size_t n = stock_count (&m->stock);
        if (!m->streamed || m->ended)
            c->row[i] = n ? stock_at (&m->stock, c->turns % n) : bytes_str ("");
    }
    c->turns++;
    return INPUT_VALUE;
}

int combine_next (struct combine *c, const struct bytes **row, struct err *e)
{
    if (!c->loaded) {
        int step = load (c, e);
        if (step != INPUT_END)
            return step;
        for (size_t i = 1; i < c->group_count; i++)
            measure (c, &c->groups[i]);
        c->loaded = true;
    }
    *row = c->row;
    return c->wrap ? next_linked (c, e) : next_combination (c, e);
}
