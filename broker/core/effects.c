#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

static struct effect *add (struct effects *fx, enum effect_kind kind)
{
    if (fx->n == fx->size) {
        fx->size = fx->size ? fx->size * 2 : 32;
        fx->at = mem_resize (fx->at, fx->size, sizeof *fx->at);
    }
    struct effect *e = &fx->at[fx->n++];
    *e = (struct effect){.kind = kind};
    return e;
}

void effect_record (struct effects *fx, uint64_t batch, const struct wire *w)
{
    struct wire_frames f;
    if (wire_encode (w, &f, NULL) < 0)
        return; /* it came from the wire, so it fits on the wire */
    struct effect *e = add (fx, EFFECT_RECORD);
    e->batch = batch;
    e->frames = f;
}

void effect_send_take (struct effects *fx, uint64_t route, struct wire_frames *f)
{
    struct effect *e = add (fx, EFFECT_SEND);
    e->route = route;
    e->frames = *f;
    *f = (struct wire_frames){0};
}

void effect_log (struct effects *fx, enum log_level level, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start (ap, fmt);
    if (vasprintf (&text, fmt, ap) < 0)
        text = NULL;
    va_end (ap);
    struct effect *e = add (fx, EFFECT_LOG);
    e->level = level;
    e->text = text;
}

void effect_stop (struct effects *fx)
{
    add (fx, EFFECT_STOP);
}

void effects_clear (struct effects *fx)
{
    for (size_t i = 0; i < fx->n; i++) {
        wire_frames_fini (&fx->at[i].frames);
        free (fx->at[i].text);
    }
    fx->n = 0;
}

void effects_fini (struct effects *fx)
{
    effects_clear (fx);
    free (fx->at);
    *fx = (struct effects){0};
}
