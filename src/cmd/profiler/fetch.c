/* fetch.c: libcurl's multi interface, so that waiting can draw progress and hear a Ctrl-C. */
#include "cmd/profiler/fetch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "cmd/profiler/progress.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <strings.h>

#define CONNECT_TIMEOUT_S 5L
#define ANSWER_GRACE_NS (30 * (int64_t)NS_PER_S) /* for symbols, compression and the way here */
#define POLL_MS 100

struct transfer {
    const struct fetch *fetch;
    CURL *easy;
    struct buf *body;
    bool too_large;
    bool from_pprof; /* the header that Go's and our debug ports put on their error texts */
};

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    if (size * count > transfer->fetch->body_limit - transfer->body->size) {
        transfer->too_large = true;
        return 0; /* ends the transfer with CURLE_WRITE_ERROR */
    }
    buf_append(transfer->body, data, size * count);
    return size * count;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    static const char name[] = "X-Go-Pprof:";
    struct transfer *transfer = context;
    if (size * count > strlen(name) && strncasecmp(data, name, strlen(name)) == 0)
        transfer->from_pprof = true;
    return size * count;
}

void fetch_describe(struct bytes body, struct buf *text)
{
    size_t length = 0;
    while (length < body.size && length < 72 && body.data[length] != '\n' && body.data[length] != '\r')
        length++;
    buf_append_byte(text, '"');
    for (size_t i = 0; i < length; i++)
        buf_append_byte(text, body.data[i] >= 0x20 && body.data[i] < 0x7f ? body.data[i] : '?');
    buf_append_string(text, length < body.size ? "\"..." : "\"");
}

static int explain_status(struct transfer *transfer, long status, struct buf *message)
{
    const char *address = transfer->fetch->address;
    struct bytes body = buf_bytes(transfer->body);
    if (transfer->from_pprof) {
        buf_printf(message, "%s refused (HTTP %ld): ", address, status);
        for (size_t i = 0; i < body.size && i < 1000 && body.data[i] != '\n'; i++)
            buf_append_byte(message, body.data[i] >= 0x20 ? body.data[i] : '?');
        if (transfer->fetch->hint != NULL)
            buf_printf(message, "\n%s", transfer->fetch->hint);
        return ERR_UNSUPPORTED;
    }
    buf_printf(message, "%s is not the debug port of a takhin: HTTP %ld to %s", address, status,
               transfer->fetch->target);
    if (body.size > 0) {
        buf_append_string(message, ", ");
        fetch_describe(body, message);
    }
    buf_append_string(message, "\nCheck host and port: profiler.port in takhin.yaml is 6060 unless changed, "
                               "and is none of 9090 (metrics), 9091 (health) and 9092 (Kafka).");
    return ERR_NOT_FOUND;
}

static void explain_silence(const struct fetch *fetch, struct buf *message)
{
    buf_printf(message, "nothing listens at %s.\n", fetch->address);
    if (fetch->off_in != NULL)
        buf_printf(message,
                   "%s leaves the profiler off. Set profiler.enabled: true in it and send takhin a SIGHUP\n"
                   "(kill -HUP PID), or start takhin with TAKHIN_PROFILER_ENABLED=true.\n",
                   fetch->off_in);
    else
        buf_append_string(message,
                          "The profiler is off by default. Start takhin with TAKHIN_PROFILER_ENABLED=true, or set\n"
                          "profiler.enabled: true in its takhin.yaml and send it a SIGHUP (kill -HUP PID).\n");
    buf_append_string(message, "If takhin runs elsewhere, name it with -remote HOST:PORT.");
}

static int explain_failure(const struct transfer *transfer, CURLcode code, struct buf *message)
{
    const char *address = transfer->fetch->address;
    char timeout[64];
    curl_off_t connected_us = 0;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        explain_silence(transfer->fetch, message);
        return ERR_NOT_FOUND;
    case CURLE_COULDNT_RESOLVE_HOST:
        buf_printf(message, "%s: no such host. Check -remote.", address);
        return ERR_NOT_FOUND;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
        if (connected_us == 0) {
            buf_printf(message, "no connection to %s within %ld s. Check host and port, and firewalls in between.",
                       address, CONNECT_TIMEOUT_S);
            return ERR_NOT_FOUND;
        }
        units_format_duration(transfer->fetch->duration_ns + ANSWER_GRACE_NS, timeout, sizeof(timeout));
        buf_printf(message, "%s did not answer in time (%s). Is it a takhin, and does it run?", address, timeout);
        return ERR_CLOSED;
    case CURLE_WRITE_ERROR:
        if (transfer->too_large) {
            buf_printf(message, "%s sends more than %zu MiB: not a %s.", address,
                       transfer->fetch->body_limit >> 20, transfer->fetch->noun);
            return ERR_TOO_LARGE;
        }
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
        buf_printf(message, "the connection to %s broke before the %s was complete. Did takhin stop?", address,
                   transfer->fetch->noun);
        return ERR_TRUNCATED;
    case CURLE_GOT_NOTHING:
    case CURLE_UNSUPPORTED_PROTOCOL: /* also the first bytes of an answer that is not HTTP */
    case CURLE_WEIRD_SERVER_REPLY:
        buf_printf(message, "%s is not the debug port of a takhin: its answer is not HTTP. Check the port.", address);
        return ERR_MALFORMED;
    default:
        break;
    }
    buf_printf(message, "%s: %s", address, curl_easy_strerror(code));
    return ERR_IO;
}

/* Until the answer is here, the connection failed, or the user gave up. */
static int run(struct transfer *transfer, CURLM *multi, struct buf *message)
{
    const struct fetch *fetch = transfer->fetch;
    struct progress progress;
    progress_start(&progress, fetch->quiet, fetch->title, fetch->address, fetch->duration_ns);
    int running = 1;
    while (running > 0 && !*fetch->interrupted) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        progress_draw(&progress);
        if (running > 0)
            curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    progress_end(&progress);
    if (*fetch->interrupted) {
        buf_append_string(message, "interrupted: nothing was written.");
        return ERR_CLOSED;
    }

    int left;
    CURLMsg *done = curl_multi_info_read(multi, &left);
    CURLcode code = done != NULL ? done->data.result : CURLE_FAILED_INIT;
    if (code != CURLE_OK)
        return explain_failure(transfer, code, message);
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 ? 0 : explain_status(transfer, status, message);
}

int fetch_profile(const struct fetch *fetch, struct buf *body, struct buf *message)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        buf_append_string(message, "libcurl does not start");
        return ERR_UNSUPPORTED;
    }
    struct buf url;
    buf_init(&url);
    buf_printf(&url, "http://%s%s", fetch->address, fetch->target);

    CURL *easy = curl_easy_init();
    CURLM *multi = curl_multi_init();
    ASSERT(easy != NULL && multi != NULL); /* only memory could fail */
    struct transfer transfer = {.fetch = fetch, .easy = easy, .body = body};
    curl_easy_setopt(easy, CURLOPT_URL, buf_string(&url));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "takhin-profiler/" TAKHIN_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)((fetch->duration_ns + ANSWER_GRACE_NS) / (int64_t)NS_PER_MS));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_multi_add_handle(multi, easy);

    int result = run(&transfer, multi, message);

    curl_multi_remove_handle(multi, easy);
    curl_multi_cleanup(multi);
    curl_easy_cleanup(easy);
    buf_deinit(&url);
    curl_global_cleanup();
    return result;
}
