/* batch_api: what the library's own parts need beyond the public calls. */
#ifndef DROVER_CLIENT_BATCH_API_H
#define DROVER_CLIENT_BATCH_API_H

#include <stdint.h>

#include "client/drover.h"

/* drover_batch_open(), as a later stage behind `head`, or (NULL) not. */
drover_batch_t *batch_api_open (drover_t *h, const drover_batch_options_t *options,
                                const drover_batch_t *head, drover_error_t *e);

/* drover_batch_add_spec() with more flags (enum wire_spec_flag) than the spec has itself. */
int batch_api_add_spec (drover_batch_t *b, const drover_spec_t *s, uint64_t more_flags,
                        drover_error_t *e);

#endif
