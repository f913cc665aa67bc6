/* program: what a row of a spec is executed as.
 *
 * FORM_ARGV: the spec's argument vector, searched for as execvp() does. FORM_SHELL: the line made
 * of the template and the row's values, for the job shell; where the line is plain words it is run
 * without the shell first, and with it when that fails, so that messages and statuses are the
 * shell's.
 */
#ifndef DROVER_WORKER_EXEC_PROGRAM_H
#define DROVER_WORKER_EXEC_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/model/directexec.h"
#include "worker/exec/spawn.h"
#include "worker/exec/spec.h"

/* Memory that is reused from row to row. */
struct program {
    struct buf line;
    struct directexec direct;
    char *shell_argv[4];
};

void program_init (struct program *p);
void program_fini (struct program *p);

/* Fill program[], programs and path of the plan for these values, row (from 0) and slot (from 1).
 * The plan points into `p` and the spec. Fails for a line that is too long, or holds a NUL byte. */
int program_make (struct program *p, const struct spec *spec, const struct bytes *values,
                  size_t count, uint64_t row, uint64_t slot, struct spawn_plan *plan,
                  struct err *e);

#endif
