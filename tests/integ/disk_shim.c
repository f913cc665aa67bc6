/* disk_shim: preloaded into a broker, makes its disk slow or full. The file that $DROVER_TEST_DISK
 * names says how, now: "slow MS" (each sync takes so long), "full" (no write finds room), "broken"
 * (no sync works); nothing or no file: as it is.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int fdatasync (int fd);
int fsync (int fd);
ssize_t pwrite64 (int fd, const void *bytes, size_t len, off64_t offset);
int posix_fallocate (int fd, off_t offset, off_t len);

static const char *how (char text[32])
{
    const char *path = getenv ("DROVER_TEST_DISK");
    int fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read (fd, text, 31);
    if (fd >= 0)
        close (fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* Other than 0: it fails. */
static int sync_is (void)
{
    char text[32];
    int ms;
    if (strncmp (how (text), "broken", 6) == 0) {
        errno = EIO;
        return -1;
    }
    if (sscanf (text, "slow %d", &ms) == 1)
        poll (NULL, 0, ms);
    return 0;
}

int fdatasync (int fd)
{
    int (*real) (int) = (int (*) (int))dlsym (RTLD_NEXT, "fdatasync");
    return sync_is () ? -1 : real (fd);
}

int fsync (int fd)
{
    int (*real) (int) = (int (*) (int))dlsym (RTLD_NEXT, "fsync");
    return sync_is () ? -1 : real (fd);
}

ssize_t pwrite64 (int fd, const void *bytes, size_t len, off64_t offset)
{
    char text[32];
    ssize_t (*real) (int, const void *, size_t, off64_t) =
        (ssize_t (*) (int, const void *, size_t, off64_t))dlsym (RTLD_NEXT, "pwrite64");
    if (strncmp (how (text), "full", 4) != 0)
        return real (fd, bytes, len, offset);
    errno = ENOSPC;
    return -1;
}

int posix_fallocate (int fd, off_t offset, off_t len)
{
    char text[32];
    int (*real) (int, off_t, off_t) =
        (int (*) (int, off_t, off_t))dlsym (RTLD_NEXT, "posix_fallocate");
    return strncmp (how (text), "full", 4) == 0 ? ENOSPC : real (fd, offset, len);
}
