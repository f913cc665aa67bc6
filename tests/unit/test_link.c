/* Links over real sockets, in a directory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/link.h"
#include "common/net/listen.h"
#include "common/net/loop.h"

#define PATIENCE_US (10 * US_PER_S)

struct place {
    char dir[80];
    char path[96];
    char url[112];
};

static int enter (void **state)
{
    struct place *p = calloc (1, sizeof *p);
    const char *tmp = getenv ("TMPDIR");
    if (!p)
        return -1;
    snprintf (p->dir, sizeof p->dir, "%.60s/link.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp (p->dir))
        return -1;
    snprintf (p->path, sizeof p->path, "%s/s", p->dir);
    snprintf (p->url, sizeof p->url, "ipc://%s", p->path);
    *state = p;
    return 0;
}

static int leave (void **state)
{
    struct place *p = *state;
    unlink (p->path);
    int rc = rmdir (p->dir);
    free (p);
    return rc;
}

static struct link *listen_at (const char *url)
{
    struct err e = {0};
    struct link *l = link_listen (url, -1, 0, &e);
    if (!l)
        fail_msg ("%s", e.text);
    return l;
}

static struct link *connect_to (const char *url)
{
    struct err e = {0};
    struct link *l = link_connect (url, &e);
    if (!l)
        fail_msg ("%s", e.text);
    return l;
}

static struct wire_frames ping (uint64_t stamp)
{
    struct wire w = {.kind = WIRE_PING, .m.ping.stamp = stamp};
    struct wire_frames f;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    return f;
}

/* A message with one body of `len` bytes that count up. */
static struct wire_frames output (size_t len)
{
    struct blob *b = blob_new (len);
    for (size_t i = 0; i < len; i++)
        blob_bytes (b)[i] = (uint8_t)(i * 7);
    struct wire w = {.kind = WIRE_OUTPUT, .body[0] = slice_of_take (b)};
    struct wire_frames f;
    assert_int_equal (wire_encode (&w, &f, NULL), 0);
    wire_fini (&w);
    return f;
}

static void send_now (struct link *l, uint64_t route, struct wire_frames f)
{
    assert_int_equal (link_send (l, route, &f), 0);
    assert_int_equal (f.count, 0);
}

static void count_call (void *arg, struct link *l)
{
    (void)l;
    ++*(int *)arg;
}

/* Wait for a message, as long as the test's patience lasts. */
static int receive (struct link *l, uint64_t *route, struct wire_frames *f)
{
    struct loop *loop = loop_new (NULL);
    int64_t deadline = clock_mono_us () + PATIENCE_US;
    int calls = 0, rc = 0;
    assert_int_equal (loop_add_link (loop, l, count_call, &calls, NULL), 0);
    while (rc == 0 && clock_mono_us () < deadline) {
        loop_wait (loop, deadline);
        rc = link_receive (l, route, f);
    }
    loop_free (&loop);
    return rc;
}

static uint64_t receive_ping (struct link *l, uint64_t *route)
{
    struct wire_frames f;
    struct wire w;
    assert_int_equal (receive (l, route, &f), 1);
    assert_int_equal (wire_decode (&w, &f, NULL, NULL), 0);
    assert_int_equal (w.kind, WIRE_PING);
    uint64_t stamp = w.m.ping.stamp;
    wire_fini (&w);
    wire_frames_fini (&f);
    return stamp;
}

static void talk (const char *listen_url)
{
    uint64_t route[2], nobody;
    struct link *b = listen_at (listen_url);
    struct link *p = connect_to (link_endpoint (b));
    struct link *q = connect_to (link_endpoint (b));
    send_now (p, 0, ping (1));
    assert_int_equal (receive_ping (b, &route[0]), 1);
    send_now (q, 0, ping (2));
    assert_int_equal (receive_ping (b, &route[1]), 2);
    assert_true (route[0] != route[1]);
    send_now (b, route[0], ping (10));
    send_now (b, route[1], ping (20));
    assert_int_equal (receive_ping (p, &nobody), 10);
    assert_int_equal (receive_ping (q, &nobody), 20);
    link_close (&p, 0);
    link_close (&q, 0);
    link_close (&b, 0);
}

