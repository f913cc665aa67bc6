/* kinds: wire.def as a table, for the code that encodes, decodes and shows. For this folder. */
#ifndef DROVER_WIRE_KINDS_H
#define DROVER_WIRE_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_field {
    const char *name;
    size_t offset;     /* within the kind's struct msg_... */
    uint64_t greatest; /* value of a number, length of bytes */
    bool text;         /* struct bytes; else uint64_t */
};

struct wire_kind_info {
    const char *name;
    unsigned senders; /* bits of enum wire_sender */
    bool numbered;
    unsigned bodies;
    unsigned fields;
    const struct wire_field *field;
};

/* What wire.def says of a kind; NULL for an unknown one. */
const struct wire_kind_info *wire_kind_info (unsigned kind);

#endif
