/* exec_rig: a test that is the agent of one real executor.
 *
 * Commands run as real processes. Waiting is for a message or an end of a process, with a deadline
 * that fails the test; nothing sleeps for luck.
 */
#ifndef DROVER_TESTS_UNIT_EXEC_RIG_H
#define DROVER_TESTS_UNIT_EXEC_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/wire/outcome.h"
#include "common/wire/wire.h"
#include "worker/exec/cgroup.h"
#include "worker/exec/control.h"
#include "worker/exec/executor.h"
#include "worker/exec/framing.h"

#define EXEC_BATCH 77
#define EXEC_WAIT_MS 20000

/* The latest outcome of a row, with copies of its texts. */
struct exec_result {
    struct outcome o;
    char reason[512];
    struct buf out; /* OUTPUT and outcome together */
    struct buf err;
    bool gap; /* a piece did not begin where the last ended */
};

struct exec_rig {
    pid_t pid;
    struct framing *stream;
    struct control *control;
    uint64_t runs;
    uint64_t outcomes;    /* that came */
    uint64_t last_record; /* of RESULTS */
    uint64_t input_taken;
    bool paused; /* do not read */
    bool over;   /* the stream ended */
    struct exec_result last;
};

/* What a test wants of a spec; what is 0 is usual. */
struct exec_spec {
    uint64_t number;
    unsigned form;
    const char *line;        /* FORM_SHELL: the words of the command, {} in it is replaced */
    const char *const *argv; /* FORM_ARGV: NULL behind the last */
    const char *function;
    uint64_t flags, timeout_ms, grace_ms, steps, keep_bytes;
    const char *dir;
    const char *shell;
    const char *const *env; /* NULL: PATH and PWD */
};

/* Fork an executor, and become its agent. */
void exec_start (struct exec_rig *r, enum executor_kind kind);

/* The same with tasks in leaves below this cgroup. */
void exec_start_in (struct exec_rig *r, enum executor_kind kind, const struct cgroup *cgroup);

/* Around an executor that a launcher made: takes both descriptors. */
void exec_attach (struct exec_rig *r, pid_t pid, int socket_fd, int control_fd);

/* Close the stream and free what the rig holds. */
void exec_drop (struct exec_rig *r);

/* exec_drop(), then wait for its end (unless that was waited for), and check that nothing is left.
 * Returns its wait status. */
int exec_stop (struct exec_rig *r);

void exec_send (struct exec_rig *r, struct wire *w);
void exec_spec (struct exec_rig *r, const struct exec_spec *s);

/* RUN `count` rows from `first` on, of a body made with row_begin() and row_value(). */
void exec_run_rows (struct exec_rig *r, uint64_t spec, uint64_t first, uint32_t count,
                    const struct buf *rows);

/* RUN one row, numbered `row`, with these values (NULL behind the last). */
void exec_run (struct exec_rig *r, uint64_t spec, uint64_t row, const char *const *values);

/* Spec 0 and one row of it, 0, then its outcome. */
struct exec_result *exec_one (struct exec_rig *r, const struct exec_spec *s,
                              const char *const *values);

void exec_cancel (struct exec_rig *r, uint64_t row, uint64_t grace_ms, bool kill);
void exec_input (struct exec_rig *r, uint64_t row, uint64_t offset, const void *bytes, size_t len,
                 bool eof);

/* Read and write what there is, waiting at most `ms` for something. */
void exec_pump (struct exec_rig *r, int ms);

/* Until so many outcomes have come in all, or the stream ended. Fails the test after
 * EXEC_WAIT_MS. */
void exec_await (struct exec_rig *r, uint64_t outcomes);

/* Wait until it says (once more) that so much of its live input was taken. */
void exec_await_input (struct exec_rig *r, uint64_t offset);

/* Forget the last result's output. */
void exec_clear (struct exec_rig *r);

/* `condition (arg)` until it is true, looking every few milliseconds; fails the test after
 * EXEC_WAIT_MS. */
void exec_wait_until (bool (*condition) (void *arg), void *arg, const char *what);

/* --- processes that are left ---------------------------------------------------------------- */

/* Processes, zombies left out, that have this text in their command line. */
unsigned exec_count (const char *marker);

/* Wait until there are at least / exactly so many. */
void exec_wait_count_from (const char *marker, unsigned least);
void exec_wait_count (const char *marker, unsigned count);

/* After a failure: KILL those with the marker, and this process's children, so that a test that
 * fails leaves nothing. Returns -1 when there were any. */
int exec_sweep (const char *marker);

/* A shell line that starts five kinds of process that are hard to get rid of, each a sleep with
 * `marker` as argument, then says "ready" and waits: a child, a setsid child, one that ignores
 * TERM, a double fork, and itself. */
const char *exec_evil_line (const char *marker);
#define EXEC_EVIL 5 /* processes of it that exec_count() finds at least */

/* A number of seconds, for sleep, that no other test run uses. */
void exec_marker (char marker[32]);

#endif
