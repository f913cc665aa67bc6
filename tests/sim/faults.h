/* faults: what happens to a broker and its peers. */
#ifndef DROVER_SIM_FAULTS_H
#define DROVER_SIM_FAULTS_H

#include "tests/sim/sim.h"

/* Plan some between now and `until`. */
void faults_plan (struct sim *s, int64_t until);

#endif
