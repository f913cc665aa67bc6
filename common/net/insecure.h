/* insecure: how far tcp may go without keys, as the user says with --insecure or DROVER_INSECURE.
 *
 * Both ends have to say so. Only the documented values are taken: a word that looks like a yes must
 * not open a port by a guess, nor a typing error close one without a word.
 */
#ifndef DROVER_NET_INSECURE_H
#define DROVER_NET_INSECURE_H

#include "common/base/err.h"

enum insecure { INSECURE_NO, INSECURE_LOOPBACK, INSECURE_PUBLIC };

/* The value of the option --insecure; NULL: it was given without one. 0, or -1 with the mend. */
int insecure_option (const char *value, enum insecure *how, struct err *e);

/* DROVER_INSECURE: 1 or public; INSECURE_NO where it is not set, empty or 0. 0, or -1 with the
 * mend.
 */
int insecure_environment (enum insecure *how, struct err *e);

#endif
