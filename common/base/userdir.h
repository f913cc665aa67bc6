/* userdir: the directory of a user's own sockets: $XDG_RUNTIME_DIR/drover, or /tmp/drover-UID where
 * there is no such variable. The directory's mode (0700) is what keeps others out, so it is checked
 * each time. */
#ifndef DROVER_BASE_USERDIR_H
#define DROVER_BASE_USERDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"

/* Write the directory's path. `create`: make it where it is missing. Where it exists it must be a
 * directory (no symbolic link) of this user that nobody else may enter: -1 with EPERM and the mend
 * otherwise; ENOENT where it does not exist and is not to be made; ENAMETOOLONG. */
int userdir_path (char *path, size_t size, bool create, struct err *e);

/* The URL of the user's own broker there. As userdir_path(). */
int userdir_broker (char *url, size_t size, bool create, struct err *e);

#endif
