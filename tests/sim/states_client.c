#include "client/lib/core.h"
#include "tests/sim/states.h"

enum client_state state_at_client (const struct core *c, bool said_bye)
{
    if (said_bye)
        return CLIENT_LEAVING;
    return session_state (c->session) == SESSION_OPEN ? CLIENT_OPEN : CLIENT_CALLING;
}
