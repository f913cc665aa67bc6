/* Apply: effects of the core, in their order. Requests that the launcher does not take at once are
 * kept, and none overtakes them.
 */
#include <string.h>

#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "worker/worker.h"

enum { LINGER_MS = 0 };

static int ask (struct worker *w, const struct request *r, struct err *e)
{
    switch (r->kind) {
    case AGENT_DO_NEW:
        return launcher_new (w->launcher_fd, (enum executor_kind)r->executor_kind, e);
    case AGENT_DO_KILL:
        return launcher_kill (w->launcher_fd, r->executor, e);
    case AGENT_DO_WATCH:
        return launcher_watch (w->launcher_fd, r->on, e);
    default:
        return launcher_token (w->launcher_fd, r->token, e);
    }
}

void apply_request (struct worker *w, const struct request *r)
{
    struct err e;
    if (!w->n_requests && ask (w, r, &e) == 0)
        return;
    if (w->n_requests == w->requests_size) {
        w->requests_size = w->requests_size ? 2 * w->requests_size : 16;
        w->requests = mem_resize (w->requests, w->requests_size, sizeof *w->requests);
    }
    w->requests[w->n_requests++] = *r;
}

void apply_requests (struct worker *w)
{
    struct err e;
    size_t done = 0;
    while (done < w->n_requests && ask (w, &w->requests[done], &e) == 0)
        done++;
    w->n_requests -= done;
    memmove (w->requests, w->requests + done, w->n_requests * sizeof *w->requests);
}

static void reconnect (struct worker *w)
{
    struct err e;
    broker_disconnect (w, LINGER_MS);
    if (broker_connect (w, &e) < 0)
        log_event (LOG_WARN, "%s", e.text);
}

static void apply (struct worker *w, struct agent_effect *x)
{
    switch (x->kind) {
    case AGENT_DO_SEND:
        executor_send (w, x->executor, &x->frames);
        break;
    case AGENT_DO_NEW:
    case AGENT_DO_KILL:
    case AGENT_DO_TOKEN:
    case AGENT_DO_WATCH:
        apply_request (w, &(struct request){.kind = x->kind,
                                            .executor_kind = x->executor_kind,
                                            .executor = x->executor,
                                            .token = x->token,
                                            .on = x->on});
        break;
    case AGENT_DO_PAUSE:
        executors_pause (w, x->on);
        break;
    case AGENT_DO_RECONNECT:
        reconnect (w);
        break;
    case AGENT_DO_EXIT:
        FAULT_POINT ("agent-leaves");
        w->leaving = true;
        w->status = x->status;
        break;
    case AGENT_DO_LOG:
        log_event (x->level, "%s", x->text);
        break;
    }
}

void apply_effects (struct worker *w)
{
    if (w->n_requests)
        apply_requests (w);
    for (size_t i = 0; i < w->fx.n; i++)
        apply (w, &w->fx.at[i]);
    agent_effects_clear (&w->fx);
}
