/* directexec: may a line for the job shell be run without the shell?
 *
 * A line whose words are plain (literal, or quoted so that nothing in them is live) and whose first
 * word names a program is split into its argument vector, exactly as `sh -c LINE` would do it. For
 * every other line the answer is no, and the shell runs it; when in doubt it is no. This is an
 * optimisation that nobody may notice, so whoever uses it must also
 *   - ask directexec_shell() once for the job shell and the environment,
 *   - hand the line to the shell after all when the program cannot be executed for whatever reason:
 *     its message and its status (126, 127), and scripts without #!, are the shell's business,
 *   - set PWD to the directory that the task runs in, as a shell does.
 */
#ifndef DROVER_MODEL_DIRECTEXEC_H
#define DROVER_MODEL_DIRECTEXEC_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/bytes.h"

/* The words of the line last split. Made once, used for many lines. */
struct directexec {
    struct buf text;  /* the words, each with its NUL */
    char **argv;      /* into text, NULL behind the last */
    size_t count;     /* words in argv */
    size_t size;      /* room in argv */
    size_t words_max; /* more words than this are left to the shell */
};

/* At most `words` words of `bytes` bytes in all (their NULs counted). */
void directexec_init (struct directexec *d, size_t words, size_t bytes);
void directexec_fini (struct directexec *d);

/* Split the line. True: d->argv is what to execute, found along PATH as execvp() does, valid until
 * the next call. False: run it through the shell. */
bool directexec_split (struct directexec *d, struct bytes line);

/* Does this shell (name or path) in this environment behave so that a plain line can run without
 * it? False for shells other than sh and dash, for environments that carry functions or names that
 * no shell passes on, and without PWD. */
bool directexec_shell (const char *shell, char *const *environment);

#endif
