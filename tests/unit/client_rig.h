/* client_rig: the client's core with one batch of three rows, and a broker made of single messages.
 */
#ifndef DROVER_TEST_CLIENT_RIG_H
#define DROVER_TEST_CLIENT_RIG_H

#include "client/lib/core.h"
#include "common/base/clock.h"
#include "common/wire/outcome.h"

#define SECOND ((int64_t)US_PER_S)

extern struct core core;
extern struct store store;
extern struct batch batch;
extern int64_t now;
extern const drover_event_t *event; /* the present one */

/* A fixture: a session is open, a batch too. The second with a broker that keeps its state, and a
 * batch with the key "key". */
int setup (void **state);
int setup_durable (void **state);
int teardown (void **state);

/* A message of the broker; it gets its number here. */
void comes (struct wire w);

/* WELCOME on a new connection. */
void welcome (uint64_t broker, uint64_t token, bool resumed);

/* The broker is restarted, and welcomes the client to a new session. */
void restart (void);

/* What it offers from the next WELCOME on. */
void set_durable (bool durable);

/* The next numbered message that leaves, or kind 0. */
struct wire leaves (void);

/* All that can leave does; whether it arrives is another matter. */
void all_leave (void);

/* Let all leave, and acknowledge it. */
void acknowledge_all (void);

/* What leaves next is of this kind; 0: nothing does. Returns it, for wire_fini(). */
struct wire expect_leaves (unsigned kind);
void expect_leave (unsigned kind);

/* The kind of the next event, or -1. */
int next (void);
void expect_nothing (void);
void expect_result (uint64_t row, int how, const char *out);

void add_rows (struct batch *b, unsigned count);
void add_spec (struct batch *b, uint64_t flags);

/* Another batch in place of the present one. */
void open_batch (uint64_t flags, unsigned rows);

/* RESULTS; its body is good until the next one is made. */
struct wire results (uint64_t record, const struct outcome *o, unsigned count);
void comes_done (uint64_t record, uint64_t row, const char *out);
void comes_output (uint64_t record, uint64_t row, uint64_t attempt, uint64_t offset,
                   const char *bytes);
void comes_end (uint64_t state);
void opened (uint64_t id);

/* The batch is open, and all that was said of it acknowledged. */
void all_acknowledged (void);

/* The next event says so. */
void connected (void);

/* The batch has ended before its time, for this reason; what had no result is counted. */
void expect_broken (const char *why);

/* A request of this handle: its ref. */
uint64_t ask (struct wire w, uint64_t handle);

#endif
