/* values: the values of one row, read from a body of rows into memory that is reused. */
#ifndef DROVER_WORKER_EXEC_VALUES_H
#define DROVER_WORKER_EXEC_VALUES_H

#include <stddef.h>

#include "common/base/bytes.h"

struct values {
    struct bytes *v; /* views of the body */
    size_t count;
    size_t size;
};

void values_fini (struct values *v);

/* Read the row at *at and move *at behind it. 0, or -1 where there is no row (count is then 0). */
int values_read (struct values *v, struct bytes body, size_t *at);

#endif
