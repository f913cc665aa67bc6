/* blob: immutable bytes with a reference count, and slices of them.
 *
 * What came in one message may be looked at from many places (a chunk of rows is granted in pieces,
 * an output is sent to two readers) and is never copied for it. The count is atomic, because a
 * messaging library drops its reference from a thread of its own; everything else about a blob
 * belongs to one thread.
 */
#ifndef DROVER_BASE_BLOB_H
#define DROVER_BASE_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob;

/* About what a blob takes beside its bytes: for who counts many small ones. */
#define BLOB_EXTRA 64

/* A new blob of `len` bytes, not initialised, to be written through blob_bytes() before it is
 * shared. NULL when there is no memory: `len` may come from outside. */
struct blob *blob_new (size_t len);

/* A new blob with a copy of the bytes; NULL when there is no memory. */
struct blob *blob_copy (const void *bytes, size_t len);

/* A new blob around bytes that somebody else holds: free_fn (hint) is called, from whatever thread,
 * when the last reference goes. NULL when there is no memory (free_fn is then not called). */
struct blob *blob_wrap (const void *bytes, size_t len, void (*free_fn) (void *hint), void *hint);

struct blob *blob_ref (struct blob *b);

/* Drops one reference and sets *b to NULL. NULL is fine. */
void blob_unref (struct blob **b);

uint8_t *blob_bytes (struct blob *b);
size_t blob_len (const struct blob *b);

/* A part of a blob. `blob` may be NULL: then the bytes are borrowed (or there are none), and die
 * with their owner. */
struct slice {
    const uint8_t *ptr;
    size_t len;
    struct blob *blob; /* the reference this slice holds, or NULL */
};

/* The whole of a blob; takes the caller's reference. A NULL blob gives an empty slice. */
struct slice slice_of_take (struct blob *b);

/* Bytes that somebody else keeps alive. */
struct slice slice_borrowed (const void *bytes, size_t len);

/* Part of a slice, with a reference of its own. The range must lie within. */
struct slice slice_sub (const struct slice *s, size_t offset, size_t len);

/* The same bytes with a reference of their own. A borrowed slice is copied; no memory ends the
 * process only for copies below 64 KiB, above that the result is empty with ptr NULL. */
struct slice slice_keep (const struct slice *s);

/* Drops the reference and empties the slice. */
void slice_fini (struct slice *s);

#endif
