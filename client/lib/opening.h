/* opening: a batch until the broker has opened it.
 *
 * OPEN, specs and rows leave without waiting for an answer. A broker that is busy takes none of
 * them; so they are kept until OPENED comes, and said again, all of them, when it is time. OPEN
 * itself is kept for longer: a broker that was restarted is asked with its key for what it has.
 */
#ifndef DROVER_CLIENT_OPENING_H
#define DROVER_CLIENT_OPENING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/lib/session.h"

struct said; /* a message that is kept */

struct opening {
    struct msg_open
        open; /* its texts are owned; batch 0: there is none, the batch was attached to */
    char *texts;
    bool done;        /* OPENED came */
    int64_t again_us; /* the broker is busy: say all again then; CLOCK_NEVER: it is not */
    STAILQ_HEAD (, said) said;
    size_t bytes; /* of those */
};

/* Of a batch that is opened, or NULL. Texts are copied. */
void opening_init (struct opening *o, const struct msg_open *open);
void opening_fini (struct opening *o);

/* OPEN, borrowed. What changes when tasks run must be understood by the broker, or be refused. */
struct wire opening_message (const struct opening *o);

/* Say OPEN for the first time. Fails as wire_encode() does. */
int opening_say (struct opening *o, struct session *s, struct err *e);

/* Queue frames about the batch (taken). */
void opening_post_take (struct opening *o, struct session *s, enum chan_lane lane,
                        struct wire_frames *f);

/* The broker is busy: nothing is said until then. */
void opening_put_off (struct opening *o, int64_t until_us);

/* Say what was said behind the OPEN again; or that and the OPEN, as it is time now. */
void opening_say_rest (const struct opening *o, struct session *s);
void opening_again (struct opening *o, struct session *s);

/* OPENED came, or never will: what was said need not be kept. */
void opening_done (struct opening *o);

/* Whether the batch waits for a broker that is busy. */
bool opening_waits (const struct opening *o);

#endif
