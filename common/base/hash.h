/* hash: hash tables are uthash's. It takes small memory of its own: where there is none, the
 * process ends as with mem_*(), and not with exit(-1), which would be no status of ours and would
 * run what libraries have left for the end.
 */
#ifndef DROVER_BASE_HASH_H
#define DROVER_BASE_HASH_H

#include <assert.h>
#include <stdint.h>

#include "common/base/mem.h"

#define uthash_malloc(size) mem_zalloc (size)
#define uthash_fatal(text) assert (!text)
#include <uthash.h>

/* FNV-1a of `len` bytes: tells texts apart where they are not kept. It is no protection against who
 * makes two of the same. */
static inline uint64_t hash_bytes (const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 1099511628211u;
    return h;
}

#endif
