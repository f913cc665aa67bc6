/* command: what a drover_command_t holds, for spec.c. */
#ifndef DROVER_CLIENT_COMMAND_H
#define DROVER_CLIENT_COMMAND_H

#include <stdbool.h>

#include "client/drover.h"
#include "common/base/buf.h"
#include "common/model/template.h"

struct drover_command {
    struct template *t;
    struct buf text; /* of the last expansion */
    bool of_stage;   /* its values are those of a later stage: model/template.h */
};

#endif
