/* units: durations and sizes as people write them. */
#ifndef DROVER_BASE_UNITS_H
#define DROVER_BASE_UNITS_H

#include <stdint.h>

/* 500ms 10s 5m 1h30m 2d, a bare number means seconds, decimals are fine: milliseconds. -1 for
 * anything else. */
int units_duration_ms (const char *text, uint64_t *ms);

/* 4096 64K 1M 2G (powers of 1024): bytes. -1 for anything else. */
int units_size (const char *text, uint64_t *bytes);

#endif
