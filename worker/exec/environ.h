/* environ: the environment of tasks.
 *
 * Built once for a spec from what its client sent; only the variables that tell one task from the
 * next are written anew. Nothing comes from the executor's own environment.
 */
#ifndef DROVER_WORKER_EXEC_ENVIRON_H
#define DROVER_WORKER_EXEC_ENVIRON_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

struct environ;

/* From a body that holds one row of NAME=value (rows.h; empty: no variables). Left out are: what is
 * no assignment or holds a NUL, names that environ_for() sets, and DROVER_ names with SECRET in
 * them. `dir` is the task's directory (may be empty): PWD is made to name it where it does not
 * already, as a shell would. Fails when the body is no row or there is no memory. */
struct environ *environ_new (struct bytes row, const char *dir, struct err *e);
void environ_free (struct environ **env);

/* The value of a variable the client sent, or NULL. */
const char *environ_get (const struct environ *env, const char *name);

struct environ_task {
    uint64_t batch;
    uint64_t row; /* from 0 */
    uint64_t attempt;
    uint64_t slot;
    int64_t deadline_us; /* wall clock; 0: none */
    pid_t parent;        /* PARALLEL_PID */
    int cancel_fd;       /* DROVER_CANCEL_FD; 0: none */
};

/* The vector for execve(); valid until the next call. */
char *const *environ_for (struct environ *env, const struct environ_task *t);

#endif
