/* test_stream.c: TCP for tasks, over loopback. */
#include "reactors.h"

#include "base/error.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct stream_options small_buffer = {.buffer_max = 64};
static const struct stream_options large_buffer = {.buffer_max = 4u << 20};

/* A connected pair: a stream of this reactor, and a plain blocking socket as its peer. */
struct pair {
    struct stream *stream;
    int peer;
};

static int plain_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static struct pair pair_open(const struct stream_options *options)
{
    struct listener *listener;
    struct pair pair;
    int fd;
    CHECK(listener_open(&listener, "127.0.0.1", 0) == 0);
    pair.peer = plain_connect(listener_port(listener));
    CHECK(listener_accept(listener, &fd) == 0);
    listener_close(listener);
    /* Small, so that a large write is taken in part. */
    int size = 128 * 1024;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    CHECK(stream_open(&pair.stream, fd, options) == 0);
    return pair;
}

static void pair_close(struct pair *pair)
{
    stream_close(pair->stream);
    if (pair->peer >= 0)
        close(pair->peer);
}

static void send_text(int fd, const char *text)
{
    CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Reading. */

static void read_in_parts(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    struct bytes view;
    send_text(pair.peer, "hel");
    CHECK(stream_read(pair.stream, 1, TIMEOUT_NEVER, &view) == 0);
    CHECK(view.size >= 1);
    CHECK(stream_read(pair.stream, 5, 1, &view) == UV_ETIMEDOUT);
    CHECK(bytes_equal_string(view, "hel"));
    send_text(pair.peer, "lo, world");
    CHECK(stream_read(pair.stream, 12, TIMEOUT_NEVER, &view) == 0);
    CHECK(bytes_equal_string(view, "hello, world"));
    stream_consume(pair.stream, 7);
    CHECK(bytes_equal_string(stream_buffered(pair.stream), "world"));
    stream_consume(pair.stream, 5);
    CHECK(stream_buffered(pair.stream).size == 0);
    pair_close(&pair);
}

static void a_read_waits_for_what_it_needs(void **state)
{
    (void)state;
    run_alone(read_in_parts, NULL);
}

static void read_to_end(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    struct bytes view;
    send_text(pair.peer, "end");
    shutdown(pair.peer, SHUT_WR);
    CHECK(stream_read(pair.stream, 4, TIMEOUT_NEVER, &view) == UV_EOF);
    CHECK(bytes_equal_string(view, "end"));
    CHECK(stream_read(pair.stream, 3, TIMEOUT_NEVER, &view) == 0); /* what came first is still good */
    stream_consume(pair.stream, 3);
    CHECK(stream_read(pair.stream, 1, TIMEOUT_NEVER, &view) == UV_EOF);
    CHECK(view.size == 0);
    CHECK(stream_wait_closed(pair.stream, TIMEOUT_NEVER) == 0);
    pair_close(&pair);
}

static void the_end_comes_after_what_was_sent(void **state)
{
    (void)state;
    run_alone(read_to_end, NULL);
}

static void read_reset(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    struct bytes view;
    struct linger at_once = {.l_onoff = 1};
    CHECK(setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(pair.peer);
    pair.peer = -1;
    CHECK(stream_read(pair.stream, 1, TIMEOUT_NEVER, &view) == UV_ECONNRESET);
    pair_close(&pair);
}

static void a_reset_is_the_reads_error(void **state)
{
    (void)state;
    run_alone(read_reset, NULL);
}

static void read_more_than_allowed(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    struct bytes view;
    CHECK(stream_read(pair.stream, small_buffer.buffer_max + 1, TIMEOUT_NEVER, &view) == ERR_TOO_LARGE);
    char many[1000];
    memset(many, 'x', sizeof many);
    CHECK(send(pair.peer, many, sizeof many, 0) == sizeof many);
    /* Nobody reads for a while: the buffer fills, and the rest stays in the kernel. */
    while (stream_buffered(pair.stream).size < small_buffer.buffer_max)
        task_yield();
    for (unsigned i = 0; i < 200; i++)
        task_yield();
    size_t total = 0;
    while (total < sizeof many) {
        CHECK(stream_read(pair.stream, 1, TIMEOUT_NEVER, &view) == 0);
        CHECK(view.size <= small_buffer.buffer_max);
        total += view.size;
        stream_consume(pair.stream, view.size);
    }
    CHECK(total == sizeof many);
    pair_close(&pair);
}

static void no_more_is_buffered_than_allowed(void **state)
{
    (void)state;
    run_alone(read_more_than_allowed, NULL);
}

static void wait_closed_main(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    CHECK(stream_wait_closed(pair.stream, 1) == UV_ETIMEDOUT);
    send_text(pair.peer, "not yet");
    CHECK(stream_wait_closed(pair.stream, 1) == UV_ETIMEDOUT);
    close(pair.peer);
    pair.peer = -1;
    CHECK(stream_wait_closed(pair.stream, TIMEOUT_NEVER) == 0);
    pair_close(&pair);
}

static void a_peer_that_goes_is_noticed(void **state)
{
    (void)state;
    run_alone(wait_closed_main, NULL);
}

/* A frame much larger than a block comes whole, and the stream then holds nothing. */

#define LARGE_SIZE ((size_t)3 << 20)

static uint8_t pattern_at(size_t position)
{
    return (uint8_t)(position * 31 + position / 4096);
}

static void *send_pattern(void *argument)
{
    int fd = *(int *)argument;
    uint8_t *data = mem_alloc(LARGE_SIZE);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        data[i] = pattern_at(i);
    for (size_t sent = 0; sent < LARGE_SIZE;) {
        ssize_t n = send(fd, data + sent, LARGE_SIZE - sent, MSG_NOSIGNAL);
        CHECK(n > 0);
        sent += (size_t)n;
    }
    mem_free(data);
    return NULL;
}

static bool is_pattern(struct bytes view, size_t from)
{
    for (size_t i = 0; i < view.size; i++)
        if (view.data[i] != pattern_at(from + i))
            return false;
    return true;
}

static void read_large(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&large_buffer);
    pthread_t sender;
    CHECK(pthread_create(&sender, NULL, send_pattern, &pair.peer) == 0);
    struct bytes view;
    CHECK(stream_read(pair.stream, 1000, TIMEOUT_NEVER, &view) == 0);
    CHECK(is_pattern(bytes_of(view.data, 1000), 0));
    stream_consume(pair.stream, 1000);
    CHECK(stream_read(pair.stream, LARGE_SIZE - 1000, TIMEOUT_NEVER, &view) == 0);
    CHECK(view.size == LARGE_SIZE - 1000 && is_pattern(view, 1000));
    stream_consume(pair.stream, view.size);
    CHECK(stream_buffered(pair.stream).data == NULL);
    pthread_join(sender, NULL);
    pair_close(&pair);
}

static void a_large_frame_grows_the_buffer_and_leaves_none_behind(void **state)
{
    (void)state;
    run_alone(read_large, NULL);
}

/* A handler works on a frame while the client sends the next ones. */
static void keep_view_while_more_arrives(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&large_buffer);
    pthread_t sender;
    struct bytes view;
    CHECK(pthread_create(&sender, NULL, send_pattern, &pair.peer) == 0);
    CHECK(stream_read(pair.stream, 1000, TIMEOUT_NEVER, &view) == 0);
    struct bytes kept = view;
    /* Until nothing more comes in: the sender is then stuck behind a full buffer and full sockets. */
    for (size_t before = 0; stream_buffered(pair.stream).size != before;) {
        before = stream_buffered(pair.stream).size;
        CHECK(stream_wait_closed(pair.stream, 20) == UV_ETIMEDOUT);
    }
    CHECK(stream_buffered(pair.stream).data == kept.data);
    CHECK(is_pattern(kept, 0));

    stream_consume(pair.stream, 1000);
    CHECK(stream_read(pair.stream, LARGE_SIZE - 1000, TIMEOUT_NEVER, &view) == 0); /* reading goes on */
    CHECK(is_pattern(view, 1000));
    stream_consume(pair.stream, view.size);
    pthread_join(sender, NULL);
    pair_close(&pair);
}

