/* connection.c: reads frames, has each served, and writes the responses.
 *
 * Requests of a connection are served one after the other, as Kafka's own broker does: so responses are in order, and
 * a client has at most its unread frames and one response in our memory. Responses to pipelined requests gather until
 * no whole frame is left to read, and leave with one write. */
#include "broker/connection.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/label.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "broker/context.h"
#include "broker/dispatch.h"
#include "broker/request.h"
#include "kafka/api.h"
#include "kafka/error.h"
#include "kafka/messages.h"
#include "metrics/metrics.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "storage/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define FRAME_SIZE_BYTES 4u
/* Gathered responses leave at the latest when there is so much of them. */
#define GATHERED_BYTES_MAX (64u * 1024)
/* A peer that takes nothing for so long is gone. */
#define WRITE_TIMEOUT_MS 30000

struct connection {
    struct broker_context *context;
    struct stream *stream;
    int fd; /* until the stream owns it */
    struct wire_writer responses; /* encoded, not yet written */
    struct arena arena;           /* of the request that is being served */
    char local_host[INET6_ADDRSTRLEN];
    char client_id[LABEL_TEXT_MAX]; /* of the last request, to know when the label changes */
    size_t client_id_size;
    struct label_name *client_label; /* of that client id */
};

/* The address that the client came to: right for it to come back to, whatever lies between. */
static void find_local_host(struct connection *connection)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t size = sizeof address;
    const void *host = &address.v4.sin_addr;
    int family = AF_INET;

    if (getsockname(connection->fd, &address.any, &size) < 0)
        return;
    if (address.any.sa_family == AF_INET6) {
        host = &address.v6.sin6_addr;
        family = AF_INET6;
        if (IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr)) {
            host = &address.v6.sin6_addr.s6_addr[12];
            family = AF_INET;
        }
    }
    inet_ntop(family, host, connection->local_host, sizeof connection->local_host);
}

static int write_responses(struct connection *connection)
{
    struct wire_writer *responses = &connection->responses;
    size_t written = 0;
    int rc = responses->error;

    for (size_t i = 0; rc == 0 && i < responses->hole_count; i++) {
        const struct wire_hole *hole = &responses->holes[i];
        const struct storage_slice *slice = hole->source;
        struct bytes before = bytes_of(responses->bytes.data + written, hole->position - written);
        rc = stream_write(connection->stream, &before, 1, WRITE_TIMEOUT_MS);
        if (rc == 0)
            rc = stream_send_file(connection->stream, slice->fd, slice->position, hole->size, WRITE_TIMEOUT_MS);
        written = hole->position;
    }
    if (rc == 0 && written < responses->bytes.size) {
        struct bytes rest = bytes_of(responses->bytes.data + written, responses->bytes.size - written);
        rc = stream_write(connection->stream, &rest, 1, WRITE_TIMEOUT_MS);
    }
    metric_counter_add(connection->context->bytes_out, responses->bytes.size + responses->hole_bytes);
    if (responses->bytes.capacity > GATHERED_BYTES_MAX)
        buf_deinit(&responses->bytes);
    wire_writer_clear(responses);
    return rc;
}

/* The size of the frame at the front, once its four bytes are there. */
static int32_t frame_size(struct bytes buffered)
{
    return (int32_t)((uint32_t)buffered.data[0] << 24 | (uint32_t)buffered.data[1] << 16 |
                     (uint32_t)buffered.data[2] << 8 | buffered.data[3]);
}

/* Behind the frame that is being served, which is still there: the response has views of it. */
static bool next_frame_is_buffered(const struct connection *connection, size_t frame_bytes)
{
    struct bytes buffered = stream_buffered(connection->stream);
    buffered = bytes_of(buffered.data + FRAME_SIZE_BYTES + frame_bytes, buffered.size - FRAME_SIZE_BYTES - frame_bytes);
    return buffered.size >= FRAME_SIZE_BYTES && frame_size(buffered) >= 0 &&
           buffered.size - FRAME_SIZE_BYTES >= (size_t)frame_size(buffered);
}

/* A view of the next frame behind its size. */
static int read_frame(struct connection *connection, struct bytes *frame)
{
    const struct broker_options *options = &connection->context->options;
    uint64_t idle_ms = (uint64_t)options->connection_idle_ms;
    struct bytes buffered;

    int rc = stream_read(connection->stream, FRAME_SIZE_BYTES, idle_ms, &buffered);
    if (rc < 0)
        return rc == UV_EOF && buffered.size > 0 ? ERR_TRUNCATED : rc;
    int32_t size = frame_size(buffered);
    if (size <= 0 || size > options->max_request_bytes)
        return ERR_TOO_LARGE;
    rc = stream_read(connection->stream, FRAME_SIZE_BYTES + (size_t)size, idle_ms, &buffered);
    if (rc < 0)
        return rc == UV_EOF ? ERR_TRUNCATED : rc;
    *frame = bytes_of(buffered.data + FRAME_SIZE_BYTES, (size_t)size);
    return 0;
}

/* Finding a name takes a lock, so it is done only when the client calls itself something else than before. Returns the
 * label. */
static const char *label_client(struct connection *connection, struct bytes client_id)
{
    if (client_id.size > sizeof connection->client_id)
        client_id.size = sizeof connection->client_id;
    if (!bytes_equal(client_id, bytes_of(connection->client_id, connection->client_id_size))) {
        if (client_id.size)
            memcpy(connection->client_id, client_id.data, client_id.size);
        connection->client_id_size = client_id.size;
        connection->client_label = label_name_find(LABEL_CLIENT_ID, client_id);
    }
    const char *label = label_name_use(connection->client_label);
    task_label(LABEL_CLIENT_ID, label);
    return label;
}

