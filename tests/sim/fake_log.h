/* fake_log: in place of common/base/log.c, events go to a function of the test, or nowhere. */
#ifndef DROVER_SIM_FAKE_LOG_H
#define DROVER_SIM_FAKE_LOG_H

/* Each event as a line, without its end. NULL: nowhere. */
void fake_log_to (void (*fn) (void *arg, const char *line), void *arg);

#endif
