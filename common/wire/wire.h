/* wire: the protocol's messages as C values, and the way to and from bytes.
 *
 * Everything is driven by wire.def. A decoded message is checked: its kind is known, its fields are
 * there, of their type and within their limits, its frames are as many as its kind allows. What the
 * fields *mean* is for the receiver.
 */
#ifndef DROVER_WIRE_WIRE_H
#define DROVER_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/bytes.h"
#include "common/base/err.h"

#define WIRE_MAGIC 0xd7
#define WIRE_MAJOR 1
#define WIRE_BODIES 2                      /* body frames at the most */
#define WIRE_FRAME_MAX (8u << 20)          /* bytes of one frame */
#define WIRE_ROW_MAX (WIRE_FRAME_MAX - 64) /* of one row: it must fit in a frame to an executor */
#define WIRE_PIECE_MAX (256u << 10)        /* bytes of a piece of a large row or output */
#define WIRE_HEADER_MAX (32u << 10)        /* bytes of a header frame */
#define WIRE_FLAG_MUST_UNDERSTAND                                                                  \
    0x01 /* of the header: refuse the message if a flag or field is new to you */
#define WIRE_FLAG_ACK_NOW 0x02 /* the sender waits for the acknowledgement of this message */

enum wire_role { ROLE_NONE, ROLE_CLIENT, ROLE_WORKER, ROLE_ADMIN, ROLE_OBSERVER };
enum wire_sender {
    SENDER_C = 1,
    SENDER_W = 2,
    SENDER_B = 4,
    SENDER_A = 8,
    SENDER_X = 16,
    SENDER_S = 32
};
enum wire_feature {
    FEATURE_PARTS = 1,
    FEATURE_KEYS = 2, /* ordering keys */
    FEATURE_COMMANDS = 4,
    FEATURE_DURABLE = 8,   /* of a broker: it comes back with all it acknowledged */
    FEATURE_PEEK = 16,     /* of a worker: it answers PEEK */
    FEATURE_PROGRESS = 32, /* of a broker: it takes PROGRESS */
};
enum wire_form { FORM_SHELL, FORM_ARGV, FORM_FUNCTION };
enum wire_batch_flag {
    BATCH_DETACHED = 1,     /* lives on without its client; results are kept until forgotten */
    BATCH_AT_MOST_ONCE = 2, /* a row that may have started is never run again */
    BATCH_EACH_SPEC = 4,    /* row r runs as spec r */
    BATCH_ORDERED = 8,      /* rows of equal key run one after another; exclusive, too */
    BATCH_INPUT = 16,       /* a row may get live input */
    BATCH_EXCLUSIVE = 32,   /* never two attempts of a row at one time */
};
enum wire_retry {
    RETRY_FAILED = 1,
    RETRY_SIGNAL = 2,
    RETRY_TIMEOUT = 4,
    RETRY_LOST = 8,
    RETRY_EXITS = 16
};
enum wire_spec_flag {
    SPEC_LIVE_OUTPUT = 1,    /* output goes out as it comes, not when the task ends */
    SPEC_LIVE_INPUT = 2,     /* stdin comes as INPUT messages */
    SPEC_LEAVE_CHILDREN = 4, /* what the task leaves running stays */
    SPEC_ROW_INPUT = 8,      /* the row's last value is the task's stdin, not an argument */
    SPEC_MERGE_STDERR = 16,
    SPEC_EXCLUSIVE = 32, /* ended before the broker may give the rows to another worker */
    SPEC_CANCEL_FD = 64, /* a descriptor tells the task that it is to end, before TERM does */
    SPEC_ONCE = 128,     /* what may have started is never started again */
};
enum wire_change { CHANGE_JOBS = 1, CHANGE_PRIORITY = 2, CHANGE_DEADLINE = 4, CHANGE_NAME = 8 };
enum wire_batch_state { BATCH_RUNNING, BATCH_FINISHED, BATCH_CANCELLED, BATCH_BROKEN };
enum wire_condition {
    WAIT_FINISHED,
    WAIT_COUNT,
    WAIT_SUCCESSES,
    WAIT_PERCENT,
    WAIT_PROCESSES_GONE
};
enum wire_ask {
    QUERY_STATUS,
    QUERY_BATCHES,
    QUERY_BATCH,
    QUERY_TASKS,
    QUERY_WORKERS,
    QUERY_RESERVED
};
enum wire_note {
    NOTICE_NO_WORKER = 1,
    NOTICE_TASK_TOO_BIG,
    NOTICE_NO_FUNCTION,
    NOTICE_WORKER_LOST
};
enum wire_code {
    WIRE_OK = 0,
    WIRE_MALFORMED,   /* the bytes are no message */
    WIRE_UNSUPPORTED, /* kind, version or flag not known here */
    WIRE_FORBIDDEN,   /* not this role's business */
    WIRE_NO_SESSION,  /* HELLO first */
    WIRE_UNKNOWN,     /* no such batch, task, worker or handle */
    WIRE_CONFLICT,    /* the same key or number with other content */
    WIRE_BUSY,        /* over a limit; later */
    WIRE_STORAGE,     /* the store cannot keep it */
    WIRE_REPLACED,    /* a newer session took the name */
    WIRE_STOPPING,    /* the broker is about to stop */
    WIRE_TOO_BIG,
    WIRE_REVOKED,
    WIRE_FENCED,   /* an attempt or session that no longer counts */
    WIRE_LOST,     /* this session was given up for lost */
    WIRE_DRAINING, /* the broker takes no new batches, and stops when it has none */
};

