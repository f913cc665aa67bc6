/* The phases of a task:
 *   RUNNING   its main process lives
 *   DRAINING  that has ended; somebody may still hold its pipes: 200 ms for them. When the task was
 *             told to end, those it left have the rest of their grace
 *   CLEANING  what is left is killed, until waitpid() knows no child any more, and the leaf is
 * empty READING   what is in the pipes now is all there is SENDING   what was kept back for the
 * end, then the outcome In the usual case main process, pipes and children end together, and one
 * turn passes them all. Nobody is waited for without a limit, but the agent, when the stream is
 * full.
 */
#include "worker/exec/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/mem.h"
#include "common/wire/outcome.h"
#include "worker/exec/capture.h"
#include "worker/exec/ending.h"
#include "worker/exec/executor.h"
#include "worker/exec/input.h"
#include "worker/exec/start.h"
#include "worker/exec/tree.h"

#define DRAIN_US (200 * US_PER_MS)     /* for who holds the pipes after the main process */
#define KILL_AGAIN_US (10 * US_PER_MS) /* between two looks for what is left */
#define UNKILLABLE_US (5 * US_PER_S)   /* then it is left to the launcher */
#define STREAM_FULL (256u << 10)       /* bytes queued: read no more */
#define READS_A_TURN 16

enum { PEEKS = 64, PEEK_BYTES = 64 << 10 };

enum phase { IDLE, RUNNING, DRAINING, CLEANING, READING, SENDING };

struct command {
    struct framing *stream;
    struct control *control;
    struct leaf *leaf; /* where its processes are, unless it may leave some */
    struct starter starter;
    struct capture out, err;
    struct input in;
    struct buf packed;
    enum phase phase;
    /* the row */
    uint64_t batch;
    uint64_t flags; /* of its spec */
    uint64_t steps;
    uint64_t grace_ms;
    uint64_t timeout_ms;
    struct outcome o;
    char reason[400];
    int cancel[2]; /* the pipe that tells the task that it is to end; else -1 */
    int held[2];   /* the writing ends of its pipes, while its main process lives; else -1 */
    struct msg_peek peeks[PEEKS]; /* not answered yet */
    unsigned n_peeks;
    /* its processes */
    pid_t main;         /* 0: reaped */
    bool childless;     /* waitpid() knows no child */
    int64_t started_us; /* monotonic */
    int64_t deadline_us;
    int64_t phase_until_us; /* of DRAINING and CLEANING */
    int64_t look_us;        /* CLEANING: when to kill again */
    struct ending ending;
    int over;
};

struct command *command_new (struct framing *stream, struct control *control, struct leaf *leaf,
                             pid_t parent)
{
    struct command *c = mem_zalloc (sizeof *c);
    c->stream = stream;
    c->control = control;
    c->leaf = leaf;
    starter_init (&c->starter, parent, leaf);
    capture_init (&c->out);
    capture_init (&c->err);
    input_init (&c->in);
    c->held[0] = c->held[1] = -1;
    c->cancel[0] = c->cancel[1] = -1;
    buf_init (&c->packed, WIRE_FRAME_MAX);
    return c;
}

static void close_pair (int fd[2])
{
    for (int i = 0; i < 2; i++) {
        if (fd[i] >= 0)
            close (fd[i]);
        fd[i] = -1;
    }
}

static void release_pipes (struct command *c)
{
    close_pair (c->held);
    close_pair (c->cancel);
}

void command_free (struct command **cp)
{
    struct command *c = *cp;
    *cp = NULL;
    if (!c)
        return;
    release_pipes (c);
    starter_fini (&c->starter);
    capture_fini (&c->out);
    capture_fini (&c->err);
    input_fini (&c->in);
    buf_fini (&c->packed);
    free (c);
}

bool command_busy (const struct command *c)
{
    return c->phase != IDLE;
}

int command_over (const struct command *c)
{
    return c->over;
}

/* --- to the agent ----------------------------------------------------------------------------- */

static bool stream_has_room (const struct command *c)
{
    return framing_queued (c->stream) < STREAM_FULL;
}

/* One piece of a stream, if more than `over` bytes of it wait and there is room. */
static bool post_piece (struct command *c, struct capture *cap, size_t over, bool ended)
{
    struct wire w;
    if (!stream_has_room (c) || !capture_output (cap, over, ended, &w))
        return false;
    w.m.output.batch = c->batch;
    w.m.output.row = c->o.row;
    w.m.output.attempt = c->o.attempt;
    w.m.output.stream = cap == &c->out ? 1 : 2;
    if (framing_post (c->stream, &w, NULL))
        return false; /* no memory now; it waits */
    capture_sent (cap, w.body[0].len);
    return true;
}

