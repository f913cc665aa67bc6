/* help: what drover says about itself: the overview, and a short help for each command.
 *
 * The manual pages in doc/ say more. tests/unit/test_help.c holds both together: each command has a
 * page, and each option shown here is in it.
 */
#ifndef DROVER_CLI_HELP_H
#define DROVER_CLI_HELP_H

#include <stddef.h>
#include <stdio.h>

/* The help of a command, or NULL for an unknown one. */
const char *help_text (const char *command);

/* All commands, one a line. */
void help_overview (FILE *out);

/* Show the manual page of a command, where stdout is a terminal and there is one; otherwise its
 * help text on stdout. 0; -1 for a command without help. */
int help_show (const char *command);

/* The names of all commands that work, in order; *count of them. */
const char *const *help_commands (size_t *count);

/* The names of the commands of later versions. */
const char *const *help_later (size_t *count);

#endif
