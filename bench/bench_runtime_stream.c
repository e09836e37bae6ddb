/* bench_runtime_stream.c: the same small server as tasks and as bare libuv callbacks, in interleaved rounds.
 *
 * A request is 4 bytes of length and a payload, which the server copies away; its answer is 12 bytes. Both servers
 * answer all whole requests of a read at once. A second run of the callback server shows the noise. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "median.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define ROUNDS 15
#define ROUND_MS 100
#define CONNECTIONS 16
#define HEADER_SIZE 4
#define ANSWER_SIZE 12
#define BUFFER_SIZE ((size_t)256 * 1024)
#define ANSWERS_MAX 4096 /* bytes sent at once; a load's depth fits */

/* What both servers do with what they have: copy payloads away, make answers. Returns the bytes that are used up. */
static size_t serve(struct bytes input, uint8_t *sink, uint8_t answers[ANSWERS_MAX], size_t *answers_size)
{
    size_t used = 0;
    *answers_size = 0;
    while (input.size - used >= HEADER_SIZE && *answers_size + ANSWER_SIZE <= ANSWERS_MAX) {
        uint32_t size;
        memcpy(&size, input.data + used, HEADER_SIZE);
        if (input.size - used < HEADER_SIZE + size)
            break;
        memcpy(sink, input.data + used + HEADER_SIZE, size);
        memset(answers + *answers_size, 7, ANSWER_SIZE);
        *answers_size += ANSWER_SIZE;
        used += HEADER_SIZE + size;
    }
    return used;
}

/* Tasks. */

static void task_serve(void *argument)
{
    int fd = *(int *)argument;
    mem_free(argument);
    struct stream *stream;
    struct bytes input;
    uint8_t *sink = mem_alloc(BUFFER_SIZE), answers[ANSWERS_MAX];
    size_t answers_size, need = HEADER_SIZE;
    ASSERT(stream_open(&stream, fd, &(struct stream_options){.buffer_max = BUFFER_SIZE}) == 0);
    while (stream_read(stream, need, TIMEOUT_NEVER, &input) == 0) {
        size_t used = serve(input, sink, answers, &answers_size);
        stream_consume(stream, used);
        struct bytes piece = bytes_of(answers, answers_size);
        if (used && stream_write(stream, &piece, 1, TIMEOUT_NEVER) != 0)
            break;
        uint32_t size = 0;
        struct bytes rest = stream_buffered(stream);
        if (rest.size >= HEADER_SIZE)
            memcpy(&size, rest.data, HEADER_SIZE);
        need = HEADER_SIZE + size;
    }
    stream_close(stream);
    mem_free(sink);
}

static void task_accept(void *argument)
{
    _Atomic uint16_t *port = argument;
    struct listener *listener;
    int fd;
    ASSERT(listener_open(&listener, "127.0.0.1", 0) == 0);
    atomic_store(port, listener_port(listener));
    while (listener_accept(listener, &fd) == 0) {
        int *copy = MEM_NEW(int);
        *copy = fd;
        ASSERT(task_spawn("serve", task_serve, copy) != NULL);
    }
    listener_close(listener);
}

/* Callbacks: what one writes by hand, with one read buffer a connection. */

struct connection {
    uv_tcp_t tcp;
    uint8_t *sink, *buffer;
    size_t start, end;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct connection *connection = (struct connection *)handle;
    size_t size = connection->end - connection->start;
    memmove(connection->buffer, connection->buffer + connection->start, size);
    connection->start = 0;
    connection->end = size;
    *buf = uv_buf_init((char *)connection->buffer + size, (unsigned)(64 * 1024));
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = (struct connection *)handle;
    mem_free(connection->sink);
    mem_free(connection->buffer);
    mem_free(connection);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct connection *connection = (struct connection *)handle;
    if (size < 0) {
        uv_close((uv_handle_t *)handle, on_closed);
        return;
    }
    connection->end += (size_t)size;
    uint8_t answers[ANSWERS_MAX];
    size_t answers_size;
    connection->start += serve(bytes_of(connection->buffer + connection->start, connection->end - connection->start),
                               connection->sink, answers, &answers_size);
    uv_buf_t piece = uv_buf_init((char *)answers, (unsigned)answers_size);
    /* The load reads its answers before it asks again: they always fit. */
    if (answers_size)
        ASSERT(uv_try_write(handle, &piece, 1) == (int)answers_size);
}

static void on_connection(uv_stream_t *server, int status)
{
    ASSERT(status == 0);
    struct connection *connection = MEM_NEW(struct connection);
    connection->sink = mem_alloc(BUFFER_SIZE);
    connection->buffer = mem_alloc(BUFFER_SIZE);
    uv_tcp_init(server->loop, &connection->tcp);
    ASSERT(uv_accept(server, (uv_stream_t *)&connection->tcp) == 0);
    uv_tcp_nodelay(&connection->tcp, 1);
    ASSERT(uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) == 0);
}