static void peers_are_told_apart_over_ipc (void **state)
{
    talk (((struct place *)*state)->url);
}

static void peers_are_told_apart_over_tcp_on_a_port_of_the_systems_choice (void **state)
{
    (void)state;
    talk ("tcp://127.0.0.1:0");
    talk ("tcp://localhost:*");
}

static void a_route_carries_the_index_of_its_link (void **state)
{
    struct place *p = *state;
    struct link *b = link_listen (p->url, -1, 3, NULL);
    struct link *peer = connect_to (p->url);
    uint64_t route;
    send_now (peer, 0, ping (1));
    receive_ping (b, &route);
    assert_int_equal (route >> 32, 3);
    struct wire_frames f = ping (2);
    assert_int_equal (link_send (b, route & UINT32_MAX, &f), -1);
    assert_int_equal (errno, EHOSTUNREACH);
    wire_frames_fini (&f);
    link_close (&peer, 0);
    link_close (&b, 0);
}

static void bodies_of_all_sizes_arrive_whole (void **state)
{
    struct place *place = *state;
    static const size_t sizes[] = {1, 4095, 4096, 16383, 16384, 256 << 10, WIRE_FRAME_MAX};
    struct link *b = listen_at (place->url);
    struct link *p = connect_to (place->url);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct wire_frames f, want = output (sizes[i]);
        uint64_t route;
        struct wire_frames copy = wire_frames_keep (&want);
        send_now (p, 0, copy);
        assert_int_equal (receive (b, &route, &f), 1);
        assert_int_equal (f.count, 2);
        assert_int_equal (f.frame[1].len, sizes[i]);
        assert_memory_equal (f.frame[1].ptr, want.frame[1].ptr, sizes[i]);
        wire_frames_fini (&f);
        wire_frames_fini (&want);
    }
    link_close (&p, 0);
    link_close (&b, 0);
}

static void an_unknown_route_is_unreachable_and_the_frames_stay (void **state)
{
    struct link *b = listen_at (((struct place *)*state)->url);
    struct wire_frames f = output (100000);
    assert_int_equal (link_send (b, 77, &f), -1);
    assert_int_equal (errno, EHOSTUNREACH);
    assert_int_equal (f.count, 2);
    assert_int_equal (f.frame[1].len, 100000);
    wire_frames_fini (&f);
    link_close (&b, 0);
}

static void a_full_link_says_again_and_loses_nothing (void **state)
{
    struct link *p = connect_to (((struct place *)*state)->url);
    struct wire_frames f;
    unsigned sent = 0;
    for (;; sent++) {
        f = ping (sent);
        if (link_send (p, 0, &f) != 0)
            break;
    }
    assert_int_equal (errno, EAGAIN);
    assert_int_equal (f.count, 1);
    wire_frames_fini (&f);
    struct link *b = listen_at (((struct place *)*state)->url);
    for (unsigned i = 0; i < sent; i++) {
        uint64_t route;
        assert_int_equal (receive_ping (b, &route), i);
    }
    link_close (&p, 0);
    link_close (&b, 0);
}

static void a_broker_that_comes_late_is_found (void **state)
{
    struct place *place = *state;
    struct link *p = connect_to (place->url);
    uint64_t route;
    send_now (p, 0, ping (5));
    struct link *b = listen_at (place->url);
    assert_int_equal (receive_ping (b, &route), 5);
    link_close (&p, 0);
    link_close (&b, 0);
}

static void receive_never_waits (void **state)
{
    struct link *b = listen_at (((struct place *)*state)->url);
    struct wire_frames f;
    uint64_t route;
    assert_false (link_readable (b));
    assert_int_equal (link_receive (b, &route, &f), 0);
    assert_int_equal (f.count, 0);
    link_close (&b, 0);
}

/* --- who else uses the socket ---------------------------------------------------------------- */

static void a_living_ipc_path_is_not_stolen (void **state)
{
    struct place *place = *state;
    struct err e = {0};
    uint64_t route;
    struct link *b = listen_at (place->url);
    assert_null (link_listen (place->url, -1, 0, &e));
    assert_int_equal (e.code, EADDRINUSE);
    struct link *p = connect_to (place->url);
    send_now (p, 0, ping (1));
    assert_int_equal (receive_ping (b, &route), 1);
    link_close (&p, 0);
    link_close (&b, 0);
}

