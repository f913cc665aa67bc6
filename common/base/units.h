/* units: durations and sizes as people write them. */
#ifndef DROVER_BASE_UNITS_H
#define DROVER_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* 500ms 10s 5m 1h30m 2d, a bare number means seconds, decimals are fine: milliseconds. -1 for
 * anything else. */
int units_duration_ms (const char *text, uint64_t *ms);

/* 4096 64K 1M 2G (powers of 1024): bytes. -1 for anything else. */
int units_size (const char *text, uint64_t *bytes);

/* A time with the digits that say something: 12.3 s, 0.45 s, 1.5 ms, 40 us. Returns as snprintf().
 */
int units_print_time (char *out, size_t size, double us);

#endif
