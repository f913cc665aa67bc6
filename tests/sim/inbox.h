/* inbox: what has come for the broker and is not read, read as a ROUTER reads: one message of each
 * connection in turn. */
#ifndef DROVER_SIM_INBOX_H
#define DROVER_SIM_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/wire.h"

struct inbox;

struct inbox *inbox_new (void);
void inbox_free (struct inbox **i);

/* A message came over that route (taken). */
void inbox_put_take (struct inbox *i, uint64_t route, int64_t now, struct wire_frames *f);

/* The next in turn (the caller's then); false: there is none. */
bool inbox_next (struct inbox *i, uint64_t *route, struct wire_frames *f);

size_t inbox_count (const struct inbox *i);

/* When the oldest came of what lies there of that route; INT64_MAX: nothing does. */
int64_t inbox_oldest (const struct inbox *i, uint64_t route);

#endif
