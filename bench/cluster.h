/* cluster: a broker, and a worker beside it, as processes of a bench program.
 *
 * They live in a temporary directory of their own, and are ended with the program, also by
 * bench_die(). Failures are fatal, as in child.h.
 */
#ifndef DROVER_BENCH_CLUSTER_H
#define DROVER_BENCH_CLUSTER_H

#include <stdint.h>
#include <sys/types.h>

#include "client/drover.h"

struct cluster;

/* Start a broker on "tcp" (loopback) or "ipc" and wait until it listens. One for each program. */
struct cluster *cluster_start (const char *transport);

/* The same, with a state directory: what is acknowledged is on the disk. */
struct cluster *cluster_start_durable (const char *transport);

/* Kill the broker (-9), and start it again on its state: microseconds until it listens. Only of a
 * durable one without a worker or a session. */
int64_t cluster_restart (struct cluster *c);

/* Start a worker with that many slots. */
void cluster_worker (struct cluster *c, unsigned slots);

/* A session with the broker, named or fatal. */
drover_t *cluster_open (const struct cluster *c);

pid_t cluster_broker_pid (const struct cluster *c);

/* Processor time used so far by broker and worker with all their processes, and by this program. */
int64_t cluster_cpu_us (const struct cluster *c);

#endif
