/* worker: the thin shell around the agent's core. Messages of the broker, of executors and of the
 * launcher become events; effects become messages, requests and log lines.
 *
 *     wait -> clock -> drain descriptors and link -> events -> end of turn -> effects -> transmit
 *
 * One process, one thread, forked by the launcher before any ZeroMQ context exists.
 *
 *     turn.c         the loop: one turn after another
 *     on_broker.c    the link: read, transmit, connect again
 *     on_executor.c  executors' sockets and pages, the launcher's answers
 *     apply.c        effects
 */
#ifndef DROVER_WORKER_WORKER_H
#define DROVER_WORKER_WORKER_H

#include "common/base/hash.h"
#include "common/net/loop.h"
#include "worker/core/agent.h"
#include "worker/exec/control.h"
#include "worker/exec/framing.h"
#include "worker/exec/launcher.h"
#include "worker/exec/survey.h"
#include "worker/options.h"

struct member { /* an executor */
    uint32_t number;
    struct framing *framing;
    struct control *page;
    uint64_t last_record; /* of its RESULTS */
    bool ended;           /* its socket says no more */
    bool unsent;          /* has something to write */
    UT_hash_handle hh;
};

struct request { /* to the launcher, which did not take it yet */
    enum agent_effect_kind kind;
    enum agent_kind executor_kind;
    uint32_t executor;
    uint64_t token;
    bool on;
};

/* What the process knew before it forked its agent. */
struct setup {
    struct options o;
    struct survey functions;
};

struct worker {
    const struct options *o;
    const struct survey *functions;
    struct agent *agent;
    struct agent_effects fx;
    struct loop *loop;
    struct link *link; /* NULL: none could be made */
    struct member *members;
    int epoll_fd; /* of the members' sockets */
    int launcher_fd;
    int signal_fd;
    struct request *requests;
    size_t n_requests;
    size_t requests_size;
    int64_t now_us;
    bool began;   /* a turn */
    bool more;    /* the broker's messages were not read to their end */
    bool paused;  /* executors are not read */
    bool blocked; /* the link took no more */
    bool unsent;  /* a member has something to write */
    bool leaving;
    int status;
};

/* Be the agent until it is over; the exit status. A launcher_agent_fn, `arg` is struct setup. */
int worker_agent (const struct launcher_start *start, void *arg);

/* --- turn.c --- */
/* The clock is read once a turn. */
void turn_begin (struct worker *w);
void turn_event (struct worker *w, const struct agent_event *ev);

/* --- on_broker.c --- */
int broker_connect (struct worker *w, struct err *e);
void broker_disconnect (struct worker *w, int linger_ms);
void broker_transmit (struct worker *w);

/* --- on_executor.c --- */
int executors_open (struct worker *w, struct err *e);
void executors_close (struct worker *w);
void executor_send (struct worker *w, uint32_t number, const struct wire_frames *f);
/* Write what is queued, as far as sockets take it. */
void executors_flush (struct worker *w);
/* Stop, or go on, reading what executors say. */
void executors_pause (struct worker *w, bool pause);
/* The launcher answers, and tells who died. */
void on_launcher (void *arg, int fd, short events);
struct agent_pages executors_pages (struct worker *w);

/* --- apply.c --- */
void apply_effects (struct worker *w);
/* Ask the launcher for what it did not take before. */
void apply_requests (struct worker *w);
void apply_request (struct worker *w, const struct request *r);

#endif
