#include "client/lib/handle.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/lib/cancel_source.h"
#include "client/lib/fault.h"
#include "client/lib/pipeline.h"
#include "common/base/clock.h"
#include "common/base/faultpoint.h"

#define MESSAGES_A_TURN 256
#define QUEUE_MAX ((size_t)1 << 20) /* bytes that wait for the program before we stop reading */
#define RETRY_US US_PER_S           /* a link that could not be made */

static void watch_link (drover_t *h)
{
    struct epoll_event ev = {.events = EPOLLIN};
    epoll_ctl (h->epoll_fd, EPOLL_CTL_ADD, link_wait_fd (h->link), &ev);
}

static void reconnect (drover_t *h, int64_t now)
{
    struct err why = {0};
    if (h->link) {
        epoll_ctl (h->epoll_fd, EPOLL_CTL_DEL, link_wait_fd (h->link), NULL);
        link_close (&h->link, 0);
    }
    h->link = link_connect (h->url, &why);
    h->reconnect_at = h->link ? CLOCK_NEVER : now + RETRY_US;
    if (!h->link)
        return;
    watch_link (h);
    session_connected (h->core.session, now);
}

/* What is no message of the protocol ends the session: nothing after it could be trusted to be in
 * order. A kind that we do not know is a newer broker's, and not for us. */
static void take_frames (drover_t *h, int64_t now, struct wire_frames *f)
{
    struct wire w;
    struct err why = {0};
    enum wire_code code = WIRE_OK;
    if (wire_decode (&w, f, &code, &why) == 0) {
        FAULT_POINT_OF ("client-gets", wire_name (w.kind));
        core_message (&h->core, now, &w);
    } else if (code != WIRE_UNSUPPORTED) {
        core_fail (&h->core, WIRE_MALFORMED, "the broker sent what is no message of the protocol");
    }
    wire_frames_fini (f);
}

static void receive (drover_t *h, int64_t now, bool all)
{
    for (int n = 0; n < MESSAGES_A_TURN && h->link; n++) {
        struct wire_frames f;
        uint64_t route;
        if (!all && h->core.queued >= QUEUE_MAX)
            return;
        int got = link_receive (h->link, &route, &f);
        if (got == 0)
            return;
        if (got == 1)
            take_frames (h, now, &f);
    }
}

void handle_send (drover_t *h)
{
    struct wire_frames f;
    int64_t now = clock_mono_us ();
    while (h->link && session_next (h->core.session, now, &f)) {
        FAULT_POINT_OF ("client-sends", wire_name (wire_frames_kind (&f)));
        if (link_send (h->link, 0, &f) != 0) {
            session_unsent (h->core.session, &f);
            return;
        }
    }
}

