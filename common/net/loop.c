/* loop: one epoll descriptor for everything.
 *
 * A link's descriptor tells only of changes, so every link is asked whether it is readable before
 * the loop sleeps, and after. Descriptors are found by their number in an array, so that a thousand
 * of them cost no more a turn than one.
 */
#include "common/net/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define EVENTS_A_TURN 64

/* epoll and poll say the same with the same bits. */
_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
                   EPOLLHUP == POLLHUP,
               "epoll and poll differ");

struct fd_item {
    loop_fd_fn *fn; /* NULL: not in the loop */
    void *arg;
    uint32_t serial; /* which use of this number an event was for */
};

struct link_item {
    struct link *link; /* NULL: removed, the place is free */
    loop_link_fn *fn;
    void *arg;
};

struct loop {
    int epoll_fd;
    bool again;
    uint32_t serial;
    struct fd_item *fds; /* by descriptor */
    size_t fds_size;
    struct link_item *links;
    size_t links_count;
};

struct loop *loop_new (struct err *e)
{
    int fd = epoll_create1 (EPOLL_CLOEXEC);
    if (fd < 0) {
        err_sys (e, errno, "cannot make an epoll descriptor");
        return NULL;
    }
    struct loop *loop = mem_zalloc (sizeof *loop);
    loop->epoll_fd = fd;
    return loop;
}

void loop_free (struct loop **lp)
{
    struct loop *loop = *lp;
    if (!loop)
        return;
    close (loop->epoll_fd);
    free (loop->fds);
    free (loop->links);
    free (loop);
    *lp = NULL;
}

static struct fd_item *find_fd (struct loop *loop, int fd)
{
    if (fd < 0 || (size_t)fd >= loop->fds_size || !loop->fds[fd].fn)
        return NULL;
    return &loop->fds[fd];
}

static struct fd_item *room_for_fd (struct loop *loop, int fd)
{
    size_t size = loop->fds_size ? loop->fds_size : 32;
    while (size <= (size_t)fd)
        size *= 2;
    if (size > loop->fds_size) {
        loop->fds = mem_resize (loop->fds, size, sizeof *loop->fds);
        memset (loop->fds + loop->fds_size, 0, (size - loop->fds_size) * sizeof *loop->fds);
        loop->fds_size = size;
    }
    return &loop->fds[fd];
}

/* An event carries descriptor and serial: events of one wait may concern a descriptor that an
 * earlier callback closed, and whose number is somebody else's by now. */
static int control (struct loop *loop, int op, int fd, short events, uint32_t serial)
{
    struct epoll_event ev = {.events = (uint32_t)(unsigned short)events,
                             .data.u64 = (uint64_t)serial << 32 | (uint32_t)fd};
    return epoll_ctl (loop->epoll_fd, op, fd, &ev);
}

int loop_add_fd (struct loop *loop, int fd, short events, loop_fd_fn *fn, void *arg, struct err *e)
{
    uint32_t serial = ++loop->serial;
    if (control (loop, EPOLL_CTL_ADD, fd, events, serial) != 0)
        return err_sys (e, errno, "cannot watch descriptor %d", fd);
    *room_for_fd (loop, fd) = (struct fd_item){fn, arg, serial};
    return 0;
}

int loop_change_fd (struct loop *loop, int fd, short events, struct err *e)
{
    struct fd_item *item = find_fd (loop, fd);
    if (!item)
        return err_set (e, ENOENT, "descriptor %d is not in the loop", fd);
    if (control (loop, EPOLL_CTL_MOD, fd, events, item->serial) != 0)
        return err_sys (e, errno, "cannot watch descriptor %d", fd);
    return 0;
}

void loop_remove_fd (struct loop *loop, int fd)
{
    struct fd_item *item = find_fd (loop, fd);
    if (!item)
        return;
    epoll_ctl (loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    item->fn = NULL;
}

/* The link's own descriptor only ends the sleep; links are called by their state. */
static void wake_only (void *arg, int fd, short events)
{
    (void)arg;
    (void)fd;
    (void)events;
}

int loop_add_link (struct loop *loop, struct link *l, loop_link_fn *fn, void *arg, struct err *e)
{
    size_t i = 0;
    if (loop_add_fd (loop, link_wait_fd (l), POLLIN, wake_only, NULL, e) != 0)
        return -1;
    while (i < loop->links_count && loop->links[i].link)
        i++;
    if (i == loop->links_count)
        loop->links = mem_resize (loop->links, ++loop->links_count, sizeof *loop->links);
    loop->links[i] = (struct link_item){l, fn, arg};
    return 0;
}

void loop_remove_link (struct loop *loop, struct link *l)
{
    for (size_t i = 0; i < loop->links_count; i++)
        if (loop->links[i].link == l) {
            loop_remove_fd (loop, link_wait_fd (l));
            loop->links[i].link = NULL;
        }
}

void loop_again (struct loop *loop)
{
    loop->again = true;
}

static bool any_link_readable (const struct loop *loop)
{
    for (size_t i = 0; i < loop->links_count; i++)
        if (loop->links[i].link && link_readable (loop->links[i].link))
            return true;
    return false;
}

static int sleep_ms (const struct loop *loop, int64_t deadline_us)
{
    if (loop->again || any_link_readable (loop))
        return 0;
    return clock_poll_ms (deadline_us, clock_mono_us ());
}

static int call_fd (struct loop *loop, const struct epoll_event *ev)
{
    int fd = (int)(uint32_t)ev->data.u64;
    struct fd_item *item = find_fd (loop, fd);
    if (!item || item->serial != ev->data.u64 >> 32)
        return 0;
    if (item->fn == wake_only)
        return 0;
    item->fn (item->arg, fd, (short)ev->events);
    return 1;
}

static int call_links (struct loop *loop)
{
    int called = 0;
    for (size_t i = 0; i < loop->links_count; i++) {
        struct link_item item = loop->links[i]; /* the array may move in the callback */
        if (!item.link || !link_readable (item.link))
            continue;
        item.fn (item.arg, item.link);
        called++;
    }
    return called;
}

int loop_wait (struct loop *loop, int64_t deadline_us)
{
    struct epoll_event ev[EVENTS_A_TURN];
    int called = 0;
    int n = epoll_wait (loop->epoll_fd, ev, EVENTS_A_TURN, sleep_ms (loop, deadline_us));
    loop->again = false;
    for (int i = 0; i < n; i++)
        called += call_fd (loop, &ev[i]);
    return called + call_links (loop);
}
