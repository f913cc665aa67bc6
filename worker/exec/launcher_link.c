/* The agent's side of launcher.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/exec/launcher.h"
#include "worker/exec/launcher_proto.h"

static int ask (int fd, const struct request *r, struct err *e)
{
    ssize_t n;
    do
        n = send (fd, r, sizeof *r, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *r)
        return err_sys (e, errno, "cannot speak with the launcher");
    return 0;
}

int launcher_new (int fd, enum executor_kind kind, struct err *e)
{
    return ask (fd, &(struct request){.kind = REQUEST_NEW, .executor = kind}, e);
}

int launcher_kill (int fd, uint32_t executor, struct err *e)
{
    return ask (fd, &(struct request){.kind = REQUEST_KILL, .executor = executor}, e);
}

int launcher_token (int fd, uint64_t token, struct err *e)
{
    return ask (fd, &(struct request){.kind = REQUEST_TOKEN, .token = token}, e);
}

int launcher_watch (int fd, bool on, struct err *e)
{
    return ask (fd, &(struct request){.kind = REQUEST_WATCH, .executor = on}, e);
}

int launcher_shutdown (int fd, struct err *e)
{
    return ask (fd, &(struct request){.kind = REQUEST_SHUTDOWN}, e);
}

static void take_descriptors (struct msghdr *m, struct launcher_event *event)
{
    int fds[2];
    struct cmsghdr *c = CMSG_FIRSTHDR (m);
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN (sizeof fds))
        return;
    memcpy (fds, CMSG_DATA (c), sizeof fds);
    event->socket_fd = fds[0];
    event->control_fd = fds[1];
}

int launcher_next (int fd, struct launcher_event *event, struct err *e)
{
    struct answer a;
    _Alignas(struct cmsghdr) char ancillary[CMSG_SPACE (2 * sizeof (int))];
    struct iovec v = {&a, sizeof a};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = ancillary,
                       .msg_controllen = sizeof ancillary};
    ssize_t n = recvmsg (fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return err_sys (e, errno, "cannot hear the launcher");
    if (n != (ssize_t)sizeof a)
        return err_set (e, EPIPE, "the launcher is gone");
    *event = (struct launcher_event){
        .kind = (enum launcher_event_kind)a.kind,
        .executor_kind = (enum executor_kind)a.executor_kind,
        .executor = a.executor,
        .pid = a.pid,
        .socket_fd = -1,
        .control_fd = -1,
        .error = a.error,
        .wait_status = a.wait_status,
        .stuck = a.stuck,
    };
    take_descriptors (&m, event);
    if (event->kind == LAUNCHER_NEW && event->socket_fd < 0)
        return err_set (e, EMFILE, "no descriptor is free for executor %u", event->executor);
    return 1;
}
