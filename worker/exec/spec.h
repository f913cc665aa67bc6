/* spec: what an executor knows of the specs it was sent, by batch and number, until FORGET. */
#ifndef DROVER_WORKER_EXEC_SPEC_H
#define DROVER_WORKER_EXEC_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/wire/wire.h"
#include "worker/exec/environ.h"

struct template;
struct specs;

/* A spec as its message gave it, and what was made of it once. */
struct spec {
    struct wire w;         /* w.m.spec; its bodies and strings stay alive with it */
    char *dir;             /* NUL-terminated */
    char *shell;           /* /bin/sh where none was named */
    struct environ *env;   /* commands */
    struct template *line; /* FORM_SHELL */
    bool direct;           /* its plain lines may run without the shell */
    char **argv;           /* FORM_ARGV: NULL behind the last */
    struct bytes function; /* FORM_FUNCTION: its name */
    struct err broken;     /* code not 0: why no row of it can run */
};

struct specs *specs_new (void);
void specs_free (struct specs **s);

/* Keep a SPEC message (its content moves; `w` is empty afterwards). One that is there already is
 * replaced. A spec that makes no sense is kept, and says so in `broken`. */
void specs_put_take (struct specs *s, struct wire *w);

/* NULL when it was not sent, or is forgotten. Lives until it is put again or forgotten. */
struct spec *specs_get (struct specs *s, uint64_t batch, uint64_t number);

void specs_forget (struct specs *s, uint64_t batch);

#endif
