#include "tests/sim/turns.h"

#include <stdlib.h>
#include <uthash.h>

#include "common/base/mem.h"

struct key {
    uint64_t batch, key;
};

struct turns { /* of one key */
    struct key key;
    uint64_t row; /* the last that started */
    UT_hash_handle hh;
};

static const uint64_t BEHIND = UINT64_MAX; /* in place of a key: batches behind it have begun */

static struct turns *find (struct turns *all, uint64_t batch, uint64_t key)
{
    struct key both = {batch, key};
    struct turns *t = NULL;
    HASH_FIND (hh, all, &both, sizeof both, t);
    return t;
}

static struct turns *get (struct turns **all, uint64_t batch, uint64_t key)
{
    struct turns *t = find (*all, batch, key);
    if (t)
        return t;
    t = mem_zalloc (sizeof *t);
    t->key = (struct key){batch, key};
    HASH_ADD (hh, *all, key, sizeof t->key, t);
    return t;
}

void turns_batches (struct sim *s, struct turns **all, const struct order *o)
{
    if (o->after)
        get (all, o->after, BEHIND);
    if (find (*all, o->batch, BEHIND) && !ledger_retries (s, o->batch))
        sim_fail (s, "row %d of batch %d starts, and a batch that runs after it has begun",
                  (int)o->row, (int)(o->batch & 0xffffffff));
}

void turns_start (struct sim *s, struct turns **all, const struct order *o)
{
    struct turns *t = get (all, o->batch, o->row % o->keys);
    if (o->row < t->row && !ledger_retries (s, o->batch))
        sim_fail (s, "row %d of batch %d starts behind row %d of its key", (int)o->row,
                  (int)(o->batch & 0xffffffff), (int)t->row);
    t->row = o->row;
    sim_count (s, COUNT_TURNS);
}

void turns_forget (struct turns **all)
{
    struct turns *t, *next;
    HASH_ITER (hh, *all, t, next) {
        HASH_DEL (*all, t);
        free (t);
    }
}
