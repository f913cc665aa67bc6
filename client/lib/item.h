/* item: something to be delivered: a message of the broker, or a word of our own. */
#ifndef DROVER_CLIENT_ITEM_H
#define DROVER_CLIENT_ITEM_H

#include <sys/queue.h>

#include "client/lib/batch.h"
#include "common/wire/wire.h"

enum item_kind {
    ITEM_CONNECTED,
    ITEM_OPENED,
    ITEM_RESULTS, /* one event for each outcome in the body */
    ITEM_OUTPUT,
    ITEM_UNFINISHED, /* one event for each row of the batch that has no outcome */
    ITEM_END,
    ITEM_ROOM,
    ITEM_INPUT_ROOM,
    ITEM_REPLY,
    ITEM_NOTICE,
    ITEM_REFUSED,
    ITEM_LOST,
};

struct item {
    TAILQ_ENTRY (item) link;
    enum item_kind kind;
    struct batch *batch;  /* or NULL */
    struct wire w;        /* owned; also for our own words, with borrowed strings: then `text` */
    char *text;           /* owned: what the strings of w point to, where it did not come */
    size_t at;            /* in the body, or the next row to look at */
    enum outcome_how how; /* of UNFINISHED */
    bool of_future;       /* in the queue of those */
};

#endif
