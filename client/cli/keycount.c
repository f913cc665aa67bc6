/* keycount: see keycount.h. */
#include "client/cli/keycount.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/mem.h"

#define KEYS_MAX 65536

struct keycount_key {
    uint64_t hash;
    uint64_t tasks;
    UT_hash_handle hh;
};

void keycount_fini (struct keycount *k)
{
    struct keycount_key *key, *next;

    HASH_ITER (hh, k->keys, key, next) {
        HASH_DEL (k->keys, key);
        free (key);
    }
    k->count = k->most = 0;
}

static struct keycount_key *key_of (struct keycount *k, uint64_t hash)
{
    struct keycount_key *key;

    HASH_FIND (hh, k->keys, &hash, sizeof hash, key);
    if (key)
        return key;
    key = mem_zalloc (sizeof *key);
    key->hash = hash;
    HASH_ADD (hh, k->keys, hash, sizeof key->hash, key);
    k->count++;
    return key;
}

void keycount_add (struct keycount *k, const char *key, size_t len)
{
    struct keycount_key *found;

    if (k->full)
        return;
    found = key_of (k, hash_bytes (key, len));
    found->tasks++;
    if (found->tasks > k->most)
        k->most = found->tasks;
    if (k->count <= KEYS_MAX)
        return;
    k->full = true;
    keycount_fini (k);
}
