/* test_listener.c: listening, accepting, and connecting to nobody. */
#include "reactors.h"

#include "base/clock.h"
#include "base/log.h"
#include "runtime/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct stream_options small_buffer = {.buffer_max = 64};

/* A port that no other program gets; a listener may have it. */
static int hold_port(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void connect_to_nobody(void *argument)
{
    (void)argument;
    struct listener *listener;
    struct stream *stream;
    uint16_t port;
    int holder = hold_port(&port);
    CHECK(listener_open(&listener, "127.0.0.1", port) == 0);
    struct listener *second;
    CHECK(listener_open(&second, "127.0.0.1", port) == UV_EADDRINUSE);
    listener_close(listener);
    CHECK(stream_connect(&stream, "127.0.0.1", port, &small_buffer) == UV_ECONNREFUSED);
    close(holder);
    CHECK(stream_connect(&stream, "no such host", port, &small_buffer) < 0);
    CHECK(listener_open(&second, "no such host", 0) < 0);
}

static void nobody_there_and_taken_ports_are_errors(void **state)
{
    (void)state;
    run_alone(connect_to_nobody, NULL);
}

static void a_name_is_listened_on_at_its_ip4_address(void **state)
{
    (void)state;
    static const char *const texts[] = {"::1", "127.0.0.1", "::2", "127.0.0.2"};
    struct sockaddr_storage addresses[ARRAY_COUNT(texts)];
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct sockaddr_storage found[ADDRESS_MAX];
        assert_int_equal(address_resolve(texts[i], 1, found), 1);
        addresses[i] = found[0];
    }

    address_put_ip4_first(addresses, ARRAY_COUNT(addresses));

    static const char *const wanted[] = {"127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "[::2]:1"};
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        char text[ADDRESS_TEXT_SIZE];
        address_format(&addresses[i], text);
        assert_string_equal(text, wanted[i]);
    }
}

static void open_of_no_socket(void *argument)
{
    (void)argument;
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct stream *stream;
    CHECK(stream_open(&stream, ends[0], &small_buffer) < 0);
    char byte = 0;
    CHECK(write(ends[1], &byte, 1) < 0 && errno == EPIPE); /* so the other end is closed */
    close(ends[1]);
}

static void a_failed_open_closes_the_descriptor(void **state)
{
    (void)state;
    run_alone(open_of_no_socket, NULL);
}

static atomic_uint exhausted_lines;

static void count_line(const char *line, void *context)
{
    (void)context;
    if (strstr(line, "cannot accept connections"))
        atomic_fetch_add(&exhausted_lines, 1);
}

struct exhausted {
    _Atomic uint16_t port;
    atomic_uint accepted;
};

enum { ROUNDS = 2 };

static void accept_each_round(void *argument)
{
    struct exhausted *exhausted = argument;
    struct listener *listener;
    CHECK(listener_open(&listener, "127.0.0.1", 0) == 0);
    atomic_store(&exhausted->port, listener_port(listener));
    for (unsigned i = 0; i < ROUNDS; i++) {
        int fd;
        CHECK(listener_accept(listener, &fd) == 0);
        close(fd);
        atomic_fetch_add(&exhausted->accepted, 1);
    }
    listener_close(listener);
}

/* In and out of descriptors all the time is one line too, not one each time. */
static void running_out_of_descriptors_waits_and_is_logged_once(void **state)
{
    (void)state;
    struct reactors reactors;
    struct exhausted exhausted = {0};
    reactors_start(&reactors, 1);
    clock_test_freeze(NS_PER_S, 0); /* it may be said again after a minute */
    log_redirect(count_line, NULL);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "accept", accept_each_round, &exhausted), 0);
    WAIT_UNTIL(atomic_load(&exhausted.port) != 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atomic_load(&exhausted.port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
        WAIT_UNTIL(atomic_load(&exhausted_lines) >= 1);
        uint64_t pass = reactor_pass_count(reactors.reactor[0]);
        WAIT_UNTIL(reactor_pass_count(reactors.reactor[0]) > pass + 2); /* two more tries at least */
        assert_int_equal(atomic_load(&exhausted.accepted), i);

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        WAIT_UNTIL(atomic_load(&exhausted.accepted) == i + 1);
        close(client);
    }

    reactors_end(&reactors);
    log_redirect(NULL, NULL);
    clock_test_real();
    assert_int_equal(atomic_load(&exhausted_lines), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there_and_taken_ports_are_errors),
        cmocka_unit_test(a_name_is_listened_on_at_its_ip4_address),
        cmocka_unit_test(a_failed_open_closes_the_descriptor),
        cmocka_unit_test(running_out_of_descriptors_waits_and_is_logged_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
