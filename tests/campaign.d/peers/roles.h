/* What the peers do: one file a role. Each returns the status of the program; each prints figures,
 * one line at a time, and ends the process with a line on stderr where the broker does what it must
 * not do. */
#ifndef DROVER_CAMPAIGN_ROLES_H
#define DROVER_CAMPAIGN_ROLES_H

#include "tests/campaign.d/peers/crowd.h"

struct role_options {
    const char *url;
    uint64_t peers;   /* clients */
    uint64_t workers; /* and workers */
    uint64_t slots;   /* of each worker */
    uint64_t tasks;   /* of all clients together */
    uint64_t rows;    /* of a batch, or of a chunk */
    uint64_t bytes;   /* of a row */
    uint64_t ahead;   /* unfinished rows that a client may have; 0: no limit of its own */
    uint64_t chunks;
    uint64_t every_us; /* between pings */
    int stop_fd;       /* becomes readable when the program is to end */
};

/* Peers that are there, and come back. Prints "present N at MS" (milliseconds of the real-time
 * clock) each time all are there again, welcomed by another life of the broker. Until TERM. */
int role_hold (const struct role_options *o);

/* Clients that submit calls of drover:echo as fast as they are let, and mind windows and BUSY.
 * Ends when every row of every batch came back, once and as it was. */
int role_flood (const struct role_options *o);

/* A client that pings, and asks for the status now and then. At TERM: how long that took. */
int role_ping (const struct role_options *o);

/* Workers that take rows of drover:echo and fall silent, until they are given up; then they say
 * their results, in the old session or in a new one. Ends when each in an old one was answered with
 * an error, each in a new one was acknowledged (the broker counts those as fenced). */
int role_zombie (const struct role_options *o);

/* Workers that take rows of drover:echo and never read again; they go on to ping. Until TERM. */
int role_deaf (const struct role_options *o);

/* A client to which acknowledgements are lost: it says each chunk of its batch twice, in the three
 * ways in which that comes about. Prints the batch's number. */
int role_stubborn (const struct role_options *o);

/* Whether the program is to end. */
bool role_stopped (const struct role_options *o);

#endif