static void unwatch (drover_t *h, int fd)
{
    if (fd >= 0)
        epoll_ctl (h->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Without its broker or its worker a private session is over. */
static void watch_children (drover_t *h)
{
    struct err why = {0};
    if (!h->private || session_state (h->core.session) == SESSION_LOST ||
        !private_ended (h->private, &why))
        return;
    unwatch (h, private_broker_fd (h->private));
    unwatch (h, private_worker_fd (h->private));
    core_fail (&h->core, why.code == EIO ? WIRE_STORAGE : WIRE_LOST, why.text);
}

void handle_turn (drover_t *h, bool all)
{
    int64_t now = clock_mono_us ();
    h->served = 0;
    receive (h, now, all);
    /* silence is only judged when everything that came has been read */
    if (!h->link || !link_readable (h->link))
        core_tick (&h->core, now);
    if (session_reconnect (h->core.session) || now >= h->reconnect_at)
        reconnect (h, now);
    bindings_look (h);
    core_flush (&h->core);
    handle_send (h);
}

static bool has_work (drover_t *h)
{
    if (core_has_events (&h->core, NULL) || pipelines_have (h))
        return true;
    if (session_state (h->core.session) == SESSION_LOST)
        return !h->core.lost_delivered;
    return h->link && link_readable (h->link);
}

static int64_t next_deadline (const drover_t *h)
{
    int64_t at = core_deadline (&h->core);
    return h->reconnect_at < at ? h->reconnect_at : at;
}

static void set_timer (drover_t *h)
{
    int64_t at = next_deadline (h);
    if (at == h->timer_at)
        return;
    struct itimerspec when = {0};
    if (at != CLOCK_NEVER) {
        if (at < 1)
            at = 1; /* zero would switch it off */
        when.it_value.tv_sec = at / US_PER_S;
        when.it_value.tv_nsec = at % US_PER_S * 1000;
    }
    timerfd_settime (h->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    h->timer_at = at;
}

static void raise_event (drover_t *h, bool on)
{
    uint64_t one = 1;
    if (on == h->raised)
        return;
    ssize_t n = on ? write (h->raised_fd, &one, sizeof one) : read (h->raised_fd, &one, sizeof one);
    if (n == sizeof one)
        h->raised = on;
}

void handle_settle (drover_t *h)
{
    if (!h->watched)
        return;
    raise_event (h, has_work (h) || core_has_unsent (&h->core) || tasks_have_work (h) ||
                        h->tasks.untaken);
    set_timer (h);
}

bool handle_sleep (drover_t *h, int64_t until)
{
    struct pollfd p = {.fd = h->epoll_fd, .events = POLLIN};
    int64_t at = next_deadline (h);
    if (until < at)
        at = until;
    if (core_has_unsent (&h->core)) { /* what continuations ask for is behind this turn */
        core_flush (&h->core);
        handle_send (h);
    }
    raise_event (h, false);
    if (h->watched)
        set_timer (h); /* one that has fired would wake us again and again */
    /* not epoll_wait(): it ends with EINTR behind a stop and SIGCONT too, which no handler sees */
    int n = poll (&p, 1, clock_poll_ms (at, clock_mono_us ()));
    bool interrupted = n < 0 && errno == EINTR;
    watch_children (h);
    return !interrupted;
}

int64_t handle_until (int64_t timeout_ms)
{
    if (timeout_ms < 0 || timeout_ms > INT64_MAX / 4 / US_PER_MS)
        return CLOCK_NEVER;
    return clock_mono_us () + timeout_ms * US_PER_MS;
}

/* Of the broker, for people. */
static const char *handle_name (const drover_t *h)
{
    return h->private ? "private broker" : h->url;
}

int handle_alive (const drover_t *h, drover_error_t *e)
{
    if (session_state (h->core.session) != SESSION_LOST)
        return 0;
    const struct err *why = session_why (h->core.session);
    return fault_set (e, fault_code ((uint64_t)why->code), "%s: %s", handle_name (h), why->text);
}

int handle_wait (drover_t *h, bool (*done) (drover_t *h, void *arg), void *arg, int64_t timeout_ms,
                 drover_error_t *e)
{
    int64_t until = handle_until (timeout_ms);
    int rc = tasks_may_wait (h, e);
    while (rc == 0) {
        handle_turn (h, true);
        if ((rc = tasks_serve (h, e)) != 0 || done (h, arg))
            break;
        bool more = tasks_have_work (h) && clock_mono_us () < until;
        if (!more && (rc = handle_alive (h, e)) != 0)
            break;
        if (more || (h->link && link_readable (h->link)))
            continue;
        if (clock_mono_us () >= until)
            rc = fault_set (e, DROVER_ETIME, "%s: no answer in time", handle_name (h));
        else if (!handle_sleep (h, until))
            rc = fault_set (e, DROVER_EINTR, "interrupted by a signal");
    }
    handle_settle (h);
    return rc;
}

/* --- public ------------------------------------------------------------------------------------
 */

int drover_fd (drover_t *h)
{
    if (!h->watched) {
        h->watched = true;
        handle_settle (h);
    }
    return h->epoll_fd;
}

void drover_flush (drover_t *h)
{
    core_flush (&h->core);
    handle_send (h);
    handle_settle (h);
}

/* Of a batch that the program does not know; what its broker has to tell the user it gets without
 * the batch. And that there is no worker, where ours is on its way: its end would be told. */
static bool is_hidden (drover_t *h)
{
    const drover_batch_t *b = h->core.event.batch;
    if (h->private && h->core.event.kind == DROVER_EVENT_NOTICE &&
        h->core.event.notice->code == DROVER_NOTE_NO_WORKER)
        return true;
    if (!b || !b->hidden)
        return false;
    h->core.event.batch = NULL;
    return h->core.event.kind != DROVER_EVENT_NOTICE;
}

/* Many events come out of one message: no turn for each, but one from time to time, so that what
 * the program, or a pipeline, answers to them leaves. */
static int take_event (drover_t *h, const drover_event_t **event, struct err *why)
{
    int rc;
    do {
        if (++h->served >= MESSAGES_A_TURN)
            handle_turn (h, false);
        if (pipelines_next (h, event))
            return 1;
        rc = core_next (&h->core, NULL, event, why);
    } while (rc > 0 && (is_hidden (h) || !pipelines_pass (&h->core.event)));
    return rc;
}

static int next_event (drover_t *h, const drover_event_t **event, drover_error_t *e)
{
    struct err why = {0};
    if (tasks_may_wait (h, e) != 0 || tasks_serve (h, e) != 0)
        return -1;
    int rc = take_event (h, event, &why);
    if (rc > 0)
        FAULT_POINT ("client-delivers");
    if (rc < 0)
        return fault_err (e, &why);
    if (rc == 0 && h->core.lost_delivered)
        return handle_alive (h, e);
    return rc;
}

int drover_next (drover_t *h, int64_t timeout_ms, const drover_event_t **event, drover_error_t *e)
{
    int rc = next_event (h, event, e);
    if (rc == 0) {
        int64_t until = handle_until (timeout_ms);
        watch_children (h);
        for (;;) {
            handle_turn (h, false);
            rc = next_event (h, event, e);
            if (rc != 0)
                break;
            bool again = has_work (h) || (clock_mono_us () < until &&
                                          (tasks_have_work (h) || handle_sleep (h, until)));
            if (!again)
                break;
        }
    }
    handle_settle (h);
    return rc;
}
