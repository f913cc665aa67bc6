/* deaf: workers that are given rows and never read again. They go on to ping, so they are not
 * silent, and what the broker says to them piles up wherever it lets it. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/campaign.d/peers/roles.h"

static void told (struct peer *p, const struct wire *w, int64_t now)
{
    (void)now;
    if (w->kind != WIRE_GRANT || p->deaf)
        return;
    p->deaf = true;
    printf ("deaf %u has rows\n", p->number);
}

int role_deaf (const struct role_options *o)
{
    struct peer_config config = {
        .url = o->url,
        .role = ROLE_WORKER,
        .stem = "deaf",
        .functions = "drover:echo",
        .slots = o->slots,
        .told = told,
    };
    struct crowd c;
    crowd_init (&c);
    crowd_add (&c, &config, (unsigned)o->workers, NULL, 0);
    while (!role_stopped (o)) {
        crowd_turn (&c, (int)(o->every_us / US_PER_MS));
        for (unsigned i = 0; i < c.count; i++)
            c.peers[i].ping_us = (int64_t)o->every_us;
    }
    crowd_fini (&c);
    return 0;
}