struct callback_server {
    pthread_t thread;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t stop;
    uint16_t port;
};

static void on_stop(uv_async_t *stop)
{
    struct callback_server *server = stop->data;
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_close((uv_handle_t *)stop, NULL);
}

static void *callback_main(void *argument)
{
    struct callback_server *server = argument;
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void callback_start(struct callback_server *server)
{
    struct sockaddr_in address;
    int size = sizeof address;
    uv_loop_init(&server->loop);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&server->loop, &server->listener);
    ASSERT(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0) == 0);
    ASSERT(uv_listen((uv_stream_t *)&server->listener, CONNECTIONS, on_connection) == 0);
    ASSERT(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
    server->stop.data = server;
    uv_async_init(&server->loop, &server->stop, on_stop);
    ASSERT(pthread_create(&server->thread, NULL, callback_main, server) == 0);
}

static void callback_stop(struct callback_server *server)
{
    uv_async_send(&server->stop);
    pthread_join(server->thread, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&server->loop) == 0);
}

/* The load: asks on all connections, then reads all answers. */

struct load {
    const char *what;
    uint32_t payload_size, depth;
};

static void connect_all(int fd[CONNECTIONS], uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT(connect(fd[i], (struct sockaddr *)&address, sizeof address) == 0);
    }
}

/* Requests a second. */
static double load_run(const struct load *load, const int fd[CONNECTIONS])
{
    size_t request_size = HEADER_SIZE + load->payload_size, size = request_size * load->depth;
    uint8_t *requests = mem_alloc(size), answers[ANSWERS_MAX];
    for (unsigned i = 0; i < load->depth; i++)
        memcpy(requests + i * request_size, &load->payload_size, HEADER_SIZE);
    uint64_t count = 0, start = clock_monotonic_ns(), elapsed;
    do {
        for (unsigned i = 0; i < CONNECTIONS; i++)
            ASSERT(send(fd[i], requests, size, MSG_NOSIGNAL) == (ssize_t)size);
        for (unsigned i = 0; i < CONNECTIONS; i++)
            ASSERT(recv(fd[i], answers, load->depth * ANSWER_SIZE, MSG_WAITALL) ==
                   (ssize_t)(load->depth * ANSWER_SIZE));
        count += (uint64_t)CONNECTIONS * load->depth;
        elapsed = clock_monotonic_ns() - start;
    } while (elapsed < ROUND_MS * NS_PER_MS);
    mem_free(requests);
    return (double)count * NS_PER_S / (double)elapsed;
}

enum arm { ARM_CALLBACKS, ARM_TASKS, ARM_CALLBACKS_AGAIN, ARM_COUNT };

static void compare(const struct load *load, int fd[ARM_COUNT][CONNECTIONS])
{
    double rate[ROUNDS], tasks[ROUNDS], control[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        double round[ARM_COUNT];
        for (unsigned j = 0; j < ARM_COUNT; j++) {
            unsigned arm = (i + j) % ARM_COUNT; /* no arm always comes first */
            round[arm] = load_run(load, fd[arm]);
        }
        rate[i] = round[ARM_CALLBACKS];
        tasks[i] = round[ARM_TASKS] / round[ARM_CALLBACKS];
        control[i] = round[ARM_CALLBACKS_AGAIN] / round[ARM_CALLBACKS];
    }
    printf("%-26s callbacks %9.0f requests/s   tasks x%.3f   callbacks again x%.3f\n", load->what,
           median(rate, ROUNDS), median(tasks, ROUNDS), median(control, ROUNDS));
}

int main(void)
{
    static const struct load loads[] = {
        {"64 B, 16 in flight", 64, 16},
        {"64 B, one at a time", 64, 1},
        {"16 KiB, 4 in flight", 16 * 1024, 4},
    };
    static struct callback_server server, again;
    static int fd[ARM_COUNT][CONNECTIONS];
    struct reactor *reactor;
    _Atomic uint16_t port = 0;
    callback_start(&server);
    callback_start(&again);
    ASSERT(reactor_start(&reactor, &(struct reactor_options){.name = "tasks"}) == 0);
    ASSERT(reactor_spawn(reactor, "accept", task_accept, &port) == 0);
    while (atomic_load(&port) == 0)
        usleep(100);
    connect_all(fd[ARM_CALLBACKS], server.port);
    connect_all(fd[ARM_TASKS], atomic_load(&port));
    connect_all(fd[ARM_CALLBACKS_AGAIN], again.port);

    for (unsigned i = 0; i < ARRAY_COUNT(loads); i++)
        compare(&loads[i], fd);

    for (unsigned i = 0; i < ARM_COUNT * CONNECTIONS; i++)
        close(fd[i / CONNECTIONS][i % CONNECTIONS]);
    reactor_stop(reactor);
    reactor_join(reactor);
    callback_stop(&server);
    callback_stop(&again);
    return 0;
}