static void a_view_stays_while_more_arrives(void **state)
{
    (void)state;
    run_alone(keep_view_while_more_arrives, NULL);
}

static void read_in_odd_bites(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&large_buffer);
    pthread_t sender;
    CHECK(pthread_create(&sender, NULL, send_pattern, &pair.peer) == 0);
    size_t bite = 1;
    for (size_t position = 0; position < LARGE_SIZE;) {
        struct bytes view;
        bite = bite * 7 % 150001 + 1;
        size_t size = bite < LARGE_SIZE - position ? bite : LARGE_SIZE - position;
        CHECK(stream_read(pair.stream, size, TIMEOUT_NEVER, &view) == 0);
        CHECK(is_pattern(bytes_of(view.data, size), position));
        stream_consume(pair.stream, size);
        position += size;
    }
    pthread_join(sender, NULL);
    pair_close(&pair);
}

static void bites_of_any_size_come_in_order(void **state)
{
    (void)state;
    run_alone(read_in_odd_bites, NULL);
}

/* Writing. */

static void *receive_pattern(void *argument)
{
    int fd = *(int *)argument;
    uint8_t data[4096];
    size_t position = 0;
    ssize_t n;
    while ((n = recv(fd, data, sizeof data, 0)) > 0) {
        CHECK(is_pattern(bytes_of(data, (size_t)n), position));
        position += (size_t)n;
    }
    CHECK(n == 0);
    return (void *)position;
}

