/* signals: signals as something to poll for; see signals.h. */
#include "client/cli/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int is_ignored (int signo)
{
    struct sigaction now;

    return sigaction (signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int signals_open (struct signals *s, const int *wanted, struct err *e)
{
    sigset_t set;

    s->fd = -1;
    sigemptyset (&set);
    for (; *wanted; wanted++)
        if (!is_ignored (*wanted))
            sigaddset (&set, *wanted);
    if (pthread_sigmask (SIG_BLOCK, &set, &s->before) != 0)
        return err_set (e, EINVAL, "cannot block signals");
    s->fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0) {
        int code = errno;

        pthread_sigmask (SIG_SETMASK, &s->before, NULL);
        return err_sys (e, code, "cannot read signals");
    }
    return 0;
}

int signals_take (struct signals *s)
{
    struct signalfd_siginfo info;

    if (s->fd < 0 || read (s->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

void signals_close (struct signals *s)
{
    if (s->fd < 0)
        return;
    while (signals_take (s) != 0) {
        /* a second Ctrl-C that came while the first was served */
    }
    close (s->fd);
    s->fd = -1;
    pthread_sigmask (SIG_SETMASK, &s->before, NULL);
}
