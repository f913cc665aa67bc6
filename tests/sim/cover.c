#include "tests/sim/cover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"

enum { KINDS = 128 };

struct cover {
    uint64_t met[RECEIVERS][STATES_MAX][KINDS];
};

struct place {
    const char *name;
    unsigned n_states;
    const char *states[STATES_MAX];
};

static const struct place PLACES[RECEIVERS] = {
    [AT_BROKER] = {"broker",
                   BROKER_STATES,
                   {[BROKER_NO_SESSION] = "without a session",
                    [BROKER_CLIENT] = "with a client",
                    [BROKER_CLIENT_SHUT] = "with a client held back",
                    [BROKER_WORKER] = "with a worker",
                    [BROKER_WORKER_SUSPECT] = "with a suspect worker",
                    [BROKER_WORKER_DRAINING] = "with a draining worker",
                    [BROKER_WORKER_HOLDING] = "with a worker of before"}},
    [AT_WORKER] = {"worker",
                   WORKER_STATES,
                   {[WORKER_CALLING] = "calling",
                    [WORKER_LIVE] = "live",
                    [WORKER_DRAINING] = "draining",
                    [WORKER_LEAVING] = "leaving"}},
    [AT_CLIENT] =
        {"client",
         CLIENT_STATES,
         {[CLIENT_CALLING] = "calling", [CLIENT_OPEN] = "open", [CLIENT_LEAVING] = "leaving"}},
    [AT_AGENT] = {"agent",
                  WORKER_STATES,
                  {[WORKER_CALLING] = "calling",
                   [WORKER_LIVE] = "live",
                   [WORKER_DRAINING] = "draining",
                   [WORKER_LEAVING] = "leaving"}},
};

/* What the broker says to whom: wire.def knows only that it is the broker's. */
static const unsigned TO_WORKERS[] = {WIRE_WELCOME, WIRE_PONG,      WIRE_ACK,         WIRE_ERROR,
                                      WIRE_BYE,     WIRE_BYE_OK,    WIRE_SPEC,        WIRE_INPUT,
                                      WIRE_GRANT,   WIRE_TAKE_BACK, WIRE_CANCEL_ROWS, WIRE_SIGNAL,
                                      WIRE_DRAIN,   WIRE_FORGET,    WIRE_PEEK,        0};
static const unsigned TO_CLIENTS[] = {
    WIRE_WELCOME, WIRE_PING,        WIRE_PONG,    WIRE_ACK,    WIRE_ERROR,
    WIRE_BYE,     WIRE_BYE_OK,      WIRE_RESULTS, WIRE_OUTPUT, WIRE_END,
    WIRE_REPLY,   WIRE_INPUT_TAKEN, WIRE_NOTICE,  WIRE_OPENED, 0};

/* What cannot be, and why. A state of ANY means every state. */
enum { ANY_STATE = STATES_MAX };

struct never {
    enum receiver at;
    unsigned state;
    unsigned kind;
    const char *why;
};

static const char PINGS_CLIENTS[] = "the broker pings clients only (sessions_tick)";
static const char LAST_WORD[] =
    "BYE is the broker's last turn (sched_step), or the end of the session (turn_out)";
static const char NO_WAY_BACK[] =
    "it answers BYE, behind which no other state comes (say_bye, session_bye)";
static const char ONE_HELLO[] =
    "HELLO is said over a connection again only when the one before was answered (call_soon, "
    "on_no_session), and then nothing but its answer brings these states back";

static const char NO_GAP[] =
    "HELLO comes over its session's own route only behind NO_SESSION, for a gap (none within a "
    "connection: in_order) or a store that took nothing; then a worker has yet to say what it "
    "holds (restored_back, degraded_tell)";

static const struct never NEVER[] = {
    {AT_BROKER, ANY_STATE, WIRE_ERROR, "peers say no errors"},
    {AT_BROKER, ANY_STATE, WIRE_STOP, "here brokers are stopped from outside"},
    {AT_BROKER, BROKER_WORKER, WIRE_PONG, PINGS_CLIENTS},
    {AT_BROKER, BROKER_WORKER_SUSPECT, WIRE_PONG, PINGS_CLIENTS},
    {AT_BROKER, BROKER_WORKER_DRAINING, WIRE_PONG, PINGS_CLIENTS},
    {AT_BROKER, BROKER_WORKER_HOLDING, WIRE_PONG, PINGS_CLIENTS},
    {AT_BROKER, BROKER_WORKER, WIRE_HELLO, NO_GAP},
    {AT_BROKER, BROKER_WORKER_SUSPECT, WIRE_HELLO, NO_GAP},
    {AT_BROKER, BROKER_WORKER_DRAINING, WIRE_HELLO, NO_GAP},
    {AT_BROKER, BROKER_CLIENT, WIRE_BYE_OK, LAST_WORD},
    {AT_BROKER, BROKER_CLIENT_SHUT, WIRE_BYE_OK, LAST_WORD},
    {AT_BROKER, BROKER_WORKER, WIRE_BYE_OK, LAST_WORD},
    {AT_BROKER, BROKER_WORKER_SUSPECT, WIRE_BYE_OK, LAST_WORD},
    {AT_BROKER, BROKER_WORKER_DRAINING, WIRE_BYE_OK, LAST_WORD},
    {AT_BROKER, BROKER_WORKER_HOLDING, WIRE_BYE_OK, LAST_WORD},
    {AT_WORKER, WORKER_CALLING, WIRE_BYE_OK, NO_WAY_BACK},
    {AT_WORKER, WORKER_LIVE, WIRE_BYE_OK, NO_WAY_BACK},
    {AT_WORKER, WORKER_DRAINING, WIRE_BYE_OK, NO_WAY_BACK},
    {AT_CLIENT, CLIENT_CALLING, WIRE_BYE_OK, NO_WAY_BACK},
    {AT_CLIENT, CLIENT_OPEN, WIRE_BYE_OK, NO_WAY_BACK},
    {AT_WORKER, WORKER_LIVE, WIRE_WELCOME, ONE_HELLO},
    {AT_WORKER, WORKER_DRAINING, WIRE_WELCOME, ONE_HELLO},
    {AT_WORKER, WORKER_LEAVING, WIRE_WELCOME, ONE_HELLO},
    {AT_CLIENT, CLIENT_OPEN, WIRE_WELCOME, ONE_HELLO},
};