static void write_pieces(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    pthread_t receiver;
    CHECK(pthread_create(&receiver, NULL, receive_pattern, &pair.peer) == 0);
    uint8_t *data = mem_alloc(LARGE_SIZE);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        data[i] = pattern_at(i);
    /* More pieces than one call takes, some of them empty. */
    static struct bytes pieces[300];
    size_t position = 0;
    for (unsigned i = 0; i < 300; i++) {
        size_t size = i % 7 == 0 ? 0 : i == 299 ? LARGE_SIZE - position : LARGE_SIZE / 300;
        pieces[i] = bytes_of(data + position, size);
        position += size;
    }
    CHECK(position == LARGE_SIZE);
    CHECK(stream_write(pair.stream, pieces, 300, TIMEOUT_NEVER) == 0);
    mem_free(data);
    stream_close(pair.stream);
    void *received;
    pthread_join(receiver, &received);
    CHECK((size_t)received == LARGE_SIZE);
    close(pair.peer);
}

static void many_pieces_reach_a_slow_peer_in_order(void **state)
{
    (void)state;
    run_alone(write_pieces, NULL);
}

static void write_to_stuck_peer(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    size_t size = 32u << 20; /* more than the kernel will buffer */
    struct bytes piece = bytes_of(mem_alloc(size), size);
    CHECK(stream_write(pair.stream, &piece, 1, 20) == UV_ETIMEDOUT);
    mem_free((void *)piece.data); /* ours again: libuv has let go of it */
    CHECK(stream_write(pair.stream, &piece, 1, 20) == UV_ECANCELED);
    pair_close(&pair);
}

static void a_write_to_a_stuck_peer_times_out_and_gives_the_bytes_back(void **state)
{
    (void)state;
    run_alone(write_to_stuck_peer, NULL);
}

/* The time limit is for a peer that takes nothing. The test makes the writer's timer due by hand, first after some
 * bytes have moved and then after none. */

struct slow_write {
    struct pair pair;
    struct task *writer;
    int rc;
    bool done;
};

static void write_slowly(void *argument)
{
    struct slow_write *slow = argument;
    size_t size = 32u << 20;
    struct bytes piece = bytes_of(mem_alloc(size), size);
    slow->writer = task_self();
    slow->rc = stream_write(slow->pair.stream, &piece, 1, 3600 * 1000);
    mem_free((void *)piece.data);
    slow->done = true;
}

static void time_out_now(struct task *task)
{
    CHECK(task->timer_open && task_reason(task) == WAIT_WRITE);
    uv_timer_start(&task->timer, task->timer.timer_cb, 0, 0);
    while (!task->timed_out)
        task_yield();
}

