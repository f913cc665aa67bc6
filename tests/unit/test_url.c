#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/net/link.h"
#include "common/net/url.h"

static void refused (const char *url, enum net_use use)
{
    struct net_url u;
    struct err e = {0};
    if (net_parse_url (url, use, &u, &e) == 0)
        fail_msg ("%s was taken", url);
    assert_true (e.code == EINVAL || e.code == ENAMETOOLONG);
    assert_true (e.text[0] != '\0');
}

static void bad_urls_are_refused_in_words (void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost:5",
        "inproc://x",
        "udp://127.0.0.1:5",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://:5",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:x",
        "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:123456",
        "tcp://a b:5",
        "tcp://::1:5",
        "tcp://[::1]",
        "tcp://[::g]:5",
        "tcp://lo;127.0.0.1:5",
        "ipc://",
        "ipc://@abstract",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused (bad[i], NET_LISTEN);
    refused ("tcp://127.0.0.1:0", NET_CONNECT);
    refused ("tcp://*:5", NET_CONNECT);
}

static void a_path_too_long_for_a_socket_is_refused_with_its_length (void **state)
{
    (void)state;
    char url[300] = "ipc:///";
    struct net_url u;
    struct err e = {0};
    memset (url + 7, 'x', 106);
    assert_int_equal (net_parse_url (url, NET_LISTEN, &u, &e), 0);
    memset (url + 7, 'x', 107);
    assert_int_equal (net_parse_url (url, NET_LISTEN, &u, &e), -1);
    assert_int_equal (e.code, ENAMETOOLONG);
    assert_non_null (strstr (e.text, "108 bytes"));
    assert_non_null (strstr (e.text, "107"));
}

static void good_urls_are_taken_apart (void **state)
{
    (void)state;
    struct net_url u;
    assert_int_equal (net_parse_url ("tcp://[::1]:5555", NET_CONNECT, &u, NULL), 0);
    assert_true (u.ipv6);
    assert_string_equal (u.host, "::1");
    assert_int_equal (u.port, 5555);
    assert_int_equal (net_parse_url ("tcp://*:*", NET_LISTEN, &u, NULL), 0);
    assert_string_equal (u.host, "*");
    assert_int_equal (u.port, 0);
    assert_int_equal (net_parse_url ("ipc:///run/x/broker.sock", NET_CONNECT, &u, NULL), 0);
    assert_string_equal (u.path, "/run/x/broker.sock");
}

static void loopback_is_what_only_this_host_reaches (void **state)
{
    (void)state;
    assert_true (net_is_loopback ("ipc:///x"));
    assert_true (net_is_loopback ("tcp://127.0.0.1:0"));
    assert_true (net_is_loopback ("tcp://127.9.9.9:5"));
    assert_true (net_is_loopback ("tcp://localhost:5"));
    assert_true (net_is_loopback ("tcp://[::1]:5"));
    assert_false (net_is_loopback ("tcp://*:5"));
    assert_false (net_is_loopback ("tcp://0.0.0.0:5"));
    assert_false (net_is_loopback ("tcp://10.0.0.1:5"));
    assert_false (net_is_loopback ("tcp://[::]:5"));
    assert_false (net_is_loopback ("tcp://127.0.0.1.example.org:5"));
    assert_false (net_is_loopback ("nonsense"));
}

static void an_unknown_host_is_said_at_once (void **state)
{
    (void)state;
    struct err e = {0};
    struct net_url u = {.transport = NET_TCP, .host = "localhost"};
    assert_int_equal (net_find_host ("tcp://localhost:5", &u, &e), 0);
    assert_null (link_connect ("tcp://nowhere.invalid:x", &e));
    assert_int_equal (e.code, EINVAL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (bad_urls_are_refused_in_words),
        cmocka_unit_test (a_path_too_long_for_a_socket_is_refused_with_its_length),
        cmocka_unit_test (good_urls_are_taken_apart),
        cmocka_unit_test (loopback_is_what_only_this_host_reaches),
        cmocka_unit_test (an_unknown_host_is_said_at_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
