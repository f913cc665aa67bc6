/* Any bytes as a compiled template: what unpacks expands without harm, and packs to a template that
 * expands to the same. */
#include <string.h>

#include "common/wire/template_wire.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX (1 << 20)

static void expand (const struct template *t, struct buf *out)
{
    struct bytes values[] = {bytes_str ("a b/c.d"), bytes_str (""), bytes_str ("'x'")};
    template_expand (t, values, 3, 7, 2, out);
    template_expand (t, NULL, 0, 1, 1, out);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    struct buf packed, text[2];
    struct template *t = template_unpack (bytes_of (data, size), NULL);
    if (!t)
        return 0;
    buf_init (&packed, TEXT_MAX);
    buf_init (&text[0], TEXT_MAX);
    buf_init (&text[1], TEXT_MAX);
    MUST (template_pack (t, &packed) == 0);
    struct template *again = template_unpack (bytes_of (packed.bytes, packed.len), NULL);
    MUST (again);
    expand (t, &text[0]);
    expand (again, &text[1]);
    MUST (text[0].len == text[1].len && text[0].failed == text[1].failed);
    MUST (!text[0].len || memcmp (text[0].bytes, text[1].bytes, text[0].len) == 0);
    template_free (&t);
    template_free (&again);
    buf_fini (&packed);
    buf_fini (&text[0]);
    buf_fini (&text[1]);
    return 0;
}