static void post_pieces (struct command *c, struct capture *cap, size_t over, bool ended)
{
    while (post_piece (c, cap, over, ended))
        ;
}

static void post_input_taken (struct command *c)
{
    struct wire w = {.kind = WIRE_INPUT_TAKEN};
    if (c->in.taken == c->in.told)
        return;
    w.m.input_taken =
        (struct msg_input_taken){.batch = c->batch, .row = c->o.row, .offset = c->in.taken};
    if (framing_post (c->stream, &w, NULL) == 0)
        c->in.told = c->in.taken;
}

static int post_outcome (struct command *c)
{
    struct wire w = {.kind = WIRE_RESULTS};
    buf_clear (&c->packed);
    outcome_pack (&c->packed, &c->o);
    w.m.results = (struct msg_results){
        .batch = c->batch, .record = control_results_record (c->control), .count = 1};
    w.body[0] = slice_borrowed (c->packed.bytes, c->packed.len);
    if (c->packed.failed || framing_post (c->stream, &w, NULL))
        return -1;
    control_results_sent (c->control);
    return 0;
}

/* False: it waits. */
static bool answer_peek (struct command *c, const struct msg_peek *m)
{
    bool same = m->attempt == c->o.attempt;
    struct wire w = {.kind = WIRE_PEEKED};
    w.m.peeked = (struct msg_peeked){.ref = m->ref,
                                     .batch = c->batch,
                                     .row = c->o.row,
                                     .attempt = c->o.attempt,
                                     .out_at = same ? m->out_at : 0,
                                     .err_at = same ? m->err_at : 0};
    struct bytes out = capture_look (&c->out, &w.m.peeked.out_at);
    struct bytes err = capture_look (&c->err, &w.m.peeked.err_at);
    if ((m->wait && !out.len && !err.len) || !stream_has_room (c))
        return false;
    w.body[0] = slice_borrowed (out.ptr, out.len < PEEK_BYTES ? out.len : PEEK_BYTES);
    w.body[1] = slice_borrowed (err.ptr, err.len < PEEK_BYTES ? err.len : PEEK_BYTES);
    return framing_post (c->stream, &w, NULL) == 0;
}

static void answer_peeks (struct command *c)
{
    unsigned left = 0;
    for (unsigned i = 0; i < c->n_peeks; i++)
        if (!answer_peek (c, &c->peeks[i]))
            c->peeks[left++] = c->peeks[i];
    c->n_peeks = left;
}

/* --- running ---------------------------------------------------------------------------------- */

static void note_end (struct command *c, int status, const struct rusage *usage)
{
    c->main = 0;
    release_pipes (c);
    c->o.signal = WIFSIGNALED (status) ? (unsigned)WTERMSIG (status) : 0;
    c->o.status = WIFEXITED (status) ? (unsigned)WEXITSTATUS (status) : 0;
    c->o.wall_us = (uint64_t)(clock_mono_us () - c->started_us);
    c->o.user_us = (uint64_t)usage->ru_utime.tv_sec * US_PER_S + (uint64_t)usage->ru_utime.tv_usec;
    c->o.sys_us = (uint64_t)usage->ru_stime.tv_sec * US_PER_S + (uint64_t)usage->ru_stime.tv_usec;
    c->o.maxrss_kib = (uint64_t)usage->ru_maxrss;
    if (c->ending.begun)
        c->o.how = c->ending.how;
    else
        c->o.how = status == 0 ? OUTCOME_DONE : OUTCOME_FAILED;
}

static void reap (struct command *c)
{
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4 (-1, &status, WNOHANG, &usage)) > 0)
        if (pid == c->main)
            note_end (c, status, &usage);
    c->childless = pid < 0 && errno == ECHILD;
}

/* Read what is there, as far as the stream takes it. */
static void pump (struct command *c, struct capture *cap)
{
    size_t over = c->flags & SPEC_LIVE_OUTPUT ? 0 : CAPTURE_SEND;
    for (int i = 0; i < READS_A_TURN; i++) {
        post_pieces (c, cap, over, false);
        if (cap->fd < 0 || !stream_has_room (c) || !capture_has_room (cap))
            return;
        if (capture_read (cap) != 1)
            return;
    }
}

static enum tree_verdict outside_group (pid_t pid, const void *arg)
{
    return getpgid (pid) == *(const pid_t *)arg ? TREE_PASS : TREE_TAKE;
}

