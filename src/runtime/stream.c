/* stream.c: a uv_tcp_t whose reads are always armed, with one task that reads and one that writes.
 *
 * A stream holds a read buffer only while it holds bytes: libuv asks for memory when the socket is readable, and what
 * is consumed goes back to the reactor, whose next stream gets it while it is warm. */
#include "runtime/stream.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/trace.h"
#include "runtime/address.h"
#include "runtime/scheduler.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* Pieces handed to one writev. */
#define PIECES_MAX 64
/* A read into less than this is not worth its call: make room first. */
#define ROOM_MIN 4096
/* After so many bytes of a file that the socket takes without waiting, other tasks get a turn. */
#define SENDFILE_MAX ((size_t)1024 * 1024)

struct stream {
    uv_tcp_t tcp;
    struct reactor *reactor;
    struct task *reader, *writer, *closer; /* parked here; NULL: nobody */
    uint8_t *buffer;                       /* NULL while nothing is buffered */
    size_t capacity, start, end;           /* what is buffered: [start, end) */
    size_t buffer_max;
    size_t need;    /* what the reader waits for */
    int read_error; /* UV_EOF or the socket's error, once libuv has said so */
    bool reading;
    bool viewed; /* the reader has a view of the buffer: it may be appended to, but not moved */
    bool close_started, closed;
    char peer[ADDRESS_TEXT_SIZE];
};

static size_t buffered(const struct stream *stream)
{
    return stream->end - stream->start;
}

/* The read buffer. */

static void buffer_free(struct stream *stream)
{
    if (stream->capacity == BLOCK_SIZE_BYTES)
        reactor_block_release(stream->reactor, stream->buffer);
    else
        mem_free(stream->buffer);
    stream->buffer = NULL;
    stream->capacity = stream->start = stream->end = 0;
}

/* Move to a buffer of twice the size, so that memory follows what the peer has really sent. */
static void buffer_grow(struct stream *stream)
{
    size_t size = buffered(stream), capacity = stream->capacity * 2;
    uint8_t *larger = mem_realloc(NULL, capacity);
    memcpy(larger, stream->buffer + stream->start, size);
    buffer_free(stream);
    stream->buffer = larger;
    stream->capacity = capacity;
    stream->end = size;
}

static void buffer_make_room(struct stream *stream)
{
    if (!stream->buffer) {
        stream->buffer = reactor_block_acquire(stream->reactor);
        stream->capacity = BLOCK_SIZE_BYTES;
    }
    if (stream->viewed || stream->capacity - stream->end >= ROOM_MIN)
        return;
    /* Moving down is cheap while it is less than half, and enough unless the reader needs more than fits. */
    if (stream->start >= stream->capacity / 2) {
        memmove(stream->buffer, stream->buffer + stream->start, buffered(stream));
        stream->end -= stream->start;
        stream->start = 0;
    } else {
        buffer_grow(stream);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct stream *stream = CONTAINER_OF(handle, struct stream, tcp);
    reactor_callback_begins(stream->reactor); /* the poll is over, though libuv has still to read */
    buffer_make_room(stream);
    size_t room = stream->capacity - stream->end, allowed = stream->buffer_max - buffered(stream);
    *buf = uv_buf_init((char *)stream->buffer + stream->end, (unsigned)(room < allowed ? room : allowed));
}

static void read_stop(struct stream *stream)
{
    uv_read_stop((uv_stream_t *)&stream->tcp);
    stream->reading = false;
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct stream *stream = CONTAINER_OF(handle, struct stream, tcp);
    if (size > 0) {
        stream->end += (size_t)size;
        if (buffered(stream) >= stream->buffer_max)
            read_stop(stream);
    } else if (size == UV_ENOBUFS) {
        read_stop(stream); /* no room without moving a view: the next read makes some */
    } else if (size < 0) {
        stream->read_error = (int)size;
        read_stop(stream);
    }
    if (buffered(stream) == 0 && stream->buffer)
        buffer_free(stream);
    if (stream->reader && (stream->read_error != 0 || buffered(stream) >= stream->need))
        task_resume(stream->reader);
}

static int read_start(struct stream *stream)
{
    int rc = uv_read_start((uv_stream_t *)&stream->tcp, on_alloc, on_read);
    stream->reading = rc == 0;
    return rc;
}

/* Open and close. */

static struct stream *stream_new(const struct stream_options *options)
{
    ASSERT(options->buffer_max > 0);
    struct stream *stream = MEM_NEW(struct stream);
    stream->reactor = task_self()->reactor;
    stream->buffer_max = options->buffer_max;
    /* Without a family this only fills in the struct: it cannot fail. */
    int rc = uv_tcp_init(&stream->reactor->loop, &stream->tcp);
    ASSERT(rc == 0);
    return stream;
}

static int stream_set_up(struct stream *stream)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    int rc = uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&address, &size);
    if (rc != 0)
        return rc;
    address_format(&address, stream->peer);
    rc = uv_tcp_nodelay(&stream->tcp, 1);
    return rc != 0 ? rc : read_start(stream);
}

