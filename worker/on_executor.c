/* On executor: the sockets and pages of executors, and the launcher, which makes and buries them.
 *
 * Sockets hang in one epoll of their own, so that the loop has few descriptors to look at, and all
 * of them can be left unread at once when the broker takes no results. An executor's death comes
 * from the launcher; before it is told on, the socket is read to its end.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/faultpoint.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "worker/worker.h"

enum {
    READY_A_TURN = 64,
    DEATHS_A_TURN = 64,
    QUEUE_BYTES = 32 << 20, /* to one executor; jobs and live input are much less */
};

static struct member *find (struct worker *w, uint32_t number)
{
    struct member *m = NULL;
    HASH_FIND (hh, w->members, &number, sizeof number, m);
    return m;
}

static void nonsense (struct worker *w, struct member *m, const char *text)
{
    turn_event (w,
                &(struct agent_event){.kind = AGENT_NONSENSE, .executor = m->number, .text = text});
}

static void request_kill (struct worker *w, uint32_t number)
{
    apply_request (w, &(struct request){.kind = AGENT_DO_KILL, .executor = number});
}

/* --- what they say --- */

static void on_message (struct worker *w, struct member *m, struct wire_frames *f)
{
    struct wire msg;
    struct err e;
    if (wire_decode (&msg, f, NULL, &e) < 0 || !wire_may_send (SENDER_X, msg.kind)) {
        nonsense (w, m, "no message of its own");
    } else {
        if (msg.kind == WIRE_RESULTS)
            m->last_record = msg.m.results.record;
        turn_event (
            w, &(struct agent_event){.kind = AGENT_SAID, .executor = m->number, .message = &msg});
        FAULT_POINT_OF ("agent-hears", wire_name (msg.kind));
    }
    wire_fini (&msg);
    wire_frames_fini (f);
}

static void stop_reading (struct worker *w, struct member *m)
{
    if (!m->ended)
        epoll_ctl (w->epoll_fd, EPOLL_CTL_DEL, framing_fd (m->framing), NULL);
    m->ended = true;
}

/* Read once: 1 when something came, 0 when nothing is there, -1 at the end. */
static int read_member (struct worker *w, struct member *m)
{
    struct wire_frames f;
    struct err e;
    int rc = framing_fill (m->framing, &e);
    int got = 0;
    while (rc > 0 && (got = framing_next (m->framing, &f, &e)) == 1)
        on_message (w, m, &f);
    if (got < 0) {
        nonsense (w, m, e.text);
        rc = -1;
    }
    if (rc < 0)
        stop_reading (w, m);
    return rc;
}

static void on_members (void *arg, int fd, short events)
{
    struct worker *w = arg;
    struct epoll_event ready[READY_A_TURN];
    (void)events;
    int n = epoll_wait (fd, ready, READY_A_TURN, 0);
    for (int i = 0; i < n; i++) {
        struct member *m = find (w, ready[i].data.u32);
        if (m && !m->ended)
            read_member (w, m);
    }
}

/* --- what they are told --- */

void executor_send (struct worker *w, uint32_t number, const struct wire_frames *f)
{
    struct member *m = find (w, number);
    struct err e;
    if (!m || m->ended)
        return; /* the launcher will tell of its death */
    FAULT_POINT_OF ("agent-tells", wire_name (wire_frames_kind (f)));
    if (framing_send (m->framing, f, &e) < 0) {
        log_event (LOG_ERROR, "executor does not read executor=%u: killing it", number);
        request_kill (w, number);
        return;
    }
    m->unsent = w->unsent = true;
}

void executors_flush (struct worker *w)
{
    if (!w->unsent)
        return;
    w->unsent = false;
    for (struct member *m = w->members; m; m = m->hh.next) {
        if (!m->unsent)
            continue;
        /* a failure is its death, which the launcher tells */
        m->unsent = framing_flush (m->framing, NULL) == 0 && framing_want_write (m->framing);
        w->unsent |= m->unsent;
    }
}

void executors_pause (struct worker *w, bool pause)
{
    struct err e;
    if (pause == w->paused)
        return;
    w->paused = pause;
    if (pause)
        loop_remove_fd (w->loop, w->epoll_fd);
    else if (loop_add_fd (w->loop, w->epoll_fd, POLLIN, on_members, w, &e) < 0)
        log_event (LOG_ERROR, "%s", e.text);
}

/* --- who they are --- */

static void free_member (struct worker *w, struct member *m)
{
    stop_reading (w, m);
    framing_free (&m->framing);
    control_unmap (&m->page);
    HASH_DEL (w->members, m);
    free (m);
}

