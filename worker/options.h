/* options: the worker's command line as a value. */
#ifndef DROVER_WORKER_OPTIONS_H
#define DROVER_WORKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/net/insecure.h"
#include "worker/exec/module.h"
#include "worker/exec/worn.h"

enum containment { CONTAINMENT_AUTO, CONTAINMENT_SUBREAPER, CONTAINMENT_CGROUP };

struct options {
    char broker[300]; /* URL */
    const char *name; /* NULL: that of the host */
    unsigned slots;   /* 0: not said */
    unsigned io_tasks;
    enum insecure insecure;
    enum containment containment;
    int lifetime_fd; /* its end of file is ours; -1: none */
    bool exit_on_stdin_eof;
    bool private;        /* of one client: no words at start */
    bool list_functions; /* show what there is, and end */
    bool sweep;          /* look for what others have left, and end */
    struct module_path modules;
    struct worn_limits limits; /* of executors of functions */
    int64_t drain_us;
    enum log_level level;
};

/* Parse, and check the URL. Returns -1 to go on, or the status to exit with (help, version, usage:
 * said already). options_fini() in any case. */
int options_parse (struct options *o, int argc, char **argv);
void options_fini (struct options *o);

#endif
