/* durations: option values that are times, sizes or numbers, with words for the wrong ones.
 *
 * The grammar of durations and sizes is that of common/base/units.h, the same in all programs.
 */
#ifndef DROVER_CLI_DURATIONS_H
#define DROVER_CLI_DURATIONS_H

#include <stdint.h>

#include "common/base/err.h"

/* Each returns 0, or -1 with words made to stand behind the name of the option: "'5x' is no
 * duration: ...". */

/* Milliseconds; what is more than nothing is at least one. */
int duration_ms (const char *text, uint64_t *ms, struct err *e);

/* The time between TERM and KILL: from 1 ms, which stands for nothing, to 1 h. */
int grace_duration_ms (const char *text, uint64_t *ms, struct err *e);

int size_bytes (const char *text, uint64_t *bytes, struct err *e);

/* A whole number from `least` to `greatest`, in decimal digits. */
int number_within (const char *text, uint64_t least, uint64_t greatest, uint64_t *number,
                   struct err *e);

#endif
