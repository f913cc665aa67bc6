#include "client/lib/opening.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

struct said {
    STAILQ_ENTRY (said) link;
    enum chan_lane lane;
    struct wire_frames frames;
};

/* Texts of other owners get one of our own, one behind the other. */
static void own_texts (struct opening *o)
{
    struct bytes *texts[] = {&o->open.key, &o->open.name, &o->open.retry_exits, &o->open.after};
    enum { TEXTS = sizeof texts / sizeof *texts };
    size_t size = 1;
    for (unsigned i = 0; i < TEXTS; i++)
        size += texts[i]->len;
    char *at = o->texts = mem_zalloc (size);
    for (unsigned i = 0; i < TEXTS; i++) {
        if (texts[i]->len)
            memcpy (at, texts[i]->ptr, texts[i]->len);
        *texts[i] = bytes_of (at, texts[i]->len);
        at += texts[i]->len;
    }
}

void opening_init (struct opening *o, const struct msg_open *open)
{
    *o = (struct opening){.done = !open, .again_us = CLOCK_NEVER};
    STAILQ_INIT (&o->said);
    if (!open)
        return;
    o->open = *open;
    own_texts (o);
}

static void drop_said (struct opening *o)
{
    struct said *x;
    while ((x = STAILQ_FIRST (&o->said))) {
        STAILQ_REMOVE_HEAD (&o->said, link);
        wire_frames_fini (&x->frames);
        free (x);
    }
    o->bytes = 0;
}

void opening_fini (struct opening *o)
{
    drop_said (o);
    free (o->texts);
    o->texts = NULL;
}

struct wire opening_message (const struct opening *o)
{
    struct wire w = {.kind = WIRE_OPEN, .m.open = o->open};
    if (o->open.after.len || o->open.flags & BATCH_ORDERED)
        w.flags = WIRE_FLAG_MUST_UNDERSTAND;
    return w;
}

int opening_say (struct opening *o, struct session *s, struct err *e)
{
    struct wire w = opening_message (o);
    return session_post (s, LANE_CONTROL, &w, e);
}

void opening_post_take (struct opening *o, struct session *s, enum chan_lane lane,
                        struct wire_frames *f)
{
    if (!o->done) {
        struct said *x = mem_zalloc (sizeof *x);
        x->lane = lane;
        x->frames = wire_frames_keep (f);
        o->bytes += wire_frames_bytes (f);
        STAILQ_INSERT_TAIL (&o->said, x, link);
    }
    if (opening_waits (o))
        wire_frames_fini (f);
    else
        session_post_frames_take (s, lane, f);
}

void opening_put_off (struct opening *o, int64_t until_us)
{
    o->again_us = until_us;
}

void opening_say_rest (const struct opening *o, struct session *s)
{
    const struct said *x;
    STAILQ_FOREACH (x, &o->said, link) {
        struct wire_frames f = wire_frames_keep (&x->frames);
        session_post_frames_take (s, x->lane, &f);
    }
}

void opening_again (struct opening *o, struct session *s)
{
    o->again_us = CLOCK_NEVER;
    opening_say (o, s, NULL);
    opening_say_rest (o, s);
}

void opening_done (struct opening *o)
{
    o->done = true;
    o->again_us = CLOCK_NEVER;
    drop_said (o);
}

bool opening_waits (const struct opening *o)
{
    return o->again_us != CLOCK_NEVER;
}
