#include "tests/unit/exec_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/model/template.h"
#include "common/wire/rows.h"
#include "common/wire/template_wire.h"
#include "worker/exec/tree.h"

#define BODY_MAX (64u << 20)

static void init (struct exec_rig *r, pid_t pid, int socket_fd, struct control *control)
{
    *r = (struct exec_rig){.pid = pid, .control = control};
    r->stream = framing_new (socket_fd, 16u << 20);
    buf_init (&r->last.out, 512u << 20);
    buf_init (&r->last.err, 512u << 20);
}

void exec_attach (struct exec_rig *r, pid_t pid, int socket_fd, int control_fd)
{
    struct control *control = control_map (control_fd, NULL);
    close (control_fd);
    assert_non_null (control);
    init (r, pid, socket_fd, control);
}

void exec_start_in (struct exec_rig *r, enum executor_kind kind, const struct cgroup *cgroup)
{
    int sockets[2];
    struct err e = {0};
    int control_fd = control_create (&e);
    pid_t self = getpid ();
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    assert_true (control_fd >= 0);
    assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    fflush (NULL);
    pid_t pid = fork ();
    assert_true (pid >= 0);
    if (pid == 0)
        _exit (executor_main (&(struct executor_start){.kind = kind,
                                                       .socket_fd = sockets[1],
                                                       .control_fd = control_fd,
                                                       .parent = self,
                                                       .cgroup = cgroup,
                                                       .number = 1}));
    close (sockets[1]);
    exec_attach (r, pid, sockets[0], control_fd);
}

void exec_start (struct exec_rig *r, enum executor_kind kind)
{
    exec_start_in (r, kind, NULL);
}

void exec_drop (struct exec_rig *r)
{
    framing_free (&r->stream);
    control_unmap (&r->control);
    buf_fini (&r->last.out);
    buf_fini (&r->last.err);
}

int exec_stop (struct exec_rig *r)
{
    int status = 0;
    exec_drop (r);
    if (waitpid (r->pid, &status, 0) == r->pid)
        assert_int_equal (waitpid (-1, NULL, WNOHANG), -1); /* nobody is left to us */
    return status;
}

/* --- to the executor ----------------------------------------------------------------------------
 */

void exec_send (struct exec_rig *r, struct wire *w)
{
    struct err e = {0};
    int rc;
    while ((rc = framing_post (r->stream, w, &e)) && e.code == EAGAIN)
        exec_pump (r, 100);
    if (rc)
        fail_msg ("%s", e.text);
    wire_fini (w);
    framing_flush (r->stream, NULL);
}

static struct slice row_of (const char *const *values)
{
    struct buf b;
    uint32_t count = 0;
    while (values && values[count])
        count++;
    buf_init (&b, BODY_MAX);
    row_begin (&b, count);
    for (uint32_t i = 0; i < count; i++)
        row_value (&b, bytes_str (values[i]));
    return buf_take_slice (&b);
}

static struct slice line_of (const char *line)
{
    const char *const words[] = {line, NULL};
    struct template_source source = {.words = words, .flags = TEMPLATE_NO_APPEND};
    struct template *t = template_compile (&source, NULL);
    struct buf b;
    assert_non_null (t);
    buf_init (&b, BODY_MAX);
    assert_int_equal (template_pack (t, &b), 0);
    template_free (&t);
    return buf_take_slice (&b);
}

