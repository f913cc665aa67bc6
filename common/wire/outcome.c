/* outcome: both directions go through one list of the numbers and one of the texts, in the order
 * of the wire, so that they cannot drift apart. */
#include "common/wire/outcome.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "common/wire/pack.h"
#include "common/wire/scan.h"
#include "common/wire/wire.h"

#define FIELDS 15
#define ATTEMPTS_MAX 100000
#define NUMBER(field, greatest)                                                                    \
    {                                                                                              \
        offsetof (struct plain, field), greatest, false                                            \
    }
#define TEXT(field, greatest)                                                                      \
    {                                                                                              \
        offsetof (struct plain, field), greatest, true                                             \
    }

/* An outcome with every number of one width. */
struct plain {
    uint64_t row, attempt, how, status, signal;
    struct bytes out, err;
    uint64_t start_us, wall_us, out_bytes, err_bytes, user_us, sys_us, maxrss_kib;
    struct bytes reason;
};

static const struct place {
    size_t offset;
    uint64_t greatest;
    bool text;
} places[FIELDS] = {
    NUMBER (row, UINT64_MAX),
    NUMBER (attempt, ATTEMPTS_MAX),
    NUMBER (how, OUTCOME_SKIPPED),
    NUMBER (status, 255),
    NUMBER (signal, 64),
    TEXT (out, WIRE_PIECE_MAX),
    TEXT (err, WIRE_PIECE_MAX),
    NUMBER (start_us, UINT64_MAX),
    NUMBER (wall_us, UINT64_MAX),
    NUMBER (out_bytes, UINT64_MAX),
    NUMBER (err_bytes, UINT64_MAX),
    NUMBER (user_us, UINT64_MAX),
    NUMBER (sys_us, UINT64_MAX),
    NUMBER (maxrss_kib, UINT64_MAX),
    TEXT (reason, WIRE_PIECE_MAX),
};

static const char *const names[OUTCOME_KINDS] = {
    [OUTCOME_DONE] = "done",       [OUTCOME_FAILED] = "failed",
    [OUTCOME_TIMEOUT] = "timeout", [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_LOST] = "lost",       [OUTCOME_PARKED] = "parked",
    [OUTCOME_SKIPPED] = "skipped", [OUTCOME_BROKER_LOST] = "broker_lost",
};

static uint64_t *number_at (struct plain *p, size_t i)
{
    return (uint64_t *)((char *)p + places[i].offset);
}

static struct bytes *text_at (struct plain *p, size_t i)
{
    return (struct bytes *)((char *)p + places[i].offset);
}

static struct plain to_plain (const struct outcome *o)
{
    return (struct plain){
        .row = o->row,
        .attempt = o->attempt,
        .how = o->how,
        .status = o->status,
        .signal = o->signal,
        .out = o->out,
        .err = o->err,
        .start_us = o->start_us,
        .wall_us = o->wall_us,
        .out_bytes = o->out_bytes,
        .err_bytes = o->err_bytes,
        .user_us = o->user_us,
        .sys_us = o->sys_us,
        .maxrss_kib = o->maxrss_kib,
        .reason = o->reason,
    };
}

static struct outcome from_plain (const struct plain *p)
{
    return (struct outcome){
        .row = p->row,
        .attempt = p->attempt,
        .how = (enum outcome_how)p->how,
        .status = (unsigned)p->status,
        .signal = (unsigned)p->signal,
        .out = p->out,
        .err = p->err,
        .start_us = p->start_us,
        .wall_us = p->wall_us,
        .out_bytes = p->out_bytes,
        .err_bytes = p->err_bytes,
        .user_us = p->user_us,
        .sys_us = p->sys_us,
        .maxrss_kib = p->maxrss_kib,
        .reason = p->reason,
    };
}

static bool is_empty (struct plain *p, size_t i)
{
    return places[i].text ? text_at (p, i)->len == 0 : *number_at (p, i) == 0;
}

/* An outcome goes out whole or not at all: half an array would swallow the one behind it. */
void outcome_pack (struct buf *out, const struct outcome *o)
{
    struct plain p = to_plain (o);
    uint32_t fields = FIELDS;
    size_t texts = o->out.len + o->err.len + o->reason.len;
    struct pack_cursor c = {buf_room (out, (1 + FIELDS) * PACK_NUMBER_MAX + texts)};
    if (!c.at)
        return;
    while (fields > 1 && is_empty (&p, fields - 1))
        fields--;
    msgpack_packer pk = pack_at (&c);
    msgpack_pack_array (&pk, fields);
    for (size_t i = 0; i < fields; i++) {
        if (places[i].text)
            pack_bytes (&pk, *text_at (&p, i));
        else
            msgpack_pack_uint64 (&pk, *number_at (&p, i));
    }
    out->len = (size_t)(c.at - out->bytes);
}

static int read_field (struct bytes body, size_t *at, struct plain *p, size_t i)
{
    if (places[i].text) {
        struct bytes *text = text_at (p, i);
        return scan_bytes (body, at, text) == 0 && text->len <= places[i].greatest ? 0 : -1;
    }
    uint64_t *number = number_at (p, i);
    return scan_u64 (body, at, number) == 0 && *number <= places[i].greatest ? 0 : -1;
}

/* Fields of a later version, behind those that are known here. */
static int skip_field (struct bytes body, size_t *at)
{
    int64_t len = scan_object (bytes_of (body.ptr + *at, body.len - *at), UINT32_MAX, NULL);
    if (len < 0)
        return -1;
    *at += (size_t)len;
    return 0;
}

int outcome_read (struct bytes body, size_t *at, struct outcome *o)
{
    struct plain p = {0};
    uint32_t fields;
    size_t next = *at;
    if (next >= body.len)
        return 0;
    if (scan_array (body, &next, &fields) != 0 || fields == 0)
        return -1;
    for (uint32_t i = 0; i < fields; i++)
        if ((i < FIELDS ? read_field (body, &next, &p, i) : skip_field (body, &next)) != 0)
            return -1;
    *o = from_plain (&p);
    *at = next;
    return 1;
}

void outcome_limit_words (char *text, size_t size, uint64_t limit_ms)
{
    snprintf (text, size, "time limit of %" PRIu64 ".%03" PRIu64 " s", limit_ms / 1000,
              limit_ms % 1000);
}

const char *outcome_name (enum outcome_how how)
{
    return (unsigned)how < OUTCOME_KINDS ? names[how] : "unknown";
}
