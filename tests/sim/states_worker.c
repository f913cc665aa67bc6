#include "tests/sim/states.h"
#include "worker/core/core.h"

enum worker_state state_at_worker (const struct agent *a)
{
    if (a->session.state == SESSION_CALLING)
        return WORKER_CALLING;
    if (a->session.state != SESSION_LIVE)
        return WORKER_LEAVING;
    return a->drain == DRAIN_NOT ? WORKER_LIVE : WORKER_DRAINING;
}
