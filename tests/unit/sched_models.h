/* sched_models: what the model peers of sched_harness.h make of what they hear. */
#ifndef DROVER_UNIT_SCHED_MODELS_H
#define DROVER_UNIT_SCHED_MODELS_H

#include "tests/unit/sched_harness.h"

/* A numbered message came, in order and for the first time. Borrowed. */
void model_hears (struct peer *p, const struct wire *w);
/* WELCOME: the broker was restarted, and knows the session; what is numbered begins anew. */
void model_holds (struct peer *w);
void model_free (struct peer *p);

#endif
