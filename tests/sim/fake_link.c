#include "tests/sim/fake_link.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"

struct mail {
    uint64_t route;
    struct wire_frames f;
    bool bad;
    STAILQ_ENTRY (mail) link;
};

struct link {
    fake_link_send_fn *send;
    void *arg;
    STAILQ_HEAD (, mail) inbox;
};

struct link *fake_link_new (fake_link_send_fn *send, void *arg)
{
    struct link *l = mem_zalloc (sizeof *l);
    l->send = send;
    l->arg = arg;
    STAILQ_INIT (&l->inbox);
    return l;
}

static struct mail *first_out (struct link *l)
{
    struct mail *m = STAILQ_FIRST (&l->inbox);
    if (m)
        STAILQ_REMOVE_HEAD (&l->inbox, link);
    return m;
}

void fake_link_free (struct link **lp)
{
    struct link *l = *lp;
    struct mail *m;
    *lp = NULL;
    if (!l)
        return;
    while ((m = first_out (l))) {
        wire_frames_fini (&m->f);
        free (m);
    }
    free (l);
}

static struct mail *push (struct link *l, uint64_t route)
{
    struct mail *m = mem_zalloc (sizeof *m);
    m->route = route;
    STAILQ_INSERT_TAIL (&l->inbox, m, link);
    return m;
}

void fake_link_push_take (struct link *l, uint64_t route, struct wire_frames *f)
{
    push (l, route)->f = *f;
    *f = (struct wire_frames){0};
}

void fake_link_push_bad (struct link *l, uint64_t route)
{
    push (l, route)->bad = true;
}

int link_send (struct link *l, uint64_t route, struct wire_frames *f)
{
    int code = l->send (l->arg, route, f);
    if (code == 0) {
        *f = (struct wire_frames){0};
        return 0;
    }
    errno = code;
    return -1;
}

int link_receive (struct link *l, uint64_t *route, struct wire_frames *f)
{
    struct mail *m = first_out (l);
    if (!m)
        return 0;
    bool bad = m->bad;
    *route = m->route;
    *f = m->f;
    free (m);
    return bad ? -1 : 1;
}