/* To the task's group in one go, then to whoever left it. (A main process that is not reaped holds
 * the number of its group.) KILL to its leaf before that: no fork escapes it. The walk then finds
 * who has left the leaf, or never was in one. */
static void signal_tree (const struct command *c, int sig)
{
    if (sig == SIGKILL)
        leaf_kill (c->leaf);
    if (c->main) {
        kill (-c->main, sig);
        tree_signal (sig, outside_group, &c->main);
    } else {
        tree_signal (sig, NULL, NULL);
    }
}

/* The task is to end: say so to who listens, and begin. */
static void begin_ending (struct command *c, enum outcome_how how, uint64_t grace_ms, bool kill,
                          int64_t now_us)
{
    static const char *const words[] = {[OUTCOME_TIMEOUT] = "timeout\n",
                                        [OUTCOME_CANCELLED] = "cancelled\n",
                                        [OUTCOME_LOST] = "lost\n"};
    bool told = c->cancel[1] >= 0;
    if (told && write (c->cancel[1], words[how], strlen (words[how])) < 0)
        told = false;
    close_pair (c->cancel);
    ending_begin (&c->ending, how, (unsigned)c->steps, grace_ms, kill, told, now_us);
}

static void mind_time (struct command *c, int64_t now_us)
{
    if (c->phase != RUNNING && c->phase != DRAINING)
        return;
    if (c->main && now_us >= c->deadline_us) {
        c->deadline_us = CLOCK_NEVER;
        if (!c->ending.begun)
            outcome_limit_words (c->reason, sizeof c->reason, c->timeout_ms);
        begin_ending (c, OUTCOME_TIMEOUT, c->grace_ms, false, now_us);
    }
    int sig = ending_signal (&c->ending, now_us);
    if (sig)
        signal_tree (c, sig);
}

/* --- the phases, one step each: true when it went on ------------------------------------------ */

static void begin_reading (struct command *c)
{
    input_end (&c->in);
    release_pipes (c);
    capture_end (&c->out);
    capture_end (&c->err);
    c->phase = READING;
}

/* The main process does not die of KILL: it is in disk sleep. Nothing waits for it. */
static bool give_up (struct command *c, int64_t now_us)
{
    if (!c->ending.killed || now_us - c->ending.killed_us < UNKILLABLE_US)
        return false;
    c->o.how = c->ending.how;
    c->o.wall_us = (uint64_t)(now_us - c->started_us);
    c->over = EXECUTOR_STUCK;
    snprintf (c->reason, sizeof c->reason, "the process %d cannot be killed", (int)c->main);
    begin_reading (c);
    return true;
}

static bool step_running (struct command *c, int64_t now_us)
{
    if (c->main)
        return give_up (c, now_us);
    input_end (&c->in);
    c->phase = DRAINING;
    c->phase_until_us = now_us + DRAIN_US;
    return true;
}

static bool step_draining (struct command *c, int64_t now_us)
{
    bool held = c->out.fd >= 0 || c->err.fd >= 0;
    bool in_grace = c->ending.begun && !c->ending.killed && !c->childless;
    if (!c->ending.killed && (in_grace || (held && now_us < c->phase_until_us)))
        return false;
    c->phase = CLEANING;
    c->phase_until_us = now_us + UNKILLABLE_US;
    c->look_us = now_us;
    return true;
}

/* A leaf in which nothing was killed need not be asked: whatever is started in it is a descendant,
 * and waitpid() knows of none. */
static bool is_gone (const struct command *c)
{
    return c->childless && !(c->leaf->used_up && leaf_populated (c->leaf));
}

static bool step_cleaning (struct command *c, int64_t now_us)
{
    bool leave = c->flags & SPEC_LEAVE_CHILDREN && !c->ending.begun;
    bool gone = is_gone (c);
    if (!gone && leave) {
        c->over = EXECUTOR_LEFT;
    } else if (!gone && now_us >= c->phase_until_us) {
        c->over = EXECUTOR_STUCK;
        snprintf (c->reason, sizeof c->reason, "%u processes of the task cannot be killed",
                  tree_signal (0, NULL, NULL));
    } else if (!gone) {
        signal_tree (c, SIGKILL);
        c->look_us = now_us + KILL_AGAIN_US;
        return false;
    }
    begin_reading (c);
    return true;
}

/* Whether everything that was in the pipe at the end is read; our end is closed then. */
static bool read_out (struct command *c, struct capture *cap)
{
    while (cap->fd >= 0 && cap->total < cap->end) {
        post_pieces (c, cap, CAPTURE_SEND, false);
        if (!stream_has_room (c) || !capture_has_room (cap))
            return false;
        if (capture_read (cap) != 1)
            break;
    }
    capture_close (cap);
    return true;
}

