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

void turns_start (struct sim *s, struct turns **all, const struct order *o)
{
    struct key key = {o->batch, o->row % o->keys};
    struct turns *t = NULL;
    HASH_FIND (hh, *all, &key, sizeof key, t);
    if (!t) {
        t = mem_zalloc (sizeof *t);
        t->key = key;
        HASH_ADD (hh, *all, key, sizeof t->key, t);
    }
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