/* It is decoded first. What follows is for its handler to say, then it is "respond". */
static void trace_begin(const struct api *api, const struct request_header *header, const char *client, size_t size)
{
    if (!trace_is_on())
        return;
    trace_request_begin(api->name, label_key_is_on(LABEL_CLIENT_ID) ? client : NULL, header->correlation_id,
                        (uint32_t)size);
    trace_region_begin("decode");
}

/* A version of ApiVersions that we do not know is answered in version 0, with the versions that we do (KIP-511). */
static int refuse_api_versions(struct connection *connection, const struct api *api, int32_t correlation_id)
{
    trace_region_next("respond");
    struct api_versions_response *response = CODEC_NEW(&connection->arena, api_versions_response, 1);
    api_list_versions(&connection->arena, response);
    response->error_code = KAFKA_UNSUPPORTED_VERSION;
    return api_encode_response(api, 0, correlation_id, response, &connection->responses);
}

static int serve_message(struct connection *connection, const struct dispatch_row *row,
                         const struct request_header *header, struct bytes frame, struct bytes body,
                         struct request *request)
{
    const struct broker_options *options = &connection->context->options;
    void *message;
    int rc = api_decode_request(row->api, header->api_version, body, &connection->arena, &message);
    if (rc < 0)
        return rc;

    request->context = connection->context;
    request->stream = connection->stream;
    request->arena = &connection->arena;
    request->version = header->api_version;
    request->in = message;
    request->out = codec_new(&connection->arena, row->api->response, 1);
    request->advertised_host = options->advertised_host[0] ? options->advertised_host : connection->local_host;
    request->advertised_port = options->advertised_port ? options->advertised_port : connection->context->port;
    row->handle(request);

    if (request->no_response) {
        trace_region_end();
        return 0;
    }
    trace_region_next("respond");
    rc = api_encode_response(row->api, header->api_version, header->correlation_id, request->out,
                             &connection->responses);
    bool more_to_come = connection->responses.hole_count == 0 && next_frame_is_buffered(connection, frame.size) &&
                        connection->responses.bytes.size < GATHERED_BYTES_MAX;
    return rc < 0 || more_to_come ? rc : write_responses(connection);
}

static int serve_frame(struct connection *connection, struct bytes frame)
{
    uint64_t start_ns = clock_monotonic_ns();
    struct request_header header;
    const struct api *api;
    struct bytes body;

    int rc = api_decode_header(frame, &header, &api, &body);
    if (rc < 0)
        return rc;
    trace_begin(api, &header, label_client(connection, header.client_id), frame.size);
    if (api->key == API_API_VERSIONS && !api_has_version(api, header.api_version)) {
        rc = refuse_api_versions(connection, api, header.correlation_id);
        stream_consume(connection->stream, FRAME_SIZE_BYTES + frame.size);
        rc = rc < 0 ? rc : write_responses(connection);
        trace_request_end(api->name, clock_monotonic_ns() - start_ns);
        arena_reset(&connection->arena);
        return rc;
    }

    const struct dispatch_row *row = dispatch_find(connection->context->dispatch, api);
    struct request request = {0};
    task_label(LABEL_API, row->label);
    rc = serve_message(connection, row, &header, frame, body, &request);
    uint64_t total_ns = clock_monotonic_ns() - start_ns;
    trace_request_end(api->name, total_ns - request.waited_ns);
    request_finish(&request);
    task_label(LABEL_API, NULL);
    if (rc == 0 && request.close)
        rc = ERR_CLOSED;

    metric_histogram_observe(row->latency, total_ns);
    metric_histogram_observe(row->processing, total_ns - request.waited_ns);
    metric_counter_add(connection->context->bytes_in, FRAME_SIZE_BYTES + frame.size);
    arena_reset(&connection->arena);
    stream_consume(connection->stream, FRAME_SIZE_BYTES + frame.size);
    return rc;
}

/* Errors that say something about the client's bytes, not about the network or our own end. */
static bool is_client_fault(int code)
{
    return code == ERR_MALFORMED || code == ERR_TRUNCATED || code == ERR_TOO_LARGE || code == ERR_UNSUPPORTED;
}

static void serve(void *argument)
{
    struct connection *connection = argument;
    struct broker_context *context = connection->context;
    struct stream_options options = {.buffer_max = FRAME_SIZE_BYTES + (size_t)context->options.max_request_bytes};
    struct bytes frame;

    find_local_host(connection);
    int rc = stream_open(&connection->stream, connection->fd, &options);
    if (rc == 0) {
        log_debug("connection opened peer=%s", stream_peer(connection->stream));
        while ((rc = read_frame(connection, &frame)) == 0 && (rc = serve_frame(connection, frame)) == 0) {
        }
        if (is_client_fault(rc))
            log_warning("connection closed peer=%s client_id=%.*s reason=\"%s\"", stream_peer(connection->stream),
                        (int)connection->client_id_size, connection->client_id, error_text(rc));
        else
            log_debug("connection closed peer=%s reason=\"%s\"", stream_peer(connection->stream), error_text(rc));
        stream_close(connection->stream);
    }
    atomic_fetch_sub(&context->connection_count, 1);
    wire_writer_deinit(&connection->responses);
    arena_deinit(&connection->arena);
    mem_free(connection);
}

int connection_spawn(struct reactor *reactor, struct broker_context *context, int fd)
{
    struct connection *connection = MEM_NEW(struct connection);
    connection->context = context;
    connection->fd = fd;
    wire_writer_init(&connection->responses);
    arena_init(&connection->arena);
    int rc = reactor_spawn(reactor, "kafka connection", serve, connection);
    if (rc < 0) {
        close(fd);
        atomic_fetch_sub(&context->connection_count, 1);
        mem_free(connection);
    }
    return rc;
}