static bool step_reading (struct command *c)
{
    if (!read_out (c, &c->out) || !read_out (c, &c->err))
        return false;
    c->phase = SENDING;
    return true;
}

static void end_row (struct command *c)
{
    capture_start (&c->out, -1, 0);
    capture_start (&c->err, -1, 0);
    control_rest (c->control);
    c->phase = IDLE;
}

/* Bring what is left of a stream down to one piece for the outcome: false while it is not. */
static bool send_rest (struct command *c, struct capture *cap, struct bytes *rest)
{
    post_pieces (c, cap, c->flags & SPEC_LIVE_OUTPUT ? 0 : CAPTURE_SEND, true);
    while (!capture_rest (cap, rest))
        if (!post_piece (c, cap, 0, true))
            return false;
    return true;
}

static bool step_sending (struct command *c)
{
    if (!send_rest (c, &c->out, &c->o.out) || !send_rest (c, &c->err, &c->o.err) ||
        !stream_has_room (c))
        return false;
    if (!c->reason[0] && (capture_cut (&c->out) || capture_cut (&c->err)))
        snprintf (c->reason, sizeof c->reason, "output cut");
    c->o.out_bytes = c->out.total;
    c->o.err_bytes = c->err.total;
    c->o.reason = bytes_str (c->reason);
    FAULT_POINT ("executor-ends-task");
    if (post_outcome (c))
        c->over = EXECUTOR_FAULT; /* no memory: this row is without outcome */
    FAULT_POINT ("executor-posted-outcome");
    end_row (c);
    return true;
}

static bool step (struct command *c, int64_t now_us)
{
    switch (c->phase) {
    case RUNNING:
        return step_running (c, now_us);
    case DRAINING:
        return step_draining (c, now_us);
    case CLEANING:
        return step_cleaning (c, now_us);
    case READING:
        return step_reading (c);
    case SENDING:
        return step_sending (c);
    default:
        return false;
    }
}

static void step_on (struct command *c, int64_t now_us)
{
    while (step (c, now_us))
        ;
}

void command_turn (struct command *c, int64_t now_us)
{
    if (c->phase == RUNNING || c->phase == DRAINING || c->phase == CLEANING) {
        reap (c);
        pump (c, &c->out);
        pump (c, &c->err);
        input_write (&c->in);
        mind_time (c, now_us);
    }
    post_input_taken (c);
    if (c->n_peeks)
        answer_peeks (c);
    step_on (c, now_us);
}

/* --- starting --------------------------------------------------------------------------------- */

static void begin_row (struct command *c, const struct msg_run *run, uint64_t row)
{
    c->batch = run->batch;
    c->n_peeks = 0;
    c->flags = 0;
    c->main = 0;
    c->childless = true;
    c->ending = (struct ending){0};
    c->o = (struct outcome){
        .row = row, .attempt = run->attempt, .start_us = (uint64_t)clock_wall_us ()};
    c->reason[0] = 0;
}

static void fail_row (struct command *c, unsigned status, const char *reason)
{
    snprintf (c->reason, sizeof c->reason, "%s", reason);
    c->o.how = OUTCOME_FAILED;
    c->o.status = status;
    c->phase = SENDING;
}

void command_refuse (struct command *c, const struct msg_run *run, uint64_t row, const char *reason)
{
    begin_row (c, run, row);
    fail_row (c, 125, reason);
    step_on (c, 0);
}

void command_start (struct command *c, struct spec *spec, const struct msg_run *run, uint64_t row,
                    const struct values *values, int64_t now_us)
{
    const struct msg_spec *m = &spec->w.m.spec;
    struct started t;
    struct err e = {0};
    begin_row (c, run, row);
    c->flags = m->flags;
    c->steps = m->steps;
    c->grace_ms = m->grace_ms;
    c->timeout_ms = m->timeout_ms;
    c->started_us = now_us;
    c->deadline_us = m->timeout_ms ? now_us + (int64_t)m->timeout_ms * US_PER_MS : CLOCK_NEVER;
    struct start_row r = {
        .batch = run->batch,
        .row = row,
        .attempt = run->attempt,
        .slot = run->slot,
        .deadline_us = m->timeout_ms ? (int64_t)(c->o.start_us + m->timeout_ms * US_PER_MS) : 0,
        .values = values,
    };
    FAULT_POINT ("executor-starts-task");
    if (start_task (&c->starter, spec, &r, &t, &e)) {
        fail_row (c, t.status, e.text);
        step_on (c, now_us);
        return;
    }
    FAULT_POINT ("executor-started-task");
    c->main = t.pid;
    c->childless = false;
    capture_start (&c->out, t.out, m->keep_bytes);
    capture_start (&c->err, t.err, m->keep_bytes);
    c->held[0] = t.held[0];
    c->held[1] = t.held[1];
    c->cancel[0] = t.cancel[0];
    c->cancel[1] = t.cancel[1];
    if (t.in >= 0)
        input_start (&c->in, t.in);
    c->phase = RUNNING;
}