static void yield_often(void)
{
    for (unsigned i = 0; i < 1000; i++)
        task_yield();
}

static void drain(int fd, size_t size)
{
    static char data[64 * 1024];
    while (size > 0) {
        ssize_t got = recv(fd, data, size < sizeof data ? size : sizeof data, MSG_DONTWAIT);
        size -= got > 0 ? (size_t)got : 0;
        task_yield();
    }
}

static void write_to_slow_peer(void *argument)
{
    (void)argument;
    struct slow_write slow = {.pair = pair_open(&small_buffer)};
    CHECK(task_spawn("writer", write_slowly, &slow) != NULL);
    yield_often(); /* now the kernel takes no more */
    drain(slow.pair.peer, 4u << 20);
    yield_often();
    time_out_now(slow.writer);
    yield_often();
    CHECK(!slow.done); /* bytes have moved: it goes on */
    while (!slow.done) { /* the kernel may still shift some bytes between its buffers */
        time_out_now(slow.writer);
        yield_often();
    }
    CHECK(slow.rc == UV_ETIMEDOUT);
    pair_close(&slow.pair);
}

static void a_write_times_out_only_when_nothing_moves(void **state)
{
    (void)state;
    run_alone(write_to_slow_peer, NULL);
}

struct endless {
    atomic_bool writing;
    int rc;
};

static void write_until_canceled(void *argument)
{
    struct endless *endless = argument;
    struct pair pair = pair_open(&small_buffer);
    size_t size = 32u << 20;
    struct bytes piece = bytes_of(mem_alloc(size), size);
    atomic_store(&endless->writing, true);
    endless->rc = stream_write(pair.stream, &piece, 1, TIMEOUT_NEVER);
    mem_free((void *)piece.data);
    pair_close(&pair);
}

static void a_cancel_ends_a_parked_write_safely(void **state)
{
    (void)state;
    struct endless endless = {0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "writer", write_until_canceled, &endless), 0);
    WAIT_UNTIL(atomic_load(&endless.writing));
    reactors_end(&reactors);
    assert_int_equal(endless.rc, UV_ECANCELED);
}

