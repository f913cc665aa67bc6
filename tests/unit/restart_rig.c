#include "tests/unit/restart_rig.h"

struct bed *durable_bed (struct store_test **t)
{
    struct bed *b = bed_new (NULL, store_test_new (t));
    b->faithful = true;
    return b;
}

void restart (struct bed *b, struct store_test *t)
{
    bed_restart (b, t);
    bed_settle (b);
}

/* Peers give signs of life. */
void ping_all (struct bed *b)
{
    struct peer *p;
    struct wire w = {.kind = WIRE_PING};
    LIST_FOREACH (p, &b->peers, link)
        if (p->route)
            peer_say (p, &w);
    bed_settle (b);
}

void pass (struct bed *b, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        bed_pass (b, US_PER_S);
        ping_all (b);
    }
}

void say_hold (struct peer *w, uint64_t batch, uint64_t first, uint64_t count, uint64_t attempt,
               bool last)
{
    struct wire m = {.kind = WIRE_HOLD};
    m.m.hold = (struct msg_hold){
        .batch = batch, .first = first, .count = count, .attempt = attempt, .last = last};
    peer_post (w, &m);
}

void lose_power (struct bed *b, struct store_test *t, uint64_t last)
{
    store_test_crash (t, last);
    t->went_back = true;
    bed_restart (b, t);
    t->went_back = false;
    bed_settle (b);
}
