/* signals: signals as something to poll for.
 *
 * While it is open, the wanted signals are blocked and read from a descriptor, so that nothing is
 * done in a handler and no blocking call is missed by one. A signal that the caller of the program
 * had set to be ignored (nohup, a shell's background job) stays ignored. What is still pending at
 * the end is dropped. Owns the descriptor and the thread's signal mask in between.
 */
#ifndef DROVER_CLI_SIGNALS_H
#define DROVER_CLI_SIGNALS_H

#include <signal.h>

#include "common/base/err.h"

struct signals {
    int fd; /* readable when a signal came; -1: not open */
    sigset_t before;
};

/* Block the `wanted` signals (0 behind the last). 0 or -1. */
int signals_open (struct signals *s, const int *wanted, struct err *e);

/* The next signal that came, 0 if none did. Does not wait. */
int signals_take (struct signals *s);

/* Drop what is pending, and give the mask back. Not open: nothing. */
void signals_close (struct signals *s);

#endif
