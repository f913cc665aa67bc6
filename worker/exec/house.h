/* house: what a function may change in its process, and what the next ones are to find as it was.
 *
 * The current directory, the umask, the signal mask and the handler of TERM, by which the kernel
 * says that the launcher is gone. Limits and the environment are the function's own to put back.
 */
#ifndef DROVER_WORKER_EXEC_HOUSE_H
#define DROVER_WORKER_EXEC_HOUSE_H

#include <signal.h>
#include <sys/types.h>

struct house {
    int dir_fd; /* -1: none */
    mode_t umask;
    sigset_t mask;
    struct sigaction term;
};

/* As it is now. */
void house_init (struct house *h);
void house_fini (struct house *h);

/* Make it so again. A handful of system calls. */
void house_tidy (const struct house *h);

/* Move a descriptor to where those that count from 3 on do not meet it: its new number, the old
 * one is closed; or the old one where that cannot be. */
int house_hide_fd (int fd);

#endif
