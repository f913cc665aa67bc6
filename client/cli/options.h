/* options: read the options of a command from a table.
 *
 * Options may be bundled (-kj2), abbreviated to any unique prefix (--keep), and end at the first
 * word that is none, or at --. What is wrong comes back as one line of words.
 */
#ifndef DROVER_CLI_OPTIONS_H
#define DROVER_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum option_argument { OPTION_ALONE, OPTION_VALUE, OPTION_MAYBE /* only as --o=v */ };

#define OPTIONS_ENOUGH 1
#define OPTIONS_MAX 400
#define OPTIONS_STAGE                                                                              \
    0x10000u /* beside groups: of a later stage, so rows without groups are refused */

/* Take the value of an option (NULL if it has none) into the caller's struct. 0; -1 with words made
 * to stand behind the option's name: "'x' is no number"; OPTIONS_ENOUGH: read no further. */
typedef int option_take_fn (void *into, const char *value, struct err *e);

/* Options that are known and not taken: of a later version, or of somebody else. */
enum option_refusal { OPTION_TAKEN, OPTION_LATER, OPTION_NEVER };

/* Rows with the same `take`, or the same `flag`, are names of one option. */
struct option_row {
    const char *name;     /* without dashes; NULL: only a letter */
    char letter;          /* 0: none */
    uint8_t argument;     /* enum option_argument */
    uint16_t groups;      /* bits of the caller's; 0: for every command */
    option_take_fn *take; /* what to do with it */
    size_t flag;          /* or the offset of a bool that it makes true; not 0 */
    uint8_t refused;      /* enum option_refusal; neither `take` nor `flag` then */
    const char *mend;     /* of a refused one: what to do instead, or NULL; of one that has groups:
                             the command it belongs to, NULL: foreach */
};

/* Read argv[1] and on. Rows of none of these groups are refused, as options of other commands; they
 * count where a name is abbreviated, but for those that belong to one other command alone (mend).
 * Returns the index in argv of the first word that is no option (argc: none), or -1. At most
 * OPTIONS_MAX rows. */
int options_parse (const struct option_row *rows, size_t count, unsigned groups, void *into,
                   int argc, char **argv, struct err *e);

#endif
