/* options: the broker's command line as a value. */
#ifndef DROVER_BROKER_OPTIONS_H
#define DROVER_BROKER_OPTIONS_H

#include <stdbool.h>

#include "broker/core/sched.h"
#include "broker/turn.h"
#include "common/net/insecure.h"

struct options {
    const char *listen[TURN_LINKS_MAX];
    int n_listen;
    int listen_fd;   /* for listen[0], listening already; -1: none */
    int lifetime_fd; /* its end of file is ours; -1: none */
    enum insecure insecure;
    bool private; /* one client's own: no words at start */
    const char *endpoint_file;
    enum log_level level;
    const char *state;      /* directory; NULL: memory only */
    const char *durability; /* as it was said; NULL: not at all */
    bool fast;              /* commits are not synced one by one */
    bool salvage;
    bool read_only; /* of the state */
    struct sched_config sched;
};

/* Parse. Returns -1 to go on, or the status to exit with (help, version, usage: said already). */
int options_parse (struct options *o, int argc, char **argv);

#endif