static void on_new (struct worker *w, const struct launcher_event *le)
{
    struct err e;
    struct control *page = control_map (le->control_fd, &e);
    close (le->control_fd);
    struct agent_event ev = {.kind = AGENT_NEW,
                             .executor = le->executor,
                             .executor_kind = (enum agent_kind)le->executor_kind};
    if (!page) {
        close (le->socket_fd); /* it ends by itself */
        ev.kind = AGENT_REFUSED;
        ev.text = e.text;
        turn_event (w, &ev);
        return;
    }
    struct member *m = mem_zalloc (sizeof *m);
    m->number = le->executor;
    m->page = page;
    m->framing = framing_new (le->socket_fd, QUEUE_BYTES);
    HASH_ADD (hh, w->members, number, sizeof m->number, m);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = m->number};
    if (epoll_ctl (w->epoll_fd, EPOLL_CTL_ADD, framing_fd (m->framing), &event) < 0) {
        log_event (LOG_ERROR, "epoll_ctl: %s", strerror (errno));
        m->ended = true;
        request_kill (w, m->number);
    }
    FAULT_POINT ("agent-has-executor");
    turn_event (w, &ev);
}

static void on_died (struct worker *w, const struct launcher_event *le)
{
    struct member *m = find (w, le->executor);
    if (!m)
        return;
    while (!m->ended && read_member (w, m) > 0)
        ;
    FAULT_POINT ("agent-buries-executor");
    turn_event (w, &(struct agent_event){
                       .kind = AGENT_DIED,
                       .executor = m->number,
                       .wait_status = le->wait_status,
                       .stuck = le->stuck,
                       .cut = control_is_cut (m->page),
                       .unsent = control_unsent (m->page, m->last_record),
                       .wall_us = (uint64_t)clock_wall_us (),
                   });
    free_member (w, m);
}

static void on_refused (struct worker *w, const struct launcher_event *le)
{
    turn_event (w, &(struct agent_event){.kind = AGENT_REFUSED,
                                         .executor_kind = (enum agent_kind)le->executor_kind,
                                         .text = strerror (le->error)});
}

void on_launcher (void *arg, int fd, short events)
{
    struct worker *w = arg;
    struct launcher_event le;
    struct err e;
    int rc = 0;
    (void)events;
    for (int n = 0; n < DEATHS_A_TURN && (rc = launcher_next (fd, &le, &e)) > 0; n++) {
        if (le.kind == LAUNCHER_NEW)
            on_new (w, &le);
        else if (le.kind == LAUNCHER_DIED)
            on_died (w, &le);
        else
            on_refused (w, &le);
    }
    if (rc < 0) { /* it is about to kill this process, or gone and this process with it */
        log_event (LOG_DEBUG, "%s", e.text);
        w->leaving = true;
        w->status = 70;
    }
}

int executors_open (struct worker *w, struct err *e)
{
    w->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    if (w->epoll_fd < 0)
        return err_sys (e, errno, "epoll_create1");
    return loop_add_fd (w->loop, w->epoll_fd, POLLIN, on_members, w, e);
}

void executors_close (struct worker *w)
{
    struct member *m;
    struct member *tmp;
    HASH_ITER (hh, w->members, m, tmp)
        free_member (w, m);
    if (w->epoll_fd >= 0)
        close (w->epoll_fd);
}

/* --- how far they are --- */

static struct control *page_of (void *self, uint32_t executor)
{
    return find (self, executor)->page;
}

static void page_open (void *self, uint32_t executor, uint64_t run, uint32_t count)
{
    control_open (page_of (self, executor), run, count);
}

static uint32_t page_recall (void *self, uint32_t executor, uint64_t run, uint32_t count,
                             uint32_t want)
{
    return control_recall (page_of (self, executor), run, count, want);
}

static int64_t page_claimed (void *self, uint32_t executor, uint64_t run, uint32_t count)
{
    return control_claimed (page_of (self, executor), run, count);
}

static bool page_running (void *self, uint32_t executor, struct agent_running *out)
{
    struct control_running r;
    if (!control_running (page_of (self, executor), &r))
        return false;
    *out = (struct agent_running){.run = r.run, .place = r.place, .start_us = r.start_us};
    return true;
}

static bool page_cancel (void *self, uint32_t executor)
{
    struct control *page = page_of (self, executor);
    struct control_running r;
    return control_running (page, &r) && control_cancel (page, r.run, r.place);
}

static size_t page_peek (void *self, uint32_t executor, void *copy, size_t size)
{
    return control_peek (page_of (self, executor), copy, size);
}

static void page_lease (void *self, uint32_t executor, int64_t until_us, int64_t margin_us)
{
    struct lease l = {.until_us = until_us, .margin_us = margin_us};
    control_set_lease (page_of (self, executor), l);
}

static bool page_progress (void *self, uint32_t executor, struct agent_progress *out)
{
    struct control_progress p;
    if (!control_progress (page_of (self, executor), &p))
        return false;
    *out =
        (struct agent_progress){.run = p.run, .place = p.place, .done = p.done, .total = p.total};
    return true;
}

static bool page_spent (void *self, uint32_t executor)
{
    return control_is_spent (page_of (self, executor));
}

struct agent_pages executors_pages (struct worker *w)
{
    return (struct agent_pages){
        .self = w,
        .open = page_open,
        .recall = page_recall,
        .claimed = page_claimed,
        .running = page_running,
        .cancel = page_cancel,
        .peek = page_peek,
        .lease = page_lease,
        .progress = page_progress,
        .spent = page_spent,
    };
}
