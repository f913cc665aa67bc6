#include "tests/sim/inbox.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

#include "common/base/mem.h"

struct letter {
    struct wire_frames f;
    int64_t came_us;
    STAILQ_ENTRY (letter) link;
};

struct pipe { /* of a connection, while something is in it */
    uint64_t route;
    STAILQ_HEAD (, letter) letters;
    TAILQ_ENTRY (pipe) turn;
    UT_hash_handle hh;
};

struct inbox {
    struct pipe *by_route;
    TAILQ_HEAD (, pipe) turn; /* whose is next */
    size_t count;
};

struct inbox *inbox_new (void)
{
    struct inbox *i = mem_zalloc (sizeof *i);
    TAILQ_INIT (&i->turn);
    return i;
}

void inbox_free (struct inbox **ip)
{
    struct inbox *i = *ip;
    struct wire_frames f;
    uint64_t route;
    *ip = NULL;
    if (!i)
        return;
    while (inbox_next (i, &route, &f))
        wire_frames_fini (&f);
    free (i);
}

static struct pipe *find (const struct inbox *i, uint64_t route)
{
    struct pipe *p = NULL;
    HASH_FIND (hh, i->by_route, &route, sizeof route, p);
    return p;
}

void inbox_put_take (struct inbox *i, uint64_t route, int64_t now, struct wire_frames *f)
{
    struct pipe *p = find (i, route);
    if (!p) {
        p = mem_zalloc (sizeof *p);
        p->route = route;
        STAILQ_INIT (&p->letters);
        TAILQ_INSERT_TAIL (&i->turn, p, turn);
        HASH_ADD (hh, i->by_route, route, sizeof p->route, p);
    }
    struct letter *l = mem_zalloc (sizeof *l);
    l->f = *f;
    l->came_us = now;
    *f = (struct wire_frames){0};
    STAILQ_INSERT_TAIL (&p->letters, l, link);
    i->count++;
}

bool inbox_next (struct inbox *i, uint64_t *route, struct wire_frames *f)
{
    struct pipe *p = TAILQ_FIRST (&i->turn);
    if (!p)
        return false;
    struct letter *l = STAILQ_FIRST (&p->letters);
    *route = p->route;
    *f = l->f;
    STAILQ_REMOVE_HEAD (&p->letters, link);
    free (l);
    i->count--;
    TAILQ_REMOVE (&i->turn, p, turn);
    if (!STAILQ_EMPTY (&p->letters)) {
        TAILQ_INSERT_TAIL (&i->turn, p, turn);
        return true;
    }
    HASH_DEL (i->by_route, p);
    free (p);
    return true;
}

size_t inbox_count (const struct inbox *i)
{
    return i->count;
}

int64_t inbox_oldest (const struct inbox *i, uint64_t route)
{
    const struct pipe *p = find (i, route);
    return p ? STAILQ_FIRST (&p->letters)->came_us : INT64_MAX;
}