int stream_open(struct stream **out, int fd, const struct stream_options *options)
{
    struct stream *stream = stream_new(options);
    int rc = uv_tcp_open(&stream->tcp, fd);
    if (rc != 0)
        close(fd);
    else
        rc = stream_set_up(stream);
    if (rc != 0) {
        stream_close(stream);
        return rc;
    }
    *out = stream;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = CONTAINER_OF(handle, struct stream, tcp);
    stream->closed = true;
    if (stream->closer)
        task_resume(stream->closer);
}

/* libuv then ends what it still has to write or to connect with UV_ECANCELED. */
static void close_start(struct stream *stream)
{
    if (stream->close_started)
        return;
    stream->close_started = true;
    if (stream->read_error == 0)
        stream->read_error = UV_ECANCELED;
    uv_close((uv_handle_t *)&stream->tcp, on_closed);
    if (stream->reader)
        task_wake(stream->reader);
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    ASSERT(!stream->reader && !stream->writer);
    stream->closer = task_self();
    close_start(stream);
    while (!stream->closed)
        task_park_uncancelable(WAIT_CLOSE);
    if (stream->buffer)
        buffer_free(stream);
    mem_free(stream);
}

const char *stream_peer(const struct stream *stream)
{
    return stream->peer;
}

/* A request to libuv that lives on the stack of the task that waits for it. */
struct waiting_write {
    uv_write_t request;
    struct task *task;
    bool done;
    int status;
};

struct waiting_connect {
    uv_connect_t request;
    struct task *task;
    bool done;
    int status;
};

static void on_connected(uv_connect_t *request, int status)
{
    struct waiting_connect *waiting = CONTAINER_OF(request, struct waiting_connect, request);
    waiting->done = true;
    waiting->status = status;
    task_resume(waiting->task);
}

static int connect_to(struct stream *stream, const struct sockaddr_storage *address)
{
    struct waiting_connect waiting = {.task = task_self()};
    int rc = uv_tcp_connect(&waiting.request, &stream->tcp, (const struct sockaddr *)address, on_connected);
    if (rc != 0)
        return rc;
    while (!waiting.done && (rc = task_park(WAIT_WRITE, TIMEOUT_NEVER)) == 0)
        continue;
    if (!waiting.done)
        close_start(stream);
    while (!waiting.done)
        task_park_uncancelable(WAIT_WRITE);
    return rc != 0 ? rc : waiting.status;
}

int stream_connect(struct stream **out, const char *host, uint16_t port, const struct stream_options *options)
{
    struct sockaddr_storage addresses[ADDRESS_MAX];
    int count = address_resolve(host, port, addresses), rc = count;
    for (int i = 0; i < count; i++) {
        struct stream *stream = stream_new(options);
        rc = connect_to(stream, &addresses[i]);
        if (rc == 0)
            rc = stream_set_up(stream);
        if (rc == 0) {
            *out = stream;
            return 0;
        }
        stream_close(stream);
    }
    return rc;
}

/* Reading. */

struct bytes stream_buffered(const struct stream *stream)
{
    return bytes_of(stream->buffer ? stream->buffer + stream->start : NULL, buffered(stream));
}

void stream_consume(struct stream *stream, size_t size)
{
    ASSERT(size <= buffered(stream));
    stream->viewed = false;
    stream->start += size;
    if (stream->buffer && buffered(stream) == 0)
        buffer_free(stream);
}

/* Park until `need` bytes are there or none will come any more. */
static int wait_input(struct stream *stream, size_t need, uint64_t timeout_ms)
{
    ASSERT(!stream->reader);
    if (buffered(stream) >= need || stream->read_error != 0)
        return 0;
    uint64_t deadline = task_deadline(timeout_ms);
    int rc = stream->reading || buffered(stream) == stream->buffer_max ? 0 : read_start(stream);
    stream->need = need;
    stream->reader = task_self();
    while (rc == 0 && buffered(stream) < need && stream->read_error == 0)
        rc = task_park_until(WAIT_READ, deadline);
    stream->reader = NULL;
    return buffered(stream) >= need || stream->read_error != 0 ? 0 : rc;
}

int stream_read(struct stream *stream, size_t need, uint64_t timeout_ms, struct bytes *view)
{
    ASSERT(need >= 1);
    int rc = task_canceled() ? UV_ECANCELED : need > stream->buffer_max ? ERR_TOO_LARGE : 0;
    stream->viewed = false;
    if (rc == 0)
        rc = wait_input(stream, need, timeout_ms);
    *view = stream_buffered(stream);
    stream->viewed = true;
    if (rc != 0)
        return rc;
    return view->size >= need ? 0 : stream->read_error;
}

int stream_wait_closed(struct stream *stream, uint64_t timeout_ms)
{
    return task_canceled() ? UV_ECANCELED : wait_input(stream, SIZE_MAX, timeout_ms);
}

/* Writing. */

