/* fate: what a row does, from its place alone, so that who reads its output can tell what it must
 * be. And the tag that a simulated program puts into its specs for the simulated executors. */
#ifndef DROVER_SIM_FATE_H
#define DROVER_SIM_FATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/outcome.h"

enum { FATE_OUTPUT_MAX = 3000 };

/* How a batch runs rows again: as its OPEN says. */
struct fate_again {
    unsigned runs;       /* in all; 0 is 1 */
    unsigned on;         /* enum wire_retry */
    unsigned exits;      /* with RETRY_EXITS: bit i for FATE_STATUS[i] */
    unsigned backoff_ms; /* at least, behind a run; 0: none */
    unsigned losses;     /* 0 is 3 */
};

/* Exit statuses of rows that fail. */
enum { FATE_STATUSES = 3 };
extern const unsigned FATE_STATUS[FATE_STATUSES];

/* In the spec's `shell`. */
struct fate_tag {
    unsigned jobs;
    unsigned once, exclusive; /* of the batch */
    unsigned poison;          /* some rows kill their worker */
    unsigned long_rows;       /* rows take seconds */
    unsigned mixed;           /* most take no time, some take long */
    unsigned fragile;         /* rows fail often */
    unsigned after;           /* the batch runs when that one is over; 0: at once */
    unsigned keys;            /* row R has ordering key R % this; 0: none */
    struct fate_again again;
};

/* Whether an end like this is one that is run again, if runs are left. */
bool fate_wants_again (const struct fate_again *a, enum outcome_how how, unsigned status,
                       unsigned signal);

void fate_tag_write (const struct fate_tag *t, char *text, size_t size);
void fate_tag_read (struct fate_tag *t, const char *text, size_t len);

/* Bytes that this attempt prints, and which; `attempt` 0: its input. */
size_t fate_output (uint64_t batch, uint64_t row, uint64_t attempt);
uint8_t fate_byte (uint64_t batch, uint64_t row, uint64_t attempt, uint64_t at);

/* A row of a tag with `poison` that kills its worker. */
bool fate_is_poison (uint64_t batch, uint64_t row);

#endif
