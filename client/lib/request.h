/* request: what was asked of the broker and waits for its REPLY, by ref.
 *
 * A request is kept until it is answered, so that it can be asked again when a session was lost and
 * a new one begun; one that was answered in part is then answered with the loss.
 */
#ifndef DROVER_CLIENT_REQUEST_H
#define DROVER_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/lib/session.h"
#include "common/base/hash.h"

/* Several requests with one answer, which comes with the last of theirs. */
struct join {
    LIST_ENTRY (join) link;
    uint64_t ref;   /* of that answer */
    size_t open;    /* requests that are not answered */
    uint64_t value; /* the greatest of their answers */
    uint64_t code;  /* of the first that was refused, or WIRE_OK */
    char *text;     /* ... and what was said of it, or NULL */
};

struct request {
    uint64_t ref;
    uint64_t handle;   /* of the batch it is about, where only this session knows it; else 0 */
    uint64_t id;       /* of that batch, which was freed since: the broker's number; 0: not known */
    bool over;         /* ... and it was over then */
    bool begun;        /* some of the answer has come */
    bool queued;       /* restart.c: it waits in the channel to be sent (again) */
    bool again;        /* it was asked in an earlier session, too, and may have been done */
    bool range;        /* about some rows of that batch */
    bool quiet;        /* nobody wants to see the answer */
    struct join *join; /* the answer is part of this one; or NULL */
    struct wire_frames frames;
    UT_hash_handle hh;
};

struct requests {
    struct request *by_ref; /* uthash, in the order of asking */
    LIST_HEAD (, join) joins;
    uint64_t last;
};

/* The ref of a message that asks; NULL where the kind is none that does. */
uint64_t *request_ref (struct wire *w);

/* Ask: `w` is of a kind that has a ref, which is set here. `lane`: bulk, if it is about
 * rows that may not have left yet. Returns the ref, or 0. */
uint64_t requests_ask (struct requests *r, struct session *s, enum chan_lane lane, struct wire *w,
                       uint64_t handle, struct err *e);

struct request *requests_find (struct requests *r, uint64_t ref);

/* Answered, or dropped. */
void requests_forget (struct requests *r, struct request *q);

/* Have these requests, of which none is answered, answered together: returns the ref. */
uint64_t requests_join (struct requests *r, const uint64_t *refs, size_t count);

/* What was joined under this ref; NULL: nothing. */
struct join *requests_joined (const struct requests *r, uint64_t ref);

/* One of them is answered: true if it was the last; join_free() then. */
bool join_answer (struct join *j, uint64_t code, uint64_t value, struct bytes text);
void join_free (struct join **j);

/* Make it one about the number of its batch, which was freed. False: that is not known. */
bool request_by_number (struct request *q);

/* The broker does not know what was to be forgotten: by now it is, by this very request. */
bool request_is_done (const struct request *q, enum wire_code code);

/* Say what it says without a ref, if that can be: the broker then answers nothing, and does it when
 * it can. */
void request_unasked (const struct request *q, struct session *s);

/* Ask again in a new session. */
void request_again (struct request *q, struct session *s, enum chan_lane lane);

void requests_fini (struct requests *r);

#endif