static void on_written(uv_write_t *request, int status)
{
    struct waiting_write *waiting = CONTAINER_OF(request, struct waiting_write, request);
    waiting->done = true;
    waiting->status = status;
    task_resume(waiting->task);
}

/* Let libuv write the rest and park meanwhile. The bytes are libuv's until its callback: giving up means closing. */
static int write_parked(struct stream *stream, const uv_buf_t *bufs, unsigned count, uint64_t timeout_ms)
{
    uv_stream_t *handle = (uv_stream_t *)&stream->tcp;
    struct waiting_write waiting = {.task = task_self()};
    int rc = uv_write(&waiting.request, handle, bufs, count, on_written);
    if (rc != 0)
        return rc;
    stream->writer = waiting.task;
    uint64_t deadline = task_deadline(timeout_ms);
    size_t unsent = uv_stream_get_write_queue_size(handle);
    while (!waiting.done && rc == 0) {
        rc = task_park_until(WAIT_WRITE, deadline);
        size_t unsent_now = uv_stream_get_write_queue_size(handle);
        if (rc == UV_ETIMEDOUT && unsent_now != unsent) {
            unsent = unsent_now;
            deadline = task_deadline(timeout_ms);
            rc = 0;
        }
    }
    if (!waiting.done)
        close_start(stream);
    while (!waiting.done)
        task_park_uncancelable(WAIT_WRITE);
    stream->writer = NULL;
    return rc != 0 ? rc : waiting.status;
}

/* Drop what has been sent from the front; returns the first piece that is left. */
static unsigned skip_sent(uv_buf_t *bufs, unsigned count, size_t sent)
{
    unsigned first = 0;
    while (first < count && sent >= bufs[first].len)
        sent -= bufs[first++].len;
    if (first < count) {
        bufs[first].base += sent;
        bufs[first].len -= sent;
    }
    return first;
}

static int write_some(struct stream *stream, uv_buf_t *bufs, unsigned count, uint64_t timeout_ms)
{
    uint64_t begun = trace_call_begin();
    int rc = uv_try_write((uv_stream_t *)&stream->tcp, bufs, count);
    trace_call_end("write", begun);
    if (rc < 0 && rc != UV_EAGAIN)
        return rc;
    unsigned first = skip_sent(bufs, count, rc > 0 ? (size_t)rc : 0);
    return first == count ? 0 : write_parked(stream, bufs + first, count - first, timeout_ms);
}

int stream_write(struct stream *stream, const struct bytes *pieces, unsigned count, uint64_t timeout_ms)
{
    ASSERT(!stream->writer);
    while (count > 0) {
        if (stream->close_started)
            return UV_ECANCELED;
        uv_buf_t bufs[PIECES_MAX];
        unsigned n = count < PIECES_MAX ? count : PIECES_MAX;
        for (unsigned i = 0; i < n; i++)
            bufs[i] = (uv_buf_t){.base = (char *)pieces[i].data, .len = pieces[i].size};
        int rc = write_some(stream, bufs, n, timeout_ms);
        if (rc != 0)
            return rc;
        pieces += n;
        count -= n;
    }
    return 0;
}

/* One block of the file through memory: libuv waits for the socket. Its size, UV_EOF or an error. */
static ssize_t send_block(struct stream *stream, int fd, off_t offset, size_t size, uint64_t timeout_ms)
{
    void *block = reactor_block_acquire(stream->reactor);
    uint64_t begun = trace_call_begin();
    ssize_t got = pread(fd, block, size < BLOCK_SIZE_BYTES ? size : BLOCK_SIZE_BYTES, offset);
    trace_call_end("pread", begun);
    if (got < 0) {
        got = errno == EINTR ? 0 : -errno;
    } else if (got == 0) {
        got = UV_EOF;
    } else {
        struct bytes piece = bytes_of(block, (size_t)got);
        int rc = stream_write(stream, &piece, 1, timeout_ms);
        if (rc != 0)
            got = rc;
    }
    reactor_block_release(stream->reactor, block);
    return got;
}

int stream_send_file(struct stream *stream, int fd, off_t offset, size_t size, uint64_t timeout_ms)
{
    ASSERT(!stream->writer);
    while (size > 0) {
        uv_os_fd_t socket;
        if (stream->close_started || uv_fileno((uv_handle_t *)&stream->tcp, &socket) != 0)
            return UV_ECANCELED;
        off_t position = offset;
        uint64_t begun = trace_call_begin();
        ssize_t sent = sendfile(socket, fd, &position, size < SENDFILE_MAX ? size : SENDFILE_MAX);
        trace_call_end("sendfile", begun);
        if (sent < 0 && errno == EAGAIN)
            sent = send_block(stream, fd, offset, size, timeout_ms);
        else if (sent < 0)
            sent = errno == EINTR ? 0 : -errno;
        else if (sent == 0)
            return UV_EOF;
        else if ((size_t)sent == SENDFILE_MAX)
            task_yield();
        if (sent < 0)
            return (int)sent;
        offset += sent;
        size -= (size_t)sent;
    }
    return 0;
}
