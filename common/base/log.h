/* log: one line an event on stderr: time, level, part, words, key=value.
 *
 * The level is the one global of the project. A broker or a worker sets its part once at start.
 */
#ifndef DROVER_BASE_LOG_H
#define DROVER_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* `part` must live as long as the process ("broker", "worker"). */
void log_init (const char *part, enum log_level level);

/* The level by its name (error, warn, info, debug); -1 for any other name. */
int log_level_by_name (const char *name);

/* Control characters are replaced, so that an event stays one line. */
void log_event (enum log_level level, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

#endif
