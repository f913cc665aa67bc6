/* batch_table: batches as people see them in a list, one a line. */
#ifndef DROVER_CLI_BATCH_TABLE_H
#define DROVER_CLI_BATCH_TABLE_H

#include <stddef.h>

#include "client/cli/table.h"
#include "client/drover.h"

/* With its headings; table_print() and table_fini() follow. */
void batch_table_init (struct table *t);

/* A record of DROVER_QUERY_BATCHES. */
void batch_table_add (struct table *t, const drover_pair_t *pairs, size_t count);

#endif
