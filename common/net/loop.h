/* loop: waits for links, descriptors and a deadline, and calls whoever is concerned.
 *
 * Level-triggered: what a callback leaves unread calls it again. So a callback does bounded work (N
 * messages) and returns; the others get their turn. Callbacks may add, change and remove anything,
 * also themselves. Timers are the caller's: it passes its next deadline. One thread a loop.
 */
#ifndef DROVER_NET_LOOP_H
#define DROVER_NET_LOOP_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/net/link.h"

struct loop;

typedef void loop_link_fn (void *arg, struct link *l);

/* `events` is what poll() would say: POLLIN, POLLOUT, POLLERR, POLLHUP. */
typedef void loop_fd_fn (void *arg, int fd, short events);

/* NULL with an error when the system has no descriptor for it. */
struct loop *loop_new (struct err *e);

/* Links and descriptors in it are borrowed and stay open. */
void loop_free (struct loop **loop);

/* Call fn when the link has a message. */
int loop_add_link (struct loop *loop, struct link *l, loop_link_fn *fn, void *arg, struct err *e);

/* Before link_close(). */
void loop_remove_link (struct loop *loop, struct link *l);

/* Call fn when the descriptor is ready for `events` (POLLIN, POLLOUT or both; 0: only errors and
 * hang-ups). Each descriptor once. -1: EPERM for a file, which is always ready; EEXIST. */
int loop_add_fd (struct loop *loop, int fd, short events, loop_fd_fn *fn, void *arg, struct err *e);
int loop_change_fd (struct loop *loop, int fd, short events, struct err *e);

/* Before close(). Unknown descriptors are fine. */
void loop_remove_fd (struct loop *loop, int fd);

/* There is more to do than any link or descriptor shows: the next loop_wait() does not sleep. */
void loop_again (struct loop *loop);

/* Wait until something is ready or deadline_us (clock_mono_us(); CLOCK_NEVER: none) has passed, and
 * call the callbacks, each at most once, descriptors first. A deadline is met to the millisecond,
 * never early. Returns how many were called; a signal handler's interruption counts as a return
 * with 0. */
int loop_wait (struct loop *loop, int64_t deadline_us);

#endif
