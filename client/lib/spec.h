/* spec: what a drover_spec_t holds, for batch_api.c. */
#ifndef DROVER_CLIENT_SPEC_H
#define DROVER_CLIENT_SPEC_H

#include "client/drover.h"
#include "common/base/blob.h"
#include "common/wire/wire.h"

struct drover_spec {
    struct msg_spec m; /* its texts point to the two below */
    char *dir;
    char *shell;
    struct slice command;     /* body 0 */
    struct slice environment; /* body 1 */
    bool failed;       /* something could not be kept: there was no memory, or it is too big */
    bool of_stage;     /* a line whose values are those of a later stage */
    bool takes_output; /* ... and which holds the output of the one before, ... */
    bool takes_item;   /* ... or values of the item itself */
};

/* The same again, for drover_spec_free(); command and environment are shared. */
struct drover_spec *spec_copy (const struct drover_spec *s);

#endif
