/* echo_broker: a small broker in a thread, on a real socket, whose tasks return their value; and a
 * handle of the public library on it.
 *
 * Values that mean something: "fail..." ends as failed with status 3; of the output of "cut..."
 * 1000 bytes were not kept; "hold..." is kept until the broker hears CANCEL for it (it then ends as
 * cancelled), or until echo_release().
 */
#ifndef DROVER_TEST_ECHO_BROKER_H
#define DROVER_TEST_ECHO_BROKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"
#include "common/net/link.h"

#define PATIENCE_MS 10000
#define ECHO_BATCHES 1024 /* that one test may open */
#define ECHO_HELD 1000

struct echo_batch {
    uint64_t handle;
    uint64_t record;
    uint64_t rows;
    uint64_t total;
    unsigned held;
    bool closed;
    bool ended;
    bool cancelled;
    char reason[80];
};

struct echo_held {
    uint64_t batch;
    uint64_t row;
};

struct echo_broker {
    pthread_t thread;
    struct link *link;
    int stop[2];
    int release[2];
    uint64_t route;
    uint64_t sent;     /* numbered messages */
    uint64_t received; /* likewise */
    struct echo_batch batches[ECHO_BATCHES];
    struct echo_held held[ECHO_HELD];
    unsigned n_held;
    _Atomic unsigned opens; /* batches that were opened */
    _Atomic unsigned specs;
    _Atomic unsigned cancels; /* CANCEL messages */
    _Atomic uint64_t rows;
    _Atomic bool forget;  /* answer with no_session until the next HELLO */
    bool dumb;            /* after WELCOME */
    _Atomic int refusals; /* CANCEL messages that it cannot carry out now, to come */
};

extern char echo_dir[];
extern char echo_url[];
extern struct echo_broker broker;
extern drover_t *h;
extern drover_error_t error;

/* A fixture: the broker, and a handle on it. */
int echo_setup (void **state);
int echo_teardown (void **state);

/* All rows that are held end now; what was submitted has come there before. */
void echo_release (void);

/* The broker says that it stops. */
void echo_leave (void);

/* The broker is gone for good. */
void echo_stop (void);

drover_spec_t *echo_spec (void);

#endif
