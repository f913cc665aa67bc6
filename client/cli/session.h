/* session: which broker a command talks to, and the options that say so.
 *
 * Every command that talks to a broker takes --broker, --insecure, --local, --quiet and --json
 * alike. Errors are said here, in one line that names the broker and what to do.
 */
#ifndef DROVER_CLI_SESSION_H
#define DROVER_CLI_SESSION_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/drover.h"

struct session_opts {
    const char *command; /* for messages */
    const char *broker;  /* URL, or NULL */
    const char *state;   /* directory of a broker that does not run; NULL: none */
    unsigned flags;      /* enum drover_open_flag */
    unsigned slots;      /* of a private worker; 0: its default */
    bool quiet;
    bool json;
};

enum session_opt {
    SESSION_OPT_BROKER = 256,
    SESSION_OPT_INSECURE,
    SESSION_OPT_LOCAL,
    SESSION_OPT_QUIET,
    SESSION_OPT_JSON,
    SESSION_OPT_HELP,
    SESSION_OPT_OWN /* a command's own options begin here */
};

/* For the option table of a command. */
#define SESSION_OPTIONS                                                                            \
    {"broker", required_argument, NULL, SESSION_OPT_BROKER},                                       \
        {"insecure", optional_argument, NULL, SESSION_OPT_INSECURE},                               \
        {"local", no_argument, NULL, SESSION_OPT_LOCAL},                                           \
        {"quiet", no_argument, NULL, SESSION_OPT_QUIET},                                           \
        {"json", no_argument, NULL, SESSION_OPT_JSON},                                             \
    {                                                                                              \
        "help", no_argument, NULL, SESSION_OPT_HELP                                                \
    }

/* getopt_long() for a command: takes the options above itself, returns its own, -1 at the end. On a
 * usage error, which has been said, '?'; after --help, which has been shown, SESSION_OPT_HELP.
 * `shorts` as for getopt_long(), with ':' first (behind a '+' if there is one). */
int session_getopt (struct session_opts *o, int argc, char **argv, const char *shorts,
                    const struct option *longs);

/* The flag for the value of --insecure (NULL: none given); 0 for a wrong one. */
unsigned session_insecure_flag (const char *value);

/* Open a session; NULL when that failed, which has been said. With DROVER_OPEN_NO_PRIVATE and no
 * broker, the line tells how to start one. *status (may be NULL): STATUS_OK, STATUS_TROUBLE, or
 * STATUS_USAGE where what names the broker is wrong. */
drover_t *session_open (const struct session_opts *o, int *status);

/* Tell the user what the library has to tell, unless --quiet. */
void session_notice (const struct session_opts *o, const drover_notice_t *n);

/* Whether it says that a batch can never run: on a broker of our own there are no other workers to
 * wait for. */
bool session_is_hopeless (drover_t *h, const drover_notice_t *n);

/* Say an error of the library; returns `status`. */
int session_error (const struct session_opts *o, const drover_error_t *e, int status);

/* Ask the broker and wait for the answer: `fn` gets each record, once, whatever becomes of the
 * broker meanwhile, and all tasks, however many there are (query.c). 0, or -1 with an error. */
int session_query (drover_t *h, int what, uint64_t id, uint64_t first, uint64_t count,
                   drover_record_fn *fn, void *arg, drover_error_t *e);

#endif
