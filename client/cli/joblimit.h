/* joblimit: how many tasks at one time, as option -j says it. */
#ifndef DROVER_CLI_JOBLIMIT_H
#define DROVER_CLI_JOBLIMIT_H

#include <stdint.h>

#include "common/base/err.h"

enum joblimit_kind {
    JOBLIMIT_DEFAULT, /* -j was not given */
    JOBLIMIT_NUMBER,  /* -j 8 */
    JOBLIMIT_ALL,     /* -j 0: as many as possible */
    JOBLIMIT_MORE,    /* -j +2: than there are processors */
    JOBLIMIT_FEWER,   /* -j -2 */
    JOBLIMIT_PERCENT  /* -j 50%: of the processors */
};

struct joblimit {
    enum joblimit_kind kind;
    double value; /* whole, but for a percentage */
};

/* 0, or -1 with words made to stand behind the name of the option. */
int joblimit_parse (const char *text, struct joblimit *limit, struct err *e);

/* The number of slots where there are `processors` of them and at most `greatest` slots are
 * possible: from 1 to `greatest`. By default one for each processor. -1 if -N leaves none. */
int joblimit_slots (const struct joblimit *limit, unsigned processors, unsigned greatest,
                    unsigned *slots, struct err *e);

#endif
