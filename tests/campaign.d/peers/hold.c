/* hold: what a restart costs when everybody comes back at one time, and what a peer costs that does
 * nothing. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "tests/campaign.d/peers/roles.h"

enum { WAIT_MS = 20 };

int role_hold (const struct role_options *o)
{
    const struct peer_config client = {.url = o->url, .role = ROLE_CLIENT};
    const struct peer_config worker = {
        .url = o->url,
        .role = ROLE_WORKER,
        .stem = "held",
        .functions = "peers:none",
        .slots = o->slots,
    };
    uint64_t life = 0;
    struct crowd c;
    crowd_init (&c);
    crowd_add (&c, &client, (unsigned)o->peers, NULL, 0);
    crowd_add (&c, &worker, (unsigned)o->workers, NULL, 0);
    while (!role_stopped (o)) {
        crowd_turn (&c, WAIT_MS);
        if (c.peers[0].broker == life || crowd_present (&c) < c.count)
            continue;
        life = c.peers[0].broker;
        printf ("present %u at %" PRId64 "\n", c.count, clock_wall_us () / US_PER_MS);
    }
    crowd_fini (&c);
    return 0;
}
