/* open: the beginning and the end of a handle. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/lib/fault.h"
#include "client/lib/find.h"
#include "client/lib/handle.h"
#include "client/lib/pipeline.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define CONNECT_MS 5000
#define STATE_MS 600000 /* a large state takes its time; a broker that cannot read it ends */
#define LOST_MS 300000
#define BYE_MS 1000
#define LINGER_MS 1000
#define STOP_LOOK_MS 20
#define TASK_MEMORY ((size_t)1 << 20)
#define MEMORY ((size_t)16 << 20)

static int64_t us_or (int64_t ms, int64_t otherwise_ms)
{
    return (ms > 0 && ms < INT64_MAX / 4 / US_PER_MS ? ms : otherwise_ms) * US_PER_MS;
}

static size_t size_or (size_t size, size_t otherwise)
{
    return size ? size : otherwise;
}

static int add_fd (drover_t *h, int fd, drover_error_t *e)
{
    struct epoll_event ev = {.events = EPOLLIN};
    if (fd < 0 || epoll_ctl (h->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0)
        return 0;
    return fault_set (e, DROVER_ESYSTEM, "epoll: %s", strerror (errno));
}

static int make_descriptors (drover_t *h, drover_error_t *e)
{
    h->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    h->timer_fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    h->raised_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->epoll_fd < 0 || h->timer_fd < 0 || h->raised_fd < 0)
        return fault_set (e, DROVER_ESYSTEM, "cannot make descriptors for a session: %s",
                          strerror (errno));
    return add_fd (h, h->timer_fd, e) || add_fd (h, h->raised_fd, e) ? -1 : 0;
}

static int go_private (drover_t *h, const drover_options_t *o, drover_error_t *e)
{
    struct err why = {0};
    if (o->flags & DROVER_OPEN_NO_PRIVATE && !o->state)
        return fault_set (e, DROVER_ENOBROKER,
                          "no broker is running: start one with `drover broker start` and a worker "
                          "with `drover worker start`, or name one with --broker");
    h->private = private_start (o->slots, o->state, o->flags & DROVER_OPEN_DEBUG, &why);
    if (!h->private)
        return fault_set (e, why.code == ENOENT ? DROVER_ENOBROKER : DROVER_ESYSTEM, "%s",
                          why.text);
    h->url = mem_strdup (private_url (h->private));
    if (add_fd (h, private_broker_fd (h->private), e) != 0)
        return -1;
    return add_fd (h, private_worker_fd (h->private), e);
}

static int choose_broker (drover_t *h, const drover_options_t *o, drover_error_t *e)
{
    char url[FIND_URL_MAX];
    int found = o->state ? 0 : drover_find_broker (o, url, sizeof url, e);
    if (found < 0)
        return -1;
    if (found == 0)
        return go_private (h, o, e);
    h->url = mem_strdup (url);
    if (find_allowed (url, o->flags, e) != 0)
        return -1;
    if (o->flags & DROVER_OPEN_NOWAIT)
        return 0;
    return find_probe (url, us_or (o->connect_ms, CONNECT_MS) / US_PER_MS, e);
}

static void warn_insecure (drover_t *h)
{
    if (strncmp (h->url, "tcp:", 4) != 0)
        return;
    char *text = mem_printf ("insecure: the session with %s has no keys, and can be read and "
                             "changed by whoever is on the way",
                             h->url);
    core_notice (&h->core, DROVER_NOTE_INSECURE, text);
    free (text);
}

