/* fields: what the fields of the broker's records are called and mean to people and in JSON.
 *
 * The broker's own names (doc/PROTOCOL.md, "Records of REPLY") are those of its structs and units.
 * What users see is one vocabulary for outcomes and records alike (doc/JSON.md): a task's start,
 * run time and output are called the same wherever they are shown. Pure.
 */
#ifndef DROVER_CLI_FIELDS_H
#define DROVER_CLI_FIELDS_H

#include "client/drover.h"

enum field_kind {
    FIELD_OTHER,   /* a number where it looks like one */
    FIELD_TEXT,    /* also where it looks like a number */
    FIELD_REASON,  /* a text that is left out where it is empty */
    FIELD_BOOL,    /* 0 or 1 */
    FIELD_ROW,     /* counted from 0, shown from 1 */
    FIELD_SECONDS, /* microseconds, shown as seconds */
    FIELD_MOMENT   /* likewise, since the epoch */
};

struct field {
    const char *record; /* its name in records */
    const char *name;   /* its name for users */
    enum field_kind kind;
};

/* The field of this name in records; NULL: shown under its own name, FIELD_OTHER. */
const struct field *field_find (drover_bytes_t record_name);

#endif
