/* feed: see feed.h. */
#include "client/cli/feed.h"

#include <errno.h>
#include <inttypes.h>

static int err_of (struct err *e, const drover_error_t *from)
{
    return err_set (e, EINVAL, "%s", from->text);
}

static int64_t add_row (struct feed *f, const drover_bytes_t *values, size_t count,
                        drover_error_t *e)
{
    const char *text;
    int64_t row;
    size_t len;

    if (!f->order_by)
        return drover_batch_add (f->batch, f->spec, values, count, e);
    if (drover_command_expand (f->order_by, values, count, drover_batch_rows (f->batch) + 1, 1,
                               &text, &len, e) < 0)
        return -1;
    row = drover_batch_add_keyed (f->batch, f->spec, (drover_bytes_t){text, len}, values, count, e);
    if (row >= 0)
        keycount_add (&f->keys, text, len);
    return row;
}

/* One of them; 1: it is in. */
static int feed_row (struct feed *f, struct err *e)
{
    const drover_bytes_t *values;
    drover_error_t why = {0};
    size_t count;
    int64_t row;
    int got = f->next (f->arg, &values, &count, e);

    if (got == 0 && drover_batch_close (f->batch, &why) < 0)
        return err_of (e, &why);
    if (got != 1)
        return got;
    row = add_row (f, values, count, &why);
    if (row < 0 && why.code == DROVER_ETOOBIG)
        return err_set (e, E2BIG, "task %" PRIu64 ": %s", drover_batch_rows (f->batch) + 1,
                        why.text);
    if (row < 0)
        return err_of (e, &why);
    if (f->added && f->added (f->added_arg, row, values, count) != 0)
        return err_set (e, ENOMEM, "no memory for the values of task %" PRId64, row + 1);
    return 1;
}

int feed_rows (struct feed *f, uint64_t most, struct err *e)
{
    uint64_t room = drover_batch_room (f->batch);

    if (room == 0)
        return 3;
    for (uint64_t n = room < most ? room : most; n > 0; n--) {
        int got = feed_row (f, e);

        if (got != 1)
            return got;
    }
    return 1;
}

void feed_fini (struct feed *f)
{
    keycount_fini (&f->keys);
}