static void write_to_gone_peer(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    struct linger at_once = {.l_onoff = 1};
    CHECK(setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(pair.peer);
    pair.peer = -1;
    CHECK(stream_wait_closed(pair.stream, TIMEOUT_NEVER) == 0);
    struct bytes piece = bytes_of_string("anybody there?");
    int rc = stream_write(pair.stream, &piece, 1, TIMEOUT_NEVER);
    CHECK(rc == UV_EPIPE || rc == UV_ECONNRESET);
    pair_close(&pair);
}

static void a_write_to_a_gone_peer_is_an_error_and_no_signal(void **state)
{
    (void)state;
    run_alone(write_to_gone_peer, NULL);
}

/* Both directions at once, from two tasks, on both reactors. */

struct echo_client {
    uint16_t port;
    struct task_group group;
};

static void echo_serve(void *argument)
{
    int fd = *(int *)argument;
    mem_free(argument);
    struct stream *stream;
    CHECK(stream_open(&stream, fd, &large_buffer) == 0);
    struct bytes view;
    while (stream_read(stream, 1, TIMEOUT_NEVER, &view) == 0) {
        CHECK(stream_write(stream, &view, 1, TIMEOUT_NEVER) == 0);
        stream_consume(stream, view.size);
    }
    stream_close(stream);
}

struct echo_server {
    struct reactor *reactor[2];
    _Atomic uint16_t port;
};

static void echo_accept(void *argument)
{
    struct echo_server *server = argument;
    struct listener *listener;
    CHECK(listener_open(&listener, "localhost", 0) == 0);
    atomic_store(&server->port, listener_port(listener));
    int fd;
    for (unsigned i = 0; listener_accept(listener, &fd) == 0; i++) {
        int *copy = MEM_NEW(int);
        *copy = fd;
        if (reactor_spawn(server->reactor[i % 2], "echo", echo_serve, copy) != 0) {
            close(fd);
            mem_free(copy);
        }
    }
    listener_close(listener);
}

static void echo_write_all(void *argument)
{
    struct stream *stream = argument;
    uint8_t data[1000];
    for (size_t position = 0; position < 200 * sizeof data; position += sizeof data) {
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = pattern_at(position + i);
        struct bytes piece = bytes_of(data, sizeof data);
        CHECK(stream_write(stream, &piece, 1, TIMEOUT_NEVER) == 0);
    }
}

static void echo_ask(void *argument)
{
    struct echo_client *client = argument;
    struct stream *stream;
    CHECK(stream_connect(&stream, "localhost", client->port, &large_buffer) == 0);
    CHECK(strchr(stream_peer(stream), ':') != NULL);
    CHECK(task_spawn("writer", echo_write_all, stream) != NULL);
    for (size_t position = 0; position < 200 * 1000; position += 500) {
        struct bytes view;
        CHECK(stream_read(stream, 500, TIMEOUT_NEVER, &view) == 0);
        CHECK(is_pattern(bytes_of(view.data, 500), position));
        stream_consume(stream, 500);
    }
    stream_close(stream);
    task_group_done(&client->group);
}

static void wait_for_group(void *argument)
{
    CHECK(task_group_wait(argument, TIMEOUT_NEVER) == 0);
}

static void echo_between_two_reactors(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 2);
    struct echo_server server = {.reactor = {reactors.reactor[0], reactors.reactor[1]}};
    assert_int_equal(reactor_spawn(reactors.reactor[0], "accept", echo_accept, &server), 0);
    WAIT_UNTIL(atomic_load(&server.port) != 0);
    struct echo_client client = {.port = atomic_load(&server.port)};
    task_group_add(&client.group, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(reactor_spawn(reactors.reactor[i % 2], "client", echo_ask, &client), 0);
    run_on(reactors.reactor[0], wait_for_group, &client.group);
    reactors_end(&reactors);
}

/* Files. */

static int pattern_file(void)
{
    char path[] = "/tmp/test_stream.XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && unlink(path) == 0);
    uint8_t *data = mem_alloc(LARGE_SIZE);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        data[i] = pattern_at(i);
    CHECK(write(fd, data, LARGE_SIZE) == (ssize_t)LARGE_SIZE);
    mem_free(data);
    return fd;
}

static void send_whole_file(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    int fd = pattern_file();
    pthread_t receiver;
    CHECK(pthread_create(&receiver, NULL, receive_pattern, &pair.peer) == 0);
    CHECK(stream_send_file(pair.stream, fd, 0, 1000, TIMEOUT_NEVER) == 0);
    CHECK(stream_send_file(pair.stream, fd, 1000, LARGE_SIZE - 1010, TIMEOUT_NEVER) == 0);
    CHECK(stream_send_file(pair.stream, fd, LARGE_SIZE - 10, 11, TIMEOUT_NEVER) == UV_EOF);
    close(fd);
    stream_close(pair.stream);
    void *received;
    pthread_join(receiver, &received);
    CHECK((size_t)received == LARGE_SIZE);
    close(pair.peer);
}

static void a_file_reaches_a_slow_peer_whole_and_a_short_one_says_so(void **state)
{
    (void)state;
    run_alone(send_whole_file, NULL);
}

static void send_file_to_stuck_peer(void *argument)
{
    (void)argument;
    struct pair pair = pair_open(&small_buffer);
    int size = 4096;
    CHECK(setsockopt(pair.peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    int fd = pattern_file();
    int rc = 0;
    for (unsigned i = 0; i < 20 && rc == 0; i++)
        rc = stream_send_file(pair.stream, fd, 0, LARGE_SIZE, 20);
    CHECK(rc == UV_ETIMEDOUT);
    close(fd);
    pair_close(&pair);
}

static void a_file_to_a_stuck_peer_times_out(void **state)
{
    (void)state;
    run_alone(send_file_to_stuck_peer, NULL);
}

/* Pitfall 2: the reader that is resumed in place closes the stream and ends, inside libuv's callback; bytes keep
 * coming, so libuv would go on reading if it could. */

static void read_and_vanish(void *argument)
{
    struct pair *pair = argument;
    struct bytes view;
    CHECK(stream_read(pair->stream, 1, TIMEOUT_NEVER, &view) == 0);
    stream_close(pair->stream);
    pair->stream = NULL;
}

static void vanish_main(void *argument)
{
    (void)argument;
    static char many[256 * 1024];
    for (unsigned i = 0; i < 20; i++) {
        struct pair pair = pair_open(&large_buffer);
        CHECK(task_spawn("reader", read_and_vanish, &pair) != NULL);
        task_yield(); /* it waits now */
        CHECK(send(pair.peer, many, sizeof many, MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
        while (pair.stream)
            CHECK(task_sleep_ms(1) == 0);
        close(pair.peer);
    }
}

static void a_reader_may_close_and_end_inside_the_read_callback(void **state)
{
    (void)state;
    run_alone(vanish_main, NULL);
}

/* Pitfall 3: close parks until libuv has let go, though the task is cancelled. */

struct parked_reader {
    atomic_bool parked;
    int rc;
};

static void read_until_canceled(void *argument)
{
    struct parked_reader *reader = argument;
    struct pair pair = pair_open(&small_buffer);
    struct bytes view;
    atomic_store(&reader->parked, true);
    reader->rc = stream_read(pair.stream, 1, TIMEOUT_NEVER, &view);
    pair_close(&pair);
}

static void a_canceled_reader_closes_its_stream(void **state)
{
    (void)state;
    struct parked_reader reader = {0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "reader", read_until_canceled, &reader), 0);
    WAIT_UNTIL(atomic_load(&reader.parked));
    reactors_end(&reactors);
    assert_int_equal(reader.rc, UV_ECANCELED);
}

/* The number of a closed stream is another thread's file next: ThreadSanitizer must see it closed between. */

static void open_and_close_pairs(void *argument)
{
    for (unsigned i = 0; i < 500; i++) { /* each port is taken for a minute */
        struct pair pair = pair_open(&small_buffer);
        struct bytes view;
        send_text(pair.peer, "x");
        CHECK(stream_read(pair.stream, 1, TIMEOUT_NEVER, &view) == 0);
        pair_close(&pair);
    }
    atomic_store_explicit((atomic_bool *)argument, true, memory_order_relaxed);
}

static void a_closed_streams_descriptor_is_anyones(void **state)
{
    (void)state;
    atomic_bool is_over = false;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "churn", open_and_close_pairs, &is_over), 0);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        DIR *folder = opendir("/");
        assert_non_null(folder);
        closedir(folder);
    }
    reactors_end(&reactors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_waits_for_what_it_needs),
        cmocka_unit_test(the_end_comes_after_what_was_sent),
        cmocka_unit_test(a_reset_is_the_reads_error),
        cmocka_unit_test(no_more_is_buffered_than_allowed),
        cmocka_unit_test(a_peer_that_goes_is_noticed),
        cmocka_unit_test(a_large_frame_grows_the_buffer_and_leaves_none_behind),
        cmocka_unit_test(a_view_stays_while_more_arrives),
        cmocka_unit_test(bites_of_any_size_come_in_order),
        cmocka_unit_test(many_pieces_reach_a_slow_peer_in_order),
        cmocka_unit_test(a_write_to_a_stuck_peer_times_out_and_gives_the_bytes_back),
        cmocka_unit_test(a_write_times_out_only_when_nothing_moves),
        cmocka_unit_test(a_cancel_ends_a_parked_write_safely),
        cmocka_unit_test(a_write_to_a_gone_peer_is_an_error_and_no_signal),
        cmocka_unit_test(echo_between_two_reactors),
        cmocka_unit_test(a_file_reaches_a_slow_peer_whole_and_a_short_one_says_so),
        cmocka_unit_test(a_file_to_a_stuck_peer_times_out),
        cmocka_unit_test(a_reader_may_close_and_end_inside_the_read_callback),
        cmocka_unit_test(a_canceled_reader_closes_its_stream),
        cmocka_unit_test(a_closed_streams_descriptor_is_anyones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
