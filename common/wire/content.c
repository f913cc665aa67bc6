/* Content: XXH3 of bytes, and of words with the least byte first. A large row comes in parts: its
 * hash is of the bytes, wherever they were cut.
 */
#include "common/wire/content.h"

#define XXH_INLINE_ALL /* libdrover needs no library for it */
#include <xxhash.h>

enum { WORDS_MAX = 16 };

static uint64_t hash_of (const void *ptr, size_t len)
{
    return XXH3_64bits (len ? ptr : "", len);
}

static uint64_t hash_words (const uint64_t *words, size_t n)
{
    uint8_t bytes[WORDS_MAX * 8];
    for (size_t i = 0; i < 8 * n; i++)
        bytes[i] = (uint8_t)(words[i / 8] >> 8 * (i % 8));
    return hash_of (bytes, 8 * n);
}

uint64_t content_of_spec (const struct wire *w)
{
    const struct msg_spec *m = &w->m.spec;
    const uint64_t all[] = {
        m->form,
        m->flags,
        m->cpus,
        m->timeout_ms,
        m->grace_ms,
        m->steps,
        m->keep_bytes,
        m->umask,
        m->stage,
        m->jobs,
        hash_of (m->dir.ptr, m->dir.len),
        hash_of (m->shell.ptr, m->shell.len),
        hash_of (w->body[0].ptr, w->body[0].len),
        hash_of (w->body[1].ptr, w->body[1].len),
    };
    return hash_words (all, sizeof all / sizeof *all);
}

static uint64_t rows_hash (const struct msg_rows *m, uint64_t rows, uint64_t keys)
{
    const uint64_t all[] = {m->spec, m->stage, m->first, m->count, m->total, rows, keys};
    return hash_words (all, sizeof all / sizeof *all);
}

uint64_t content_of_rows (const struct wire *w)
{
    return rows_hash (&w->m.rows, hash_of (w->body[0].ptr, w->body[0].len),
                      hash_of (w->body[1].ptr, w->body[1].len));
}

uint64_t content_chain (uint64_t before, uint64_t hash)
{
    const uint64_t both[] = {before, hash};
    return hash_words (both, 2);
}

uint64_t content_of_batch (uint64_t specs, uint64_t chunks)
{
    uint64_t hash = content_chain (specs, chunks);
    return hash ? hash : 1;
}

int content_part (struct content *c, const struct wire *w)
{
    const struct msg_rows *m = &w->m.rows;
    if (!m->offset) {
        content_fini (c);
        c->state = XXH3_createState ();
        if (!c->state)
            return -1;
        XXH3_64bits_reset (c->state);
        c->chunk = m->chunk;
        c->keys = hash_of (w->body[1].ptr, w->body[1].len);
    }
    if (!c->state || c->chunk != m->chunk || c->have != m->offset)
        return -1;
    XXH3_64bits_update (c->state, w->body[0].ptr, w->body[0].len);
    c->have += w->body[0].len;
    return 0;
}

uint64_t content_so_far (const struct content *c, const struct msg_rows *m)
{
    return rows_hash (m, XXH3_64bits_digest (c->state), c->keys);
}

void content_fini (struct content *c)
{
    XXH3_freeState (c->state);
    *c = (struct content){0};
}
