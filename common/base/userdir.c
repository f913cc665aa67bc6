#include "common/base/userdir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int check (const char *path, struct err *e)
{
    struct stat st;
    if (lstat (path, &st) < 0)
        return err_sys (e, errno, "%s", path);
    if (!S_ISDIR (st.st_mode))
        return err_set (e, EPERM, "%s is not a directory: remove it, or set XDG_RUNTIME_DIR", path);
    if (st.st_uid != geteuid ())
        return err_set (e, EPERM,
                        "%s belongs to another user: set XDG_RUNTIME_DIR to a directory of yours",
                        path);
    if (st.st_mode & 077)
        return err_set (e, EPERM, "%s is open to others: chmod 700 %s", path, path);
    return 0;
}

int userdir_path (char *path, size_t size, bool create, struct err *e)
{
    const char *run = getenv ("XDG_RUNTIME_DIR");
    int n = run && *run ? snprintf (path, size, "%s/drover", run)
                        : snprintf (path, size, "/tmp/drover-%lu", (unsigned long)geteuid ());
    if (n < 0 || (size_t)n >= size)
        return err_set (e, ENAMETOOLONG,
                        "XDG_RUNTIME_DIR is too long for the path of a Unix socket");
    if (create && mkdir (path, 0700) < 0 && errno != EEXIST)
        return err_sys (e, errno, "cannot make %s", path);
    return check (path, e);
}

int userdir_broker (char *url, size_t size, bool create, struct err *e)
{
    char path[108];
    if (userdir_path (path, sizeof path, create, e) < 0)
        return -1;
    int n = snprintf (url, size, "ipc://%s/broker", path);
    if (n < 0 || (size_t)n >= size || (size_t)n - 6 >= 108)
        return err_set (e, ENAMETOOLONG,
                        "%s/broker is too long for a Unix socket (107 bytes at the most)", path);
    return 0;
}
