/* On broker: the link. What comes in becomes events; what the core wants sent goes out as far as
 * the socket takes it, the rest stays with the core.
 */
#include <errno.h>

#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "worker/worker.h"

enum { MESSAGES_A_TURN = 256 }; /* executors get their turn */

static void on_frames (struct worker *w, struct wire_frames *f)
{
    struct wire m;
    struct err e;
    struct agent_event ev = {.kind = AGENT_MESSAGE, .message = &m};
    if (wire_decode (&m, f, NULL, &e) < 0) {
        ev.kind = AGENT_MALFORMED;
        ev.text = e.text;
    }
    turn_event (w, &ev);
    FAULT_POINT_OF ("agent-takes", wire_name (m.kind));
    wire_fini (&m);
    wire_frames_fini (f);
}

static void on_link (void *arg, struct link *l)
{
    struct worker *w = arg;
    for (int n = 0; n < MESSAGES_A_TURN; n++) {
        struct wire_frames f;
        uint64_t route;
        int rc = link_receive (l, &route, &f);
        if (rc == 0)
            return;
        if (rc > 0)
            on_frames (w, &f);
        else
            turn_event (w, &(struct agent_event){.kind = AGENT_MALFORMED,
                                                 .text = "a message of too many frames"});
    }
    w->more = true;
}

int broker_connect (struct worker *w, struct err *e)
{
    w->link = link_connect (w->o->broker, e);
    if (!w->link)
        return -1;
    w->blocked = false;
    return loop_add_link (w->loop, w->link, on_link, w, e);
}

void broker_disconnect (struct worker *w, int linger_ms)
{
    if (!w->link)
        return;
    loop_remove_link (w->loop, w->link);
    link_close (&w->link, linger_ms);
}

void broker_transmit (struct worker *w)
{
    struct wire_frames f;
    w->blocked = false;
    while (agent_transmit (w->agent, &f)) {
        FAULT_POINT_OF ("agent-sends", wire_name (wire_frames_kind (&f)));
        if (w->link && link_send (w->link, 0, &f) == 0) {
            wire_frames_fini (&f);
            continue;
        }
        agent_unsent_take (w->agent, &f);
        w->blocked = w->link != NULL;
        return;
    }
}