void exec_spec (struct exec_rig *r, const struct exec_spec *s)
{
    static const char *const usual[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/", NULL};
    struct wire w = {.kind = WIRE_SPEC};
    w.m.spec = (struct msg_spec){
        .batch = EXEC_BATCH,
        .spec = s->number,
        .form = s->form,
        .flags = s->flags,
        .timeout_ms = s->timeout_ms,
        .grace_ms = s->grace_ms,
        .steps = s->steps,
        .keep_bytes = s->keep_bytes,
        .umask = 022,
        .dir = bytes_str (s->dir ? s->dir : "/"),
        .shell = bytes_str (s->shell ? s->shell : "/bin/sh"),
    };
    if (s->form == FORM_SHELL)
        w.body[0] = line_of (s->line);
    else if (s->form == FORM_ARGV)
        w.body[0] = row_of (s->argv);
    else
        w.body[0] = slice_borrowed (s->function, strlen (s->function));
    if (s->form != FORM_FUNCTION)
        w.body[1] = row_of (s->env ? s->env : usual);
    exec_send (r, &w);
}

void exec_run_rows (struct exec_rig *r, uint64_t spec, uint64_t first, uint32_t count,
                    const struct buf *rows)
{
    struct wire w = {.kind = WIRE_RUN};
    w.m.run = (struct msg_run){
        .batch = EXEC_BATCH, .spec = spec, .first = first, .count = count, .attempt = 1, .slot = 3};
    w.body[0] = slice_borrowed (rows->bytes, rows->len);
    control_open (r->control, r->runs++, count);
    exec_send (r, &w);
}

void exec_run (struct exec_rig *r, uint64_t spec, uint64_t row, const char *const *values)
{
    struct slice body = row_of (values);
    struct buf b = {.bytes = (uint8_t *)(uintptr_t)body.ptr, .len = body.len};
    exec_run_rows (r, spec, row, 1, &b);
    slice_fini (&body);
}

struct exec_result *exec_one (struct exec_rig *r, const struct exec_spec *s,
                              const char *const *values)
{
    exec_clear (r);
    exec_spec (r, s);
    exec_run (r, s->number, 0, values);
    exec_await (r, r->outcomes + 1);
    assert_false (r->over);
    return &r->last;
}

void exec_cancel (struct exec_rig *r, uint64_t row, uint64_t grace_ms, bool kill)
{
    struct wire w = {.kind = WIRE_CANCEL_ROWS};
    w.m.cancel_rows = (struct msg_cancel_rows){.batch = EXEC_BATCH,
                                               .first = row,
                                               .count = 1,
                                               .grace_ms = grace_ms,
                                               .kill = kill,
                                               .reason = bytes_str ("wrong input")};
    exec_send (r, &w);
}

void exec_input (struct exec_rig *r, uint64_t row, uint64_t offset, const void *bytes, size_t len,
                 bool eof)
{
    struct wire w = {.kind = WIRE_INPUT};
    w.m.input = (struct msg_input){.batch = EXEC_BATCH, .row = row, .offset = offset, .eof = eof};
    w.body[0] = slice_borrowed (bytes, len);
    exec_send (r, &w);
}

/* --- from the executor ---------------------------------------------------------------------------
 */

static void take_piece (struct exec_rig *r, struct buf *to, uint64_t offset, struct bytes piece)
{
    if (offset != to->len)
        r->last.gap = true;
    assert_int_equal (buf_append (to, piece.ptr, piece.len), 0);
}

static void take_results (struct exec_rig *r, const struct wire *w)
{
    struct bytes body = bytes_of (w->body[0].ptr, w->body[0].len);
    struct outcome o;
    size_t at = 0;
    int rc;
    uint64_t count = 0;
    assert_int_equal (w->m.results.record, r->last_record + 1);
    r->last_record++;
    while ((rc = outcome_read (body, &at, &o)) > 0) {
        count++;
        if (r->last.o.row != o.row && count > 1)
            exec_clear (r);
        take_piece (r, &r->last.out, o.out_bytes - o.out.len, o.out);
        take_piece (r, &r->last.err, o.err_bytes - o.err.len, o.err);
        r->last.o = o;
        snprintf (r->last.reason, sizeof r->last.reason, "%.*s", (int)o.reason.len,
                  (const char *)o.reason.ptr);
    }
    assert_int_equal (rc, 0);
    assert_int_equal (count, w->m.results.count);
    r->outcomes += count;
}

static void take (struct exec_rig *r, const struct wire *w)
{
    switch (w->kind) {
    case WIRE_RESULTS:
        take_results (r, w);
        break;
    case WIRE_OUTPUT:
        take_piece (r, w->m.output.stream == 1 ? &r->last.out : &r->last.err, w->m.output.offset,
                    bytes_of (w->body[0].ptr, w->body[0].len));
        break;
    case WIRE_INPUT_TAKEN:
        r->input_taken = w->m.input_taken.offset;
        break;
    default:
        fail_msg ("an executor does not say %s", wire_name (w->kind));
    }
}

static void read_all (struct exec_rig *r)
{
    struct wire_frames f;
    struct wire w;
    struct err e = {0};
    if (framing_fill (r->stream, &e) < 0) {
        r->over = true;
        return;
    }
    while (framing_next (r->stream, &f, &e) > 0) {
        if (wire_decode (&w, &f, NULL, &e))
            fail_msg ("%s", e.text);
        wire_frames_fini (&f);
        take (r, &w);
        wire_fini (&w);
    }
}

void exec_pump (struct exec_rig *r, int ms)
{
    struct pollfd p = {.fd = framing_fd (r->stream), .events = r->paused ? 0 : POLLIN};
    if (framing_want_write (r->stream))
        p.events |= POLLOUT;
    if (poll (&p, 1, ms) <= 0)
        return;
    if (p.revents & POLLOUT)
        framing_flush (r->stream, NULL);
    if (p.revents & (POLLIN | POLLHUP))
        read_all (r);
}

void exec_await_input (struct exec_rig *r, uint64_t offset)
{
    int64_t until = clock_mono_us () + (int64_t)EXEC_WAIT_MS * US_PER_MS;
    r->input_taken = UINT64_MAX;
    while (r->input_taken != offset && !r->over) {
        if (clock_mono_us () > until)
            fail_msg ("that its input was taken was not said");
        exec_pump (r, 100);
    }
}

void exec_await (struct exec_rig *r, uint64_t outcomes)
{
    int64_t until = clock_mono_us () + (int64_t)EXEC_WAIT_MS * US_PER_MS;
    while (r->outcomes < outcomes && !r->over) {
        if (clock_mono_us () > until)
            fail_msg ("%lu of %lu outcomes came", (unsigned long)r->outcomes,
                      (unsigned long)outcomes);
        exec_pump (r, 100);
    }
}

void exec_clear (struct exec_rig *r)
{
    buf_clear (&r->last.out);
    buf_clear (&r->last.err);
    r->last.gap = false;
    r->last.o = (struct outcome){0};
    r->last.reason[0] = 0;
}

void exec_wait_until (bool (*condition) (void *arg), void *arg, const char *what)
{
    int64_t until = clock_mono_us () + (int64_t)EXEC_WAIT_MS * US_PER_MS;
    while (!condition (arg)) {
        if (clock_mono_us () > until)
            fail_msg ("waited too long for: %s", what);
        poll (NULL, 0, 5);
    }
}

/* --- processes
 * ------------------------------------------------------------------------------------ */

static bool has_marker (const char *pid, const char *marker)
{
    char path[300], text[4096];
    snprintf (path, sizeof path, "/proc/%s/cmdline", pid);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read (fd, text, sizeof text);
    close (fd);
    return n > 0 && memmem (text, (size_t)n, marker, strlen (marker));
}

/* Send the signal (0: none) to each process with the marker; how many there are. */
static unsigned signal_marked (const char *marker, int sig)
{
    DIR *d = opendir ("/proc");
    unsigned count = 0;
    assert_non_null (d);
    for (struct dirent *e; (e = readdir (d));) {
        pid_t pid = (pid_t)strtol (e->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid () || !has_marker (e->d_name, marker))
            continue; /* a zombie has no command line */
        count++;
        kill (pid, sig);
    }
    closedir (d);
    return count;
}

unsigned exec_count (const char *marker)
{
    return signal_marked (marker, 0);
}

int exec_sweep (const char *marker)
{
    unsigned n = signal_marked (marker, SIGKILL) + tree_signal (SIGKILL, NULL, NULL);
    tree_kill_all (EXEC_WAIT_MS);
    return n ? -1 : 0;
}

struct wanted {
    const char *marker;
    unsigned least, most;
};

static bool counted (void *arg)
{
    const struct wanted *w = arg;
    unsigned n = exec_count (w->marker);
    return n >= w->least && n <= w->most;
}

void exec_wait_count_from (const char *marker, unsigned least)
{
    exec_wait_until (counted, &(struct wanted){marker, least, ~0u}, "the processes of a task");
}

void exec_wait_count (const char *marker, unsigned count)
{
    exec_wait_until (counted, &(struct wanted){marker, count, count}, "no process left of a task");
}

const char *exec_evil_line (const char *marker)
{
    static char line[1024];
    snprintf (line, sizeof line,
              "sleep %s & setsid sleep %s & (trap '' TERM; exec sleep %s) & "
              "(setsid sh -c 'sleep %s & sleep %s &' &); echo ready; wait; sleep %s",
              marker, marker, marker, marker, marker, marker);
    return line;
}

void exec_marker (char marker[32])
{
    static unsigned n;
    snprintf (marker, 32, "86400.%07d%03u", (int)getpid (), n++);
}