static uint64_t random_seed (void)
{
    uint64_t seed = 0;
    if (getrandom (&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)clock_mono_us ();
    return seed;
}

static void begin_session (drover_t *h, const drover_options_t *o)
{
    h->name = o->name ? mem_strdup (o->name) : NULL;
    if (gethostname (h->host, sizeof h->host - 1) != 0)
        h->host[0] = '\0';
    struct session_config c = {
        .name = h->name,
        .host = h->host,
        .version = DROVER_VERSION,
        .broker = h->private ? NULL : h->url,
        .pid = (uint64_t)getpid (),
        .seed = random_seed (),
        .connect_us = us_or (o->connect_ms, o->state ? STATE_MS : CONNECT_MS),
        .lost_us = us_or (o->lost_ms, LOST_MS),
    };
    core_init (&h->core, &c, &h->store, clock_mono_us ());
    h->core.alone = h->private;
    warn_insecure (h);
}

static int connect_link (drover_t *h, drover_error_t *e)
{
    struct err why = {0};
    h->link = link_connect (h->url, &why);
    if (!h->link)
        return fault_err (e, &why);
    if (add_fd (h, link_wait_fd (h->link), e) != 0)
        return -1;
    session_connected (h->core.session, clock_mono_us ());
    handle_send (h);
    return 0;
}

static bool is_open (drover_t *h, void *arg)
{
    (void)arg;
    return session_state (h->core.session) == SESSION_OPEN;
}

static int await_welcome (drover_t *h, const drover_options_t *o, drover_error_t *e)
{
    drover_error_t why = {0};
    int64_t ms = us_or (o->connect_ms, o->state ? STATE_MS : CONNECT_MS) / US_PER_MS;
    if (handle_wait (h, is_open, NULL, ms, &why) == 0)
        return 0;
    if (session_token (h->core.session) == 0 &&
        (why.code == DROVER_ETIME || session_why (h->core.session)->code == WIRE_LOST) &&
        !h->private)
        return fault_set (e, DROVER_ENOBROKER,
                          "%s: no broker answered within %g s: see that one runs there and that "
                          "the address is right",
                          h->url, (double)ms / 1000);
    if (e)
        *e = why;
    return -1;
}

drover_t *drover_open (const drover_options_t *options, drover_error_t *e)
{
    static const drover_options_t none;
    const drover_options_t *o = options ? options : &none;
    drover_t *h = mem_zalloc (sizeof *h);
    h->epoll_fd = h->timer_fd = h->raised_fd = -1;
    h->reconnect_at = h->timer_at = CLOCK_NEVER;
    LIST_INIT (&h->batches);
    tasks_init (&h->tasks);
    LIST_INIT (&h->pipelines);
    store_init (&h->store, o->spill_dir, size_or (o->task_memory, TASK_MEMORY),
                size_or (o->memory, MEMORY));
    if (make_descriptors (h, e) != 0 || choose_broker (h, o, e) != 0)
        goto out;
    begin_session (h, o);
    if (connect_link (h, e) != 0)
        goto out;
    if (!(o->flags & DROVER_OPEN_NOWAIT) && await_welcome (h, o, e) != 0)
        goto out;
    return h;
out:
    drover_close (&h);
    return NULL;
}

static bool said_goodbye (drover_t *h, void *arg)
{
    (void)arg;
    return session_over (h->core.session) || session_state (h->core.session) != SESSION_OPEN;
}

/* A private broker ends with us: no words are needed. */
static void say_goodbye (drover_t *h)
{
    if (h->private || !h->core.session || session_state (h->core.session) != SESSION_OPEN)
        return;
    session_bye (h->core.session);
    handle_wait (h, said_goodbye, NULL, BYE_MS, NULL);
}

static bool is_gone (const drover_t *h)
{
    drover_error_t why = {0};
    return find_probe (h->url, STOP_LOOK_MS, &why) != 0 && why.code == DROVER_ENOBROKER;
}

int drover_stop_broker (drover_t *h, int64_t timeout_ms, drover_error_t *e)
{
    int64_t until = handle_until (timeout_ms);
    if (h->private)
        return fault_set (e, DROVER_EINVAL, "a private broker ends with its handle");
    if (handle_alive (h, e) != 0)
        return -1;
    session_stop_broker (h->core.session);
    if (handle_wait (h, said_goodbye, NULL, timeout_ms, e) != 0)
        return -1;
    while (!is_gone (h)) {
        int64_t now = clock_mono_us ();
        if (now >= until)
            return fault_set (e, DROVER_ETIME, "%s: the broker is stopping, and still there",
                              h->url);
        handle_sleep (h, now + STOP_LOOK_MS * US_PER_MS);
        handle_turn (h, true);
    }
    return 0;
}

static void close_fd (int fd)
{
    if (fd >= 0)
        close (fd);
}

void drover_close (drover_t **hp)
{
    drover_t *h = *hp;
    if (!h)
        return;
    *hp = NULL;
    h->tasks.closing = true;
    say_goodbye (h);
    bool linger = !h->private && h->core.session && !session_over (h->core.session);
    while (!LIST_EMPTY (&h->pipelines))
        pipeline_free (LIST_FIRST (&h->pipelines));
    tasks_fini (h);
    while (!LIST_EMPTY (&h->batches)) {
        drover_batch_t *b = LIST_FIRST (&h->batches);
        drover_batch_free (&b);
    }
    result_unref (&h->piped);
    if (h->core.session)
        core_fini (&h->core);
    link_close (&h->link, linger ? LINGER_MS : 0);
    private_stop (&h->private);
    store_fini (&h->store);
    close_fd (h->timer_fd);
    close_fd (h->raised_fd);
    close_fd (h->epoll_fd);
    free (h->url);
    free (h->name);
    free (h);
}

const char *drover_broker (const drover_t *h)
{
    return h->url;
}

int drover_is_private (const drover_t *h)
{
    return h->private != NULL;
}

const char *drover_version (void)
{
    return DROVER_VERSION;
}

const char *drover_how_name (int how)
{
    return how >= 0 && how < OUTCOME_KINDS ? outcome_name ((enum outcome_how)how) : "unknown";
}