/* clang-format off */
/* enum wire_kind: WIRE_HELLO = 1, ... */
enum wire_kind {
#define WIRE_KIND(NAME, name, number, senders, numbered, bodies) WIRE_##NAME = (number),
#define U64(field, greatest)
#define STR(field, greatest)
#define WIRE_END(name)
#include "common/wire/wire.def"
#undef WIRE_KIND
#undef U64
#undef STR
#undef WIRE_END
};

/* struct msg_hello { uint64_t min_major; ... }; and so on */
#define WIRE_KIND(NAME, name, number, senders, numbered, bodies) struct msg_##name { char nothing[0];
#define U64(field, greatest) uint64_t field;
#define STR(field, greatest) struct bytes field;
#define WIRE_END(name) };
#include "common/wire/wire.def"
#undef WIRE_KIND
#undef U64
#undef STR
#undef WIRE_END

/* The fields of any kind: m.hello.token, ... */
union wire_msg {
#define WIRE_KIND(NAME, name, number, senders, numbered, bodies) struct msg_##name name;
#define U64(field, greatest)
#define STR(field, greatest)
#define WIRE_END(name)
#include "common/wire/wire.def"
#undef WIRE_KIND
#undef U64
#undef STR
#undef WIRE_END
};
/* clang-format on */

/* One message. Its strings are views: of `header` in a decoded message, of whatever the maker keeps
 * in a new one. */
struct wire {
    enum wire_kind kind;
    unsigned flags;
    uint64_t seq; /* 0: not numbered */
    uint64_t ack; /* highest number received in order */
    union wire_msg m;
    struct slice body[WIRE_BODIES]; /* each holds its reference, or borrows */
    struct slice header;            /* of a decoded message: what its strings point into */
};

/* A message as frames: frame[0] is the header. */
struct wire_frames {
    struct slice frame[1 + WIRE_BODIES];
    unsigned count;
};

/* The kind of a message that wire_encode() made, or that was checked. */
static inline enum wire_kind wire_frames_kind (const struct wire_frames *f)
{
    return (enum wire_kind)f->frame[0].ptr[2];
}

/* Decode frames; the message keeps references of its own. On failure `w` is empty, and `*code` (may
 * be NULL) is WIRE_MALFORMED or WIRE_UNSUPPORTED; w->kind is the kind byte where there was one, and
 * of an unsupported message of our version `seq` and `ack` are there as well: it takes its number.
 * Allocates less than 4 times the header's length, whatever the bytes say. */
int wire_decode (struct wire *w, const struct wire_frames *f, enum wire_code *code, struct err *e);

/* Encode a message; trailing empty bodies are left out. The frames hold references (borrowed bodies
 * are copied). Fails with EMSGSIZE where a field or frame is over its limit. */
int wire_encode (const struct wire *w, struct wire_frames *f, struct err *e);

/* Set sequence number and acknowledgement in an encoded header of which the caller has the only
 * reference. */
void wire_stamp (struct wire_frames *f, uint64_t seq, uint64_t ack);

/* Set a WIRE_FLAG_ in such a header. */
void wire_flag (struct wire_frames *f, unsigned flag);

/* All bytes of the frames. */
size_t wire_frames_bytes (const struct wire_frames *f);

/* Whether two decoded messages say the same: kind, fields and bodies, whatever their numbers. */
bool wire_same (const struct wire *a, const struct wire *b);

/* The same frames with references of their own; the header is copied, so that it can be stamped. */
struct wire_frames wire_frames_keep (const struct wire_frames *f);

void wire_frames_fini (struct wire_frames *f);

/* Drop the references. */
void wire_fini (struct wire *w);

/* "HELLO", ...; NULL for an unknown kind. */
const char *wire_name (unsigned kind);

/* Whether messages of the kind carry a number. */
bool wire_numbered (enum wire_kind kind);

/* Whether this side may say it. The default is no. */
bool wire_may_send (enum wire_sender sender, unsigned kind);

/* One line for logs and traces: RESULTS seq=4 ack=7 batch=1 ... body=123. Always terminated. */
void wire_show (const struct wire *w, char *line, size_t size);

#endif
