/* zombie: workers that are taken for dead, and are not.
 *
 * Each takes what it is granted and says nothing until the broker has given it up. Then its results
 * arrive, wrong ones, so that none can be accepted unnoticed: half of the workers say them on the
 * connection of the session that is over, the others in the session that they are given next.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/wire/outcome.h"
#include "tests/campaign.d/peers/roles.h"

enum { WAIT_MS = 5, GRANTS_MAX = 1000 };

struct zombie {
    struct msg_grant grants[GRANTS_MAX];
    unsigned n_grants;
    uint64_t attempts;
    bool given_up;    /* by the broker */
    bool said;        /* its late results */
    bool fresh;       /* in the next session, not in the old one */
    uint64_t refused; /* results that were answered with an error */
};

static void on_grant (struct peer *p, const struct wire *w)
{
    struct zombie *z = p->data;
    if (z->given_up || z->n_grants == GRANTS_MAX)
        return;
    z->grants[z->n_grants++] = w->m.grant;
    z->attempts += w->m.grant.count;
    if (!p->mute)
        printf ("zombie %u has rows\n", p->number);
    p->mute = true;
}

static void told (struct peer *p, const struct wire *w, int64_t now)
{
    struct zombie *z = p->data;
    (void)now;
    if (w->kind == WIRE_GRANT)
        on_grant (p, w);
    if (w->kind != WIRE_ERROR)
        return;
    if (w->m.error.code == WIRE_LOST)
        z->given_up = true;
    else if (w->m.error.code == WIRE_NO_SESSION && w->m.error.kind == WIRE_RESULTS)
        z->refused++;
}

static struct wire results_of (const struct msg_grant *g)
{
    struct wire w = {.kind = WIRE_RESULTS, .m.results = {.batch = g->batch, .count = g->count}};
    struct buf body;
    buf_init (&body, WIRE_FRAME_MAX);
    for (uint64_t i = 0; i < g->count; i++) {
        struct outcome o = {
            .row = g->first + i,
            .attempt = g->attempt,
            .out = bytes_str ("said by a zombie"),
            .out_bytes = 16,
            .wall_us = 1,
        };
        outcome_pack (&body, &o);
    }
    w.body[0] = buf_take_slice (&body);
    return w;
}

/* In the session that is over: its numbers go on where it fell silent. */
static void say_late (struct peer *p)
{
    struct zombie *z = p->data;
    for (unsigned i = 0; i < z->n_grants; i++) {
        struct wire w = results_of (&z->grants[i]);
        w.seq = i + 1;
        w.ack = chan_ack_number (p->chan);
        if (!peer_say (p, &w))
            peer_fail ("the connection of a zombie is gone");
        slice_fini (&w.body[0]);
    }
    z->said = true;
}

static void post_late (struct peer *p)
{
    struct zombie *z = p->data;
    for (unsigned i = 0; i < z->n_grants; i++) {
        struct wire w = results_of (&z->grants[i]);
        peer_post (p, LANE_BULK, &w);
        slice_fini (&w.body[0]);
    }
    z->said = true;
}

static void welcomed (struct peer *p, const struct msg_welcome *m, int64_t now)
{
    struct zombie *z = p->data;
    (void)now;
    if (z->given_up && m->resumed)
        peer_fail ("a session that was given up goes on");
    if (z->given_up && z->fresh)
        post_late (p);
}

static void tick (struct peer *p, int64_t now)
{
    struct zombie *z = p->data;
    (void)now;
    if (!z->given_up)
        return;
    if (!z->fresh && !z->said)
        say_late (p);
    if (z->fresh)
        p->mute = false; /* HELLO with the old token */
    p->over = z->said && (z->fresh ? p->present && chan_idle (p->chan) : z->refused == z->n_grants);
}

int role_zombie (const struct role_options *o)
{
    const struct peer_config config = {
        .url = o->url,
        .role = ROLE_WORKER,
        .stem = "zombie",
        .functions = "drover:echo",
        .slots = o->slots,
        .welcomed = welcomed,
        .told = told,
        .tick = tick,
    };
    struct zombie *zombies = mem_zalloc (o->workers * sizeof *zombies);
    uint64_t attempts[2] = {0}; /* whose results came in the old session, in a new one */
    struct crowd c;
    crowd_init (&c);
    for (uint64_t i = 0; i < o->workers; i++)
        zombies[i].fresh = i % 2;
    crowd_add (&c, &config, (unsigned)o->workers, zombies, sizeof *zombies);
    while (!role_stopped (o) && crowd_over (&c) < c.count)
        crowd_turn (&c, WAIT_MS);
    for (uint64_t i = 0; i < o->workers; i++)
        attempts[zombies[i].fresh] += zombies[i].attempts;
    bool all = crowd_over (&c) == c.count;
    printf ("attempts=%" PRIu64 " in_old=%" PRIu64 " in_new=%" PRIu64 "\n",
            attempts[0] + attempts[1], attempts[0], attempts[1]);
    crowd_fini (&c);
    free (zombies);
    return all ? 0 : 1;
}
