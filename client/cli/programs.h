/* programs: where drover-broker and drover-worker are. */
#ifndef DROVER_CLI_PROGRAMS_H
#define DROVER_CLI_PROGRAMS_H

/* Become that program (drover-broker, drover-worker), with these arguments behind its name. It is
 * looked for in $DROVER_BINDIR, else beside this program, else where drover was installed. Returns
 * only where that fails, which has been said, with the exit status. */
int program_exec (const char *command, const char *program, char **arguments);

/* Where $DROVER_BINDIR does not say where the programs are, but they are beside this one, let
 * $DROVER_BINDIR say so: the library starts private ones from there. After the environment of tasks
 * was taken, which is to be the caller's. */
void program_set_bindir (void);

#endif