struct cover *cover_new (void)
{
    return mem_zalloc (sizeof (struct cover));
}

void cover_free (struct cover **c)
{
    free (*c);
    *c = NULL;
}

void cover_met (struct cover *c, enum receiver at, unsigned state, enum wire_kind kind)
{
    if ((unsigned)kind < KINDS)
        c->met[at][state][kind]++;
}

static bool is_in (const unsigned *kinds, unsigned kind)
{
    while (*kinds && *kinds != kind)
        kinds++;
    return *kinds;
}

static bool is_said (enum receiver at, unsigned state, unsigned kind)
{
    bool client = wire_may_send (SENDER_C, kind);
    bool worker = wire_may_send (SENDER_W, kind);
    switch (at) {
    case AT_WORKER:
        return is_in (TO_WORKERS, kind);
    case AT_CLIENT:
        return is_in (TO_CLIENTS, kind);
    case AT_AGENT:
        return wire_may_send (SENDER_X, kind);
    default:
        if (state == BROKER_NO_SESSION)
            return client || worker;
        return state == BROKER_CLIENT || state == BROKER_CLIENT_SHUT ? client : worker;
    }
}

static const struct never *why_never (enum receiver at, unsigned state, unsigned kind)
{
    for (size_t i = 0; i < sizeof NEVER / sizeof *NEVER; i++)
        if (NEVER[i].at == at && (NEVER[i].state == ANY_STATE || NEVER[i].state == state) &&
            NEVER[i].kind == kind)
            return &NEVER[i];
    return NULL;
}

static bool can_be (enum receiver at, unsigned state, unsigned kind)
{
    return is_said (at, state, kind) && !why_never (at, state, kind);
}

/* A claim that is wrong is said; whether it is one. */
static bool print_wrong (const struct cover *c, enum receiver at, unsigned state, unsigned kind)
{
    const struct never *never = why_never (at, state, kind);
    if (!never || !c->met[at][state][kind])
        return false;
    printf ("came to the %s %s, and cannot: %s: %s\n", PLACES[at].name, PLACES[at].states[state],
            wire_name (kind), never->why);
    return true;
}

/* One line, if there is something to say. */
static void print_missing (const struct cover *c, enum receiver at, unsigned state)
{
    bool any = false;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        if (!can_be (at, state, kind) || c->met[at][state][kind])
            continue;
        if (!any)
            printf ("never came to the %s %s:", PLACES[at].name, PLACES[at].states[state]);
        any = true;
        printf (" %s", wire_name (kind));
    }
    if (any)
        putchar ('\n');
}

struct share {
    unsigned met, pairs;
};

static struct share share_of (const struct cover *c)
{
    struct share x = {0, 0};
    for (unsigned at = 0; at < RECEIVERS; at++)
        for (unsigned state = 0; state < PLACES[at].n_states; state++)
            for (unsigned kind = 0; kind < KINDS; kind++) {
                bool can = can_be ((enum receiver)at, state, kind);
                x.pairs += can;
                x.met += can && c->met[at][state][kind];
            }
    return x;
}

unsigned cover_permille (const struct cover *c)
{
    struct share x = share_of (c);
    return x.pairs ? x.met * 1000 / x.pairs : 1000;
}

unsigned cover_print (const struct cover *c)
{
    struct share x = share_of (c);
    bool wrong = false;
    for (unsigned at = 0; at < RECEIVERS; at++)
        for (unsigned state = 0; state < PLACES[at].n_states; state++) {
            for (unsigned kind = 0; kind < KINDS; kind++)
                wrong |= print_wrong (c, (enum receiver)at, state, kind);
            print_missing (c, (enum receiver)at, state);
        }
    printf ("%u of %u pairs of message and state met\n", x.met, x.pairs);
    return wrong ? 0 : cover_permille (c);
}
