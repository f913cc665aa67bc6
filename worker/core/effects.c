/* Effects: the list of what is to be done. Bounded by the events of a turn. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/core/core.h"

struct agent_effect *fx_add (struct agent_effects *fx, enum agent_effect_kind kind)
{
    if (fx->n == fx->size) {
        fx->size = fx->size ? fx->size * 2 : 16;
        fx->at = mem_resize (fx->at, fx->size, sizeof *fx->at);
    }
    struct agent_effect *x = &fx->at[fx->n++];
    *x = (struct agent_effect){.kind = kind};
    return x;
}

void agent_effects_clear (struct agent_effects *fx)
{
    for (size_t i = 0; i < fx->n; i++) {
        wire_frames_fini (&fx->at[i].frames);
        free (fx->at[i].text);
    }
    fx->n = 0;
}

void agent_effects_fini (struct agent_effects *fx)
{
    agent_effects_clear (fx);
    free (fx->at);
    *fx = (struct agent_effects){0};
}

void fx_log (struct agent_effects *fx, enum log_level level, const char *fmt, ...)
{
    char text[500];
    va_list ap;
    va_start (ap, fmt);
    vsnprintf (text, sizeof text, fmt, ap);
    va_end (ap);
    struct agent_effect *x = fx_add (fx, AGENT_DO_LOG);
    x->level = level;
    x->text = mem_strdup (text);
}

void fx_exit (struct agent_effects *fx, int status)
{
    fx_add (fx, AGENT_DO_EXIT)->status = status;
}

int fx_send (struct agent_effects *fx, uint32_t executor, const struct wire *w)
{
    struct wire_frames f;
    if (wire_encode (w, &f, NULL) < 0)
        return -1;
    struct agent_effect *x = fx_add (fx, AGENT_DO_SEND);
    x->executor = executor;
    x->frames = f;
    return 0;
}
