#include "client/lib/unsent.h"

struct search {
    uint64_t handle;
    uint64_t first;
};

static bool look (void *arg, const struct wire_frames *f)
{
    struct search *x = arg;
    struct wire w;
    if (wire_frames_kind (f) != WIRE_ROWS || wire_decode (&w, f, NULL, NULL) != 0)
        return false;
    if (w.m.rows.batch == x->handle)
        x->first = w.m.rows.first;
    wire_fini (&w);
    return x->first != UINT64_MAX;
}

uint64_t unsent_first (const struct session *s, uint64_t handle)
{
    struct search x = {handle, UINT64_MAX};
    session_find_bulk (s, look, &x);
    return x.first;
}
