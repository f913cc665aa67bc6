/* spill: a file without a name for bytes that are too many for memory, with holes where they are no
 * longer wanted.
 *
 * One descriptor for each handle, made when it is first needed; gone with the process, however that
 * ends. Bytes are only ever appended; freed extents give their blocks back, and the file starts
 * again at its beginning when nothing in it is wanted.
 */
#ifndef DROVER_CLIENT_SPILL_H
#define DROVER_CLIENT_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

struct spill {
    char *dir;
    int fd;
    uint64_t end;  /* where the next bytes go */
    uint64_t live; /* bytes that are wanted */
};

/* Bytes in the file. */
struct extent {
    uint64_t at;
    uint64_t len;
};

/* `dir` is copied; NULL: $TMPDIR, else /tmp. Makes no file yet. */
void spill_init (struct spill *s, const char *dir);
void spill_fini (struct spill *s);

/* Append bytes; *x says where they are. */
int spill_write (struct spill *s, const void *bytes, size_t len, struct extent *x, struct err *e);

/* Read `len` bytes at file position `at`. */
int spill_read (const struct spill *s, uint64_t at, void *to, size_t len, struct err *e);

/* The bytes are not wanted any more. */
void spill_drop (struct spill *s, struct extent x);

#endif
