#include "worker/exec/values.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/wire/rows.h"

void values_fini (struct values *v)
{
    free (v->v);
    *v = (struct values){0};
}

int values_read (struct values *v, struct bytes body, size_t *at)
{
    size_t from = *at;
    int64_t count = row_read (body, at, v->v, v->size);
    v->count = 0;
    if (count < 0)
        return -1;
    if ((size_t)count > v->size) { /* at most ROW_VALUES_MAX */
        v->size = (size_t)count;
        v->v = mem_resize (v->v, v->size, sizeof *v->v);
        *at = from;
        row_read (body, at, v->v, v->size);
    }
    v->count = (size_t)count;
    return 0;
}
