/* ping: how soon somebody is answered who asks for little, whatever others do. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "tests/campaign.d/peers/roles.h"

enum { TIMES_MAX = 1000000 };

struct times {
    int64_t *us;
    size_t count;
    int64_t every_us;
    int64_t next_at;
    bool waits; /* one ping at a time: what is late delays nothing but itself */
};

static void told (struct peer *p, const struct wire *w, int64_t now)
{
    struct times *t = p->data;
    if (w->kind != WIRE_PONG || !t->waits || t->count == TIMES_MAX)
        return;
    t->waits = false;
    t->us[t->count++] = now - (int64_t)w->m.pong.stamp;
}

static void tick (struct peer *p, int64_t now)
{
    struct times *t = p->data;
    struct wire w = {.kind = WIRE_PING, .m.ping = {.stamp = (uint64_t)now}};
    p->ping_at = CLOCK_NEVER; /* none but these */
    if (!p->present)
        t->waits = false;
    else if (!t->waits && now >= t->next_at && (t->waits = peer_say (p, &w)))
        t->next_at = now + t->every_us;
}

static int compare (const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int role_ping (const struct role_options *o)
{
    const struct peer_config config = {
        .url = o->url, .role = ROLE_CLIENT, .told = told, .tick = tick};
    struct times t = {.every_us = (int64_t)o->every_us};
    struct crowd c;
    t.us = mem_zalloc (TIMES_MAX * sizeof *t.us);
    crowd_init (&c);
    crowd_add (&c, &config, 1, &t, sizeof t);
    while (!role_stopped (o))
        crowd_turn (&c, (int)(t.every_us / US_PER_MS));
    crowd_fini (&c);
    qsort (t.us, t.count, sizeof *t.us, compare);
    if (t.count)
        printf ("pings=%zu p50_us=%" PRId64 " p99_us=%" PRId64 " max_us=%" PRId64 "\n", t.count,
                t.us[t.count / 2], t.us[t.count * 99 / 100], t.us[t.count - 1]);
    free (t.us);
    return t.count ? 0 : 1;
}