/* --- for the loop ------------------------------------------------------------------------------
 */

unsigned command_poll (const struct command *c, struct pollfd *p)
{
    unsigned n = 0;
    if (c->phase == IDLE || c->phase == READING || c->phase == SENDING)
        return 0; /* only the stream matters now */
    if (c->out.fd >= 0 && stream_has_room (c))
        p[n++] = (struct pollfd){.fd = c->out.fd, .events = POLLIN};
    if (c->err.fd >= 0 && stream_has_room (c))
        p[n++] = (struct pollfd){.fd = c->err.fd, .events = POLLIN};
    if (input_wants (&c->in))
        p[n++] = (struct pollfd){.fd = c->in.fd, .events = POLLOUT};
    return n;
}

int64_t command_deadline (const struct command *c)
{
    int64_t ending_us = c->ending.begun ? c->ending.next_us : CLOCK_NEVER;
    switch (c->phase) {
    case RUNNING:
        return c->deadline_us < ending_us ? c->deadline_us : ending_us;
    case DRAINING:
        return c->phase_until_us < ending_us ? c->phase_until_us : ending_us;
    case CLEANING:
        return c->look_us;
    case READING:
    case SENDING: /* waits for nothing but the stream, which may have been written meanwhile */
        return stream_has_room (c) ? 0 : CLOCK_NEVER;
    default:
        return CLOCK_NEVER;
    }
}

/* --- messages -----------------------------------------------------------------------------------
 */

static bool is_mine (const struct command *c, uint64_t batch, uint64_t row)
{
    return c->phase != IDLE && c->batch == batch && c->o.row == row;
}

void command_cancel (struct command *c, const struct msg_cancel_rows *m, int64_t now_us)
{
    /* A task whose main process has ended by itself has its outcome; one that was told to end may
     * be told so once more while some of it has grace. */
    bool open = c->main || (c->phase == DRAINING && c->ending.begun);
    bool hit = open && c->batch == m->batch &&
               (m->count == 0 || (c->o.row >= m->first && c->o.row - m->first < m->count));
    if (!hit)
        return;
    if (!c->ending.begun)
        snprintf (c->reason, sizeof c->reason, "%.*s", (int)m->reason.len,
                  (const char *)m->reason.ptr);
    begin_ending (c, OUTCOME_CANCELLED, m->grace_ms ? m->grace_ms : c->grace_ms, m->kill, now_us);
}

static void lose (struct command *c, const char *why, bool kill, int64_t now_us)
{
    if (!c->ending.begun)
        snprintf (c->reason, sizeof c->reason, "%s", why);
    begin_ending (c, OUTCOME_LOST, c->grace_ms, kill, now_us);
}

void command_lapse (struct command *c, bool kill, int64_t now_us)
{
    if (c->main || (c->phase == DRAINING && c->ending.begun))
        lose (c, "exclusive: ended by its executor, as its worker had stopped", kill, now_us);
}

void command_input (struct command *c, const struct msg_input *m, struct bytes bytes,
                    int64_t now_us)
{
    if (!is_mine (c, m->batch, m->row))
        return;
    if (!input_add (&c->in, m->offset, bytes, m->eof) && c->main)
        lose (c, "some of its live input was lost", false, now_us);
    post_input_taken (c); /* there may be no next turn for long */
}

/* The oldest of too many goes: nobody waits for it any more, or asks again. */
void command_peek (struct command *c, const struct msg_peek *m)
{
    if (!is_mine (c, m->batch, m->row))
        return;
    if (c->n_peeks == PEEKS)
        memmove (c->peeks, c->peeks + 1, --c->n_peeks * sizeof *c->peeks);
    c->peeks[c->n_peeks++] = *m;
    answer_peeks (c);
}

void command_signal (struct command *c, const struct msg_signal *m)
{
    if (is_mine (c, m->batch, m->row) && c->main && m->signo > 0)
        kill (-c->main, (int)m->signo);
}
