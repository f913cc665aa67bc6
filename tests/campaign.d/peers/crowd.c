/* The poller tells that there is something to do, not all of it: asking each socket is cheaper than
 * waiting once for each. */
#include "tests/campaign.d/peers/crowd.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

void crowd_init (struct crowd *c)
{
    *c = (struct crowd){.poller = zpoller_new (NULL)};
    if (!c->poller)
        peer_fail ("cannot make a poller");
    zpoller_set_nonstop (c->poller, true); /* signals are the program's */
}

void crowd_add (struct crowd *c, const struct peer_config *config, unsigned count, void *data,
                size_t data_size)
{
    struct err e;
    c->peers = mem_resize (c->peers, c->count + count, sizeof *c->peers);
    for (unsigned i = 0; i < count; i++) {
        struct peer *p = &c->peers[c->count];
        *p = (struct peer){
            .number = c->count++,
            .data = data ? (char *)data + i * data_size : NULL,
        };
        if (peer_init (p, config, &e) != 0)
            peer_fail ("%s", e.text);
        zpoller_add (c->poller, p->sock);
    }
}

void crowd_fini (struct crowd *c)
{
    zpoller_destroy (&c->poller);
    for (unsigned i = 0; i < c->count; i++)
        peer_fini (&c->peers[i]);
    free (c->peers);
    *c = (struct crowd){0};
}

/* What nobody reads must not wake us. */
static void leave_unread (struct crowd *c, struct peer *p)
{
    if (p->unpolled || (!p->over && !p->deaf))
        return;
    zpoller_remove (c->poller, p->sock);
    p->unpolled = true;
}

int64_t crowd_turn (struct crowd *c, int wait_ms)
{
    zpoller_wait (c->poller, wait_ms);
    int64_t now = clock_mono_us ();
    for (unsigned i = 0; i < c->count; i++) {
        peer_turn (&c->peers[i], now);
        leave_unread (c, &c->peers[i]);
    }
    return now;
}

void crowd_reconnect (struct crowd *c, struct peer *p)
{
    struct err e;
    zpoller_remove (c->poller, p->sock);
    if (peer_reconnect (p, &e) != 0)
        peer_fail ("%s", e.text);
    zpoller_add (c->poller, p->sock);
}

unsigned crowd_over (const struct crowd *c)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->count; i++)
        n += c->peers[i].over;
    return n;
}

unsigned crowd_present (const struct crowd *c)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->count; i++)
        n += c->peers[i].present && c->peers[i].broker == c->peers[0].broker;
    return n;
}
