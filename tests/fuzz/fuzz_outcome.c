/* Any bytes as outcomes: what was read writes bytes that read the same. */
#include "common/wire/outcome.h"
#include "tests/fuzz/fuzz.h"

static void same (const struct outcome *a, const struct outcome *b)
{
    MUST (a->row == b->row && a->attempt == b->attempt && a->how == b->how);
    MUST (a->status == b->status && a->signal == b->signal);
    MUST (bytes_equal (a->out, b->out) && bytes_equal (a->err, b->err));
    MUST (a->start_us == b->start_us && a->wall_us == b->wall_us);
    MUST (a->out_bytes == b->out_bytes && a->err_bytes == b->err_bytes);
    MUST (a->user_us == b->user_us && a->sys_us == b->sys_us && a->maxrss_kib == b->maxrss_kib);
    MUST (bytes_equal (a->reason, b->reason));
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of (data, size);
    struct outcome o, again;
    size_t at = 0, before = 0;
    int rc;
    while ((rc = outcome_read (body, &at, &o)) == 1) {
        struct buf b;
        size_t zero = 0;
        MUST (at > before && at <= size);
        MUST (outcome_name (o.how)[0] != '\0');
        before = at;
        buf_init (&b, size + 1024);
        outcome_pack (&b, &o);
        MUST (!b.failed);
        MUST (outcome_read (bytes_of (b.bytes, b.len), &zero, &again) == 1);
        MUST (zero == b.len);
        same (&o, &again);
        buf_fini (&b);
    }
    MUST (rc == 0 ? at == size : at == before);
    return 0;
}
