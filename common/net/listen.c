#include "common/net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define LOCK_TRIES 1000 /* about one each millisecond */

static struct sockaddr_un address_of (const struct net_url *u)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy (a.sun_path, u->path, sizeof a.sun_path);
    return a;
}

static int make_socket (void)
{
    return socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Whether somebody answers there. A full backlog is an answer, too. */
static bool somebody_listens (const struct net_url *u)
{
    struct sockaddr_un a = address_of (u);
    int fd = make_socket ();
    if (fd < 0)
        return true;
    bool answers = connect (fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == EAGAIN;
    close (fd);
    return answers;
}

/* Make room on a path that is taken: only what a dead process left may go. */
static int remove_stale (const struct net_url *u, struct err *e)
{
    struct stat st;
    if (lstat (u->path, &st) != 0)
        return errno == ENOENT ? 0 : err_sys (e, errno, "ipc://%s: cannot look at it", u->path);
    if (!S_ISSOCK (st.st_mode))
        return err_set (e, EADDRINUSE, "ipc://%s: there is a file that is no socket", u->path);
    if (somebody_listens (u))
        return err_set (e, EADDRINUSE, "ipc://%s: somebody listens there already", u->path);
    if (unlink (u->path) != 0 && errno != ENOENT)
        return err_sys (e, errno, "ipc://%s: cannot remove the stale socket", u->path);
    return 0;
}

/* A socket that was bound and does not listen yet looks as one that a dead process left: who looks,
 * removes or makes one holds its directory. (A lock file would be left behind.) It is held for a
 * few system calls; who holds it for longer is not one of us, and not waited for. Returns a
 * descriptor to close, -1 where the directory cannot be had. */
static int lock_directory (const char *path)
{
    char dir[sizeof ((struct net_url *)0)->path + 1];
    const char *slash = strrchr (path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    memcpy (dir, path, len);
    memcpy (dir + len, ".", 2); /* of the root directory as well */
    int fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock (fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK)
            break;
        poll (NULL, 0, 1);
    }
    return fd;
}

static void unlock_directory (int fd)
{
    int saved = errno;
    if (fd >= 0)
        close (fd);
    errno = saved;
}

static int bind_path (int fd, const struct net_url *u, struct err *e)
{
    struct sockaddr_un a = address_of (u);
    if (bind (fd, (struct sockaddr *)&a, sizeof a) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return err_sys (e, errno, "ipc://%s: cannot listen", u->path);
    if (remove_stale (u, e) != 0)
        return -1;
    if (bind (fd, (struct sockaddr *)&a, sizeof a) == 0)
        return 0;
    return err_sys (e, errno, "ipc://%s: cannot listen", u->path);
}

/* With the directory locked. */
static int listen_there (int fd, const struct net_url *u, struct listen_file *file, struct err *e)
{
    struct stat st;
    if (bind_path (fd, u, e) != 0)
        return -1;
    if (lstat (u->path, &st) != 0 || listen (fd, BACKLOG) != 0)
        return err_sys (e, errno, "ipc://%s: cannot listen", u->path);
    *file = (struct listen_file){.dev = st.st_dev, .ino = st.st_ino};
    memcpy (file->path, u->path, sizeof file->path);
    return 0;
}

int listen_ipc (const struct net_url *u, struct listen_file *file, struct err *e)
{
    int fd = make_socket ();
    if (fd < 0)
        return err_sys (e, errno, "ipc://%s: cannot make a socket", u->path);
    /* The mode of the socket before it has a name is the mode of the file: nobody else can connect
     * at any moment, and the umask, which all threads share, is left alone. */
    if (fchmod (fd, 0600) != 0) {
        err_sys (e, errno, "ipc://%s: cannot set the socket's mode", u->path);
        goto out;
    }
    int lock = lock_directory (u->path);
    int rc = listen_there (fd, u, file, e);
    unlock_directory (lock);
    if (rc == 0)
        return fd;
out:
    close (fd);
    return -1;
}

int listen_check (const char *url, int fd, struct err *e)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens)
        return err_set (e, EINVAL, "%s: descriptor %d is no listening socket", url, fd);
    int flags = fcntl (fd, F_GETFL);
    if (flags < 0 || fcntl (fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl (fd, F_SETFD, FD_CLOEXEC) != 0)
        return err_sys (e, errno, "%s: cannot set up descriptor %d", url, fd);
    return 0;
}

void listen_remove (struct listen_file *file)
{
    struct stat st;
    if (!file->path[0])
        return;
    int lock = lock_directory (file->path);
    if (lstat (file->path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
        unlink (file->path);
    unlock_directory (lock);
    file->path[0] = '\0';
}