static int bound_socket (const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf (a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void a_stale_ipc_path_is_taken_over_and_removed_at_the_end (void **state)
{
    struct place *place = *state;
    close (bound_socket (place->path));
    assert_int_equal (access (place->path, F_OK), 0);
    struct link *b = listen_at (place->url);
    link_close (&b, 0);
    assert_int_equal (access (place->path, F_OK), -1);
}

enum { RIVALS = 4, ROUNDS = 200 };

struct rival {
    pthread_t thread;
    pthread_barrier_t *start;
    struct net_url url;
    struct listen_file file;
    int fd;
};

static void *listen_with_the_others (void *arg)
{
    struct rival *r = arg;
    pthread_barrier_wait (r->start);
    r->fd = listen_ipc (&r->url, &r->file, NULL);
    return NULL;
}

/* How many of them listen, all of them having begun at one time. */
static unsigned listeners (struct rival *rival, const struct rival **winner)
{
    pthread_barrier_t start;
    unsigned n = 0;
    pthread_barrier_init (&start, NULL, RIVALS);
    for (int i = 0; i < RIVALS; i++) {
        rival[i].start = &start;
        assert_int_equal (
            pthread_create (&rival[i].thread, NULL, listen_with_the_others, &rival[i]), 0);
    }
    for (int i = 0; i < RIVALS; i++) {
        pthread_join (rival[i].thread, NULL);
        n += rival[i].fd >= 0;
        if (rival[i].fd >= 0)
            *winner = &rival[i];
    }
    pthread_barrier_destroy (&start);
    return n;
}

static void of_several_that_find_a_stale_path_one_listens_there (void **state)
{
    struct place *place = *state;
    for (int round = 0; round < ROUNDS; round++) {
        struct rival rival[RIVALS] = {0};
        const struct rival *winner = NULL;
        struct stat st;
        close (bound_socket (place->path));
        for (int i = 0; i < RIVALS; i++)
            assert_int_equal (net_parse_url (place->url, NET_LISTEN, &rival[i].url, NULL), 0);
        assert_int_equal (listeners (rival, &winner), 1);
        assert_int_equal (stat (place->path, &st), 0);
        assert_int_equal (st.st_ino, winner->file.ino);
        close (winner->fd);
        for (int i = 0; i < RIVALS; i++)
            listen_remove (&rival[i].file);
        assert_int_equal (access (place->path, F_OK), -1);
    }
}

static void a_file_that_is_no_socket_stays (void **state)
{
    struct place *place = *state;
    struct err e = {0};
    close (open (place->path, O_CREAT | O_WRONLY, 0600));
    assert_null (link_listen (place->url, -1, 0, &e));
    assert_int_equal (e.code, EADDRINUSE);
    assert_int_equal (access (place->path, F_OK), 0);
}

static void the_socket_file_is_for_its_owner_only (void **state)
{
    struct place *place = *state;
    struct stat st;
    mode_t before = umask (0);
    struct link *b = listen_at (place->url);
    assert_int_equal (umask (before), 0);
    assert_int_equal (stat (place->path, &st), 0);
    assert_int_equal (st.st_mode & 0777, 0600);
    link_close (&b, 0);
}

static void a_listening_descriptor_is_taken_and_its_file_left (void **state)
{
    struct place *place = *state;
    int fd = bound_socket (place->path);
    struct err e = {0};
    uint64_t route;
    assert_int_equal (listen (fd, 10), 0);
    struct link *p = connect_to (place->url);
    send_now (p, 0, ping (9));
    struct link *b = link_listen (place->url, fd, 0, &e);
    if (!b)
        fail_msg ("%s", e.text);
    assert_int_equal (receive_ping (b, &route), 9);
    link_close (&p, 0);
    link_close (&b, 0);
    assert_int_equal (fcntl (fd, F_GETFD), -1);
    assert_int_equal (access (place->path, F_OK), 0);
}

static void a_descriptor_that_does_not_listen_is_refused (void **state)
{
    struct place *place = *state;
    struct err e = {0};
    int fd = bound_socket (place->path);
    assert_null (link_listen (place->url, fd, 0, &e));
    assert_int_equal (e.code, EINVAL);
    assert_int_equal (fcntl (fd, F_GETFD), -1);
}

static void a_port_in_use_is_said_in_words (void **state)
{
    (void)state;
    struct err e = {0};
    struct link *b = listen_at ("tcp://127.0.0.1:0");
    assert_null (link_listen (link_endpoint (b), -1, 0, &e));
    assert_int_equal (e.code, EADDRINUSE);
    assert_non_null (strstr (e.text, "in use"));
    link_close (&b, 0);
}

/* --- hostile peers, by hand ------------------------------------------------------------------ */

static void put (int fd, const void *bytes, size_t len)
{
    if (send (fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        fail_msg ("%s", strerror (errno));
}

static void get (int fd, void *bytes, size_t len)
{
    assert_int_equal (recv (fd, bytes, len, MSG_WAITALL), (ssize_t)len);
}

static void put_frame (int fd, const char *text, bool more)
{
    uint8_t head[2] = {more, (uint8_t)strlen (text)};
    put (fd, head, sizeof head);
    put (fd, text, strlen (text));
}

/* Speak ZMTP 3.0 as a DEALER with a routing id (may be empty). */
static int raw_peer (const struct place *place, const char *id)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf (a.sun_path, sizeof a.sun_path, "%s", place->path);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (connect (fd, (struct sockaddr *)&a, sizeof a), 0);
    uint8_t greeting[64] = {0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L'};
    put (fd, greeting, sizeof greeting);
    uint8_t ready[64] = {4, 0, 5, 'R', 'E', 'A', 'D', 'Y', 11};
    size_t len = 9;
    memcpy (ready + len, "Socket-Type\0\0\0\6DEALER", 21);
    len += 21;
    ready[len++] = 8;
    memcpy (ready + len, "Identity\0\0\0", 11);
    len += 11;
    ready[len++] = (uint8_t)strlen (id);
    memcpy (ready + len, id, strlen (id));
    len += strlen (id);
    ready[1] = (uint8_t)(len - 2);
    put (fd, ready, len);
    uint8_t answer[256]; /* nothing may follow before the other side is ready, too */
    get (fd, answer, sizeof greeting + 2);
    get (fd, answer, answer[sizeof greeting + 1]);
    return fd;
}

static void a_message_of_too_many_frames_is_consumed_and_its_sender_known (void **state)
{
    struct place *place = *state;
    struct link *b = listen_at (place->url);
    struct wire_frames f;
    uint64_t bad, good;
    int fd = raw_peer (place, "");
    for (int i = 0; i < 1000; i++)
        put_frame (fd, "x", i < 999);
    put_frame (fd, "y", false);
    assert_int_equal (receive (b, &bad, &f), -1);
    assert_int_equal (f.count, 0);
    assert_true (bad != 0);
    assert_int_equal (receive (b, &good, &f), 1);
    assert_int_equal (f.count, 1);
    assert_int_equal (good, bad);
    wire_frames_fini (&f);
    close (fd);
    link_close (&b, 0);
}

static void a_peer_that_chose_its_own_routing_id_is_not_heard (void **state)
{
    struct place *place = *state;
    struct link *b = listen_at (place->url);
    struct wire_frames f;
    uint64_t route;
    int fd = raw_peer (place, "admin");
    put_frame (fd, "x", false);
    assert_int_equal (receive (b, &route, &f), -1);
    assert_int_equal (route, 0);
    assert_int_equal (f.count, 0);
    close (fd);
    link_close (&b, 0);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void the_programs_signal_handlers_are_left_alone (void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD};
    struct sigaction before[5], after;
    sigset_t mask_before, mask_after;
    for (int i = 0; i < 5; i++)
        sigaction (signals[i], NULL, &before[i]);
    pthread_sigmask (SIG_SETMASK, NULL, &mask_before);
    talk (((struct place *)*state)->url);
    for (int i = 0; i < 5; i++) {
        sigaction (signals[i], NULL, &after);
        assert_true (after.sa_handler == before[i].sa_handler);
    }
    pthread_sigmask (SIG_SETMASK, NULL, &mask_after);
    for (int i = 0; i < 5; i++)
        assert_int_equal (sigismember (&mask_after, signals[i]),
                          sigismember (&mask_before, signals[i]));
}

static uint64_t blocked_signals (const char *tid)
{
    char path[300], line[256];
    unsigned long long blocked = 0;
    snprintf (path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *status = fopen (path, "r");
    assert_non_null (status);
    while (fgets (line, sizeof line, status))
        if (sscanf (line, "SigBlk: %llx", &blocked) == 1)
            break;
    fclose (status);
    return blocked;
}

static void threads_of_the_library_block_signals (void **state)
{
    struct link *b = listen_at (((struct place *)*state)->url);
    DIR *threads = opendir ("/proc/self/task");
    struct dirent *d;
    unsigned others = 0;
    while ((d = readdir (threads))) {
        if (d->d_name[0] == '.' || atoi (d->d_name) == getpid ())
            continue;
        assert_true (blocked_signals (d->d_name) & 1ull << (SIGTERM - 1));
        others++;
    }
    closedir (threads);
    assert_true (others >= 2);
    link_close (&b, 0);
}

/* --- in a loop ------------------------------------------------------------------------------- */

struct closer {
    struct loop *loop;
    int calls;
};

static void close_itself (void *arg, struct link *l)
{
    struct closer *s = arg;
    s->calls++;
    loop_remove_link (s->loop, l);
    link_close (&l, 0);
}

static void a_link_may_be_closed_by_its_callback (void **state)
{
    struct place *place = *state;
    struct closer s = {.loop = loop_new (NULL)};
    struct link *b = listen_at (place->url);
    struct link *p = connect_to (place->url);
    assert_int_equal (loop_add_link (s.loop, b, close_itself, &s, NULL), 0);
    send_now (p, 0, ping (1));
    int64_t deadline = clock_mono_us () + PATIENCE_US;
    while (!s.calls && clock_mono_us () < deadline)
        loop_wait (s.loop, deadline);
    assert_int_equal (s.calls, 1);
    loop_free (&s.loop);
    link_close (&p, 0);
}

static void messages_left_in_a_link_call_again (void **state)
{
    struct place *place = *state;
    struct link *b = listen_at (place->url);
    struct link *p = connect_to (place->url);
    for (uint64_t i = 0; i < 5; i++)
        send_now (p, 0, ping (i));
    for (uint64_t i = 0; i < 5; i++) {
        uint64_t route;
        assert_int_equal (receive_ping (b, &route), i);
    }
    link_close (&p, 0);
    link_close (&b, 0);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown (f, enter, leave)

int main (void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE (peers_are_told_apart_over_ipc),
        cmocka_unit_test (peers_are_told_apart_over_tcp_on_a_port_of_the_systems_choice),
        IN_PLACE (a_route_carries_the_index_of_its_link),
        IN_PLACE (bodies_of_all_sizes_arrive_whole),
        IN_PLACE (an_unknown_route_is_unreachable_and_the_frames_stay),
        IN_PLACE (a_full_link_says_again_and_loses_nothing),
        IN_PLACE (a_broker_that_comes_late_is_found),
        IN_PLACE (receive_never_waits),
        IN_PLACE (a_living_ipc_path_is_not_stolen),
        IN_PLACE (a_stale_ipc_path_is_taken_over_and_removed_at_the_end),
        IN_PLACE (of_several_that_find_a_stale_path_one_listens_there),
        IN_PLACE (a_file_that_is_no_socket_stays),
        IN_PLACE (the_socket_file_is_for_its_owner_only),
        IN_PLACE (a_listening_descriptor_is_taken_and_its_file_left),
        IN_PLACE (a_descriptor_that_does_not_listen_is_refused),
        cmocka_unit_test (a_port_in_use_is_said_in_words),
        IN_PLACE (a_message_of_too_many_frames_is_consumed_and_its_sender_known),
        IN_PLACE (a_peer_that_chose_its_own_routing_id_is_not_heard),
        IN_PLACE (the_programs_signal_handlers_are_left_alone),
        IN_PLACE (threads_of_the_library_block_signals),
        IN_PLACE (a_link_may_be_closed_by_its_callback),
        IN_PLACE (messages_left_in_a_link_call_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
