/* template_wire: the numbers are checked for their size here, for their meaning in template_new().
 */
#include "common/wire/template_wire.h"

#include <errno.h>
#include <stdlib.h>

#include "common/wire/pack.h"
#include "common/wire/scan.h"

enum { FORM = 1, OBJECTS_MAX = 2 * TEMPLATE_PARTS_MAX + 4 };

int template_pack (const struct template *t, struct buf *out)
{
    msgpack_packer pk = pack_to (out);
    msgpack_pack_array (&pk, 3);
    msgpack_pack_uint64 (&pk, FORM);
    pack_bytes (&pk, bytes_of (t->text, t->text_len));
    msgpack_pack_array (&pk, 2 * t->count);
    for (size_t i = 0; i < t->count; i++) {
        const struct template_part *p = &t->parts[i];
        msgpack_pack_uint64 (&pk, p->op + 16u * p->modifier + 256u * p->quoting);
        msgpack_pack_uint64 (&pk, p->number);
    }
    return out->failed ? -1 : 0;
}

static int read_part (struct bytes in, size_t *at, struct template_part *p)
{
    uint64_t kind;
    uint64_t number;
    if (scan_u64 (in, at, &kind) || scan_u64 (in, at, &number))
        return -1;
    if (kind > 0xfff || number > UINT32_MAX)
        return -1;
    *p = (struct template_part){.op = kind & 15,
                                .modifier = kind >> 4 & 15,
                                .quoting = (uint8_t)(kind >> 8),
                                .number = (uint32_t)number};
    return 0;
}

static struct template *read_parts (struct bytes in, size_t at, size_t count, struct bytes text,
                                    struct err *e)
{
    struct template *t = NULL;
    struct template_part *parts = calloc (count ? count : 1, sizeof *parts);
    if (!parts) {
        err_set (e, ENOMEM, "no memory for a command");
        return NULL;
    }
    size_t n = 0;
    while (n < count && read_part (in, &at, &parts[n]) == 0)
        n++;
    if (n < count)
        err_set (e, EPROTO, "part %zu of a template cannot be read", n);
    else
        t = template_new (parts, count, text, e);
    free (parts);
    return t;
}

struct template *template_unpack (struct bytes in, struct err *e)
{
    size_t at = 0;
    uint32_t fields;
    uint32_t numbers;
    uint64_t form;
    struct bytes text;
    int64_t len = scan_object (in, OBJECTS_MAX, e);
    if (len < 0)
        return NULL;
    if ((uint64_t)len != in.len || scan_array (in, &at, &fields) || fields != 3 ||
        scan_u64 (in, &at, &form) || form != FORM || scan_bytes (in, &at, &text) ||
        scan_array (in, &at, &numbers) || numbers % 2) {
        err_set (e, EPROTO, "a template that this version cannot read");
        return NULL;
    }
    return read_parts (in, at, numbers / 2, text, e);
}
