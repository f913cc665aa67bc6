/* fake_clock: in place of common/base/clock.c, a clock that stands still until it is set. */
#ifndef DROVER_SIM_FAKE_CLOCK_H
#define DROVER_SIM_FAKE_CLOCK_H

#include <stdint.h>

/* What clock_mono_us() says from now on, in microseconds. */
void fake_clock_set (int64_t mono_us);

#endif
