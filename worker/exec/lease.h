/* lease: until when a row that must never run twice at one time may run, though the agent says
 * nothing more.
 *
 * The agent writes the lease of an exclusive row into the page it shares with the row's executor
 * (control.h), and renews it whenever the broker has answered. An agent that lives ends such rows
 * by itself when the time has come. One that is stopped, or does not get on, cannot: so executors
 * and the launcher look as well, and act in steps behind it. All of them are done within the
 * margin, after which the broker may give the row to another worker:
 *
 *     until      + 1/8 margin    + 3/8 margin    + 1/2 margin              + margin
 *     the agent  executor: TERM  executor: KILL  launcher: kills executor  the broker gives it away
 *
 * A machine that was suspended, or a worker that was stopped as a whole, finds all leases passed at
 * once when it goes on; then the agent is to have its turn first. So time alone does not count: who
 * looks must have looked several times since, some time apart.
 */
#ifndef DROVER_WORKER_EXEC_LEASE_H
#define DROVER_WORKER_EXEC_LEASE_H

#include <stdint.h>

struct lease {
    int64_t until_us;  /* monotonic; 0: none, the row may run for ever */
    int64_t margin_us; /* from then until the broker may give the row away */
};

enum lease_state { LEASE_HOLDS, LEASE_TERM, LEASE_KILL, LEASE_OVER };

/* What one of those who look remembers; zeroed at first. */
struct lease_watch {
    int64_t until_us; /* of the lease that was found passed; 0: none was */
    int64_t looked_us;
    unsigned looks;
};

/* Look at a lease: what is to be done about it now. */
enum lease_state lease_look (struct lease_watch *w, struct lease l, int64_t now_us);

/* When to look again; CLOCK_NEVER: not before there is another lease. */
int64_t lease_deadline (const struct lease_watch *w, struct lease l);

#endif
