/* Any bytes as rows: check, length and read agree, and what was read writes the same rows. */
#include "common/wire/rows.h"
#include "tests/fuzz/fuzz.h"

#define VALUES 64

static void write_again (struct buf *out, struct bytes body, size_t from)
{
    struct bytes value[VALUES];
    int64_t count = row_read (body, &from, value, VALUES);
    MUST (count >= 0);
    row_begin (out, (uint32_t)count);
    for (int64_t i = 0; i < count; i++)
        row_value (out, i < VALUES ? value[i] : (struct bytes){0});
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of (data, size);
    struct buf again;
    size_t at = 0, from = 0;
    uint64_t rows = 0;
    buf_init (&again, 6 * size + 64);
    while (row_read (body, &at, NULL, 0) >= 0) {
        write_again (&again, body, from);
        from = at;
        rows++;
    }
    MUST (at == from);
    MUST ((rows_check (body, rows, NULL) == 0) == (at == size));
    MUST (rows_check (body, rows + 1, NULL) != 0);
    MUST (rows_length (body, rows) == at);
    MUST (!again.failed);
    MUST (rows_check (bytes_of (again.bytes, again.len), rows, NULL) == 0);
    buf_fini (&again);
    return 0;
}
