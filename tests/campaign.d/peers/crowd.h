/* crowd: so many peers of one kind, and the loop that serves them. */
#ifndef DROVER_CAMPAIGN_CROWD_H
#define DROVER_CAMPAIGN_CROWD_H

#include "tests/campaign.d/peers/peer.h"

struct crowd {
    struct peer *peers;
    unsigned count;
    zpoller_t *poller;
};

/* An empty one; ends the process where that cannot be. */
void crowd_init (struct crowd *c);
void crowd_fini (struct crowd *c);

/* More peers, all before the first turn. `data` of each is an element of the array `data`, whose
 * elements have data_size bytes (or NULL). `config` must live as long. Ends the process with a line
 * where one cannot be made. */
void crowd_add (struct crowd *c, const struct peer_config *config, unsigned count, void *data,
                size_t data_size);

/* Wait until one of them has something to read, or wait_ms, then let each have its turn. Returns
 * the time. */
int64_t crowd_turn (struct crowd *c, int wait_ms);

/* A peer's socket is another one now. */
void crowd_reconnect (struct crowd *c, struct peer *p);

/* How many are over; how many are present, welcomed by the same life of the broker as the first. */
unsigned crowd_over (const struct crowd *c);
unsigned crowd_present (const struct crowd *c);

#endif
