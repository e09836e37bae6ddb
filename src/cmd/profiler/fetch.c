/* fetch.c: one libcurl multi handle for all requests, so that waiting can draw progress and hear a Ctrl-C. */
#include "cmd/profiler/fetch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "cmd/profiler/fetch_explain.h"
#include "cmd/profiler/fetch_overview.h"
#include "cmd/profiler/progress.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_NS (5 * (int64_t)NS_PER_S)
#define ANSWER_TIMEOUT_NS (30 * (int64_t)NS_PER_S) /* for symbols, compression and the way here */
#define SIDE_TIMEOUT_NS (5 * (int64_t)NS_PER_S)
#define FINISH_TIMEOUT_NS (8 * (int64_t)NS_PER_S) /* after an interrupt, without a byte */
#define POLL_MS 100
#define SOCKETS_MAX 2

struct transfer {
    struct fetch *fetch;
    struct run *run;
    CURL *easy;      /* NULL: it has ended */
    bool has_status; /* what comes is HTTP */
    /* Open ones: a host with addresses of both kinds is tried at two at the same time, and the first one wins.
     * libcurl names the one that is in use only once the transfer is over. */
    curl_socket_t sockets[SOCKETS_MAX];
    struct fetch_ending ending;
    char detail[CURL_ERROR_SIZE];
};

struct run {
    const struct fetch_options *options;
    CURLM *multi;
    struct transfer *transfers;
    size_t count;
    struct progress progress;
    uint64_t start_ns;
    uint64_t give_up_ns; /* 0: nobody has interrupted */
    int64_t done_ns;     /* that options->done has taken, which counts against no answer's time */
};

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct buf *body = &transfer->fetch->body;
    size *= count;
    transfer->ending.is_too_large = size > transfer->fetch->body_limit - body->size;
    transfer->ending.is_not_http = !transfer->has_status;
    if (transfer->ending.is_too_large)
        return 0; /* ends the transfer with CURLE_WRITE_ERROR */
    buf_append(body, data, size);
    if (transfer->run->give_up_ns != 0)
        transfer->run->give_up_ns = clock_monotonic_ns() + FINISH_TIMEOUT_NS;
    if (!transfer->fetch->is_side_question)
        transfer->run->progress.received_bytes += size;
    return transfer->has_status ? size : 0;
}

/* NULL: the line is of another header. */
static const char *header_value(const char *line, size_t size, const char *name)
{
    size_t length = strlen(name);
    return size > length && strncasecmp(line, name, length) == 0 ? line + length : NULL;
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size *= count;
    const char *server = header_value(line, size, "Server:");
    if (header_value(line, size, "HTTP/") != NULL)
        transfer->has_status = true;
    else if (header_value(line, size, "X-Go-Pprof:") != NULL)
        transfer->ending.is_from_pprof = true;
    else if (server != NULL) {
        size_t length = 0;
        for (; server < line + size; server++)
            if (*server > ' ' && *server < 0x7f && length < sizeof transfer->fetch->server - 1)
                transfer->fetch->server[length++] = *server;
        transfer->fetch->server[length] = '\0';
    }
    return size;
}

static void replace_socket(struct transfer *transfer, curl_socket_t old, curl_socket_t new)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (transfer->sockets[i] == old) {
            transfer->sockets[i] = new;
            return;
        }
    }
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *transfer = context;
    curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        transfer->ending.connect_errno = errno;
    replace_socket(transfer, CURL_SOCKET_BAD, fd);
    return fd;
}

static int close_socket(void *context, curl_socket_t fd)
{
    replace_socket(context, fd, CURL_SOCKET_BAD);
    return close(fd);
}

/* --- beginning --- */

static int64_t shorter(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_times(struct transfer *transfer)
{
    struct fetch_ending *ending = &transfer->ending;
    int64_t asked_ns = transfer->run->options->timeout_ns;
    ending->timeout_ns = asked_ns > 0 ? asked_ns : ANSWER_TIMEOUT_NS;
    if (transfer->fetch->is_side_question)
        ending->timeout_ns = shorter(ending->timeout_ns, SIDE_TIMEOUT_NS);
    ending->connect_timeout_ns = shorter(ending->timeout_ns, CONNECT_TIMEOUT_NS);
    int64_t connect_ns = ending->connect_timeout_ns + transfer->run->done_ns;
    int64_t whole_ns = transfer->fetch->duration_ns + ending->timeout_ns + transfer->run->done_ns;
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ns / (int64_t)NS_PER_MS));
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)(whole_ns / (int64_t)NS_PER_MS));
}

static void set_target(CURL *easy, const struct target *target, const char *path)
{
    char *url = mem_printf("%s%s", target->url, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    mem_free(url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, target->unix_path);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    if (target->password != NULL) { /* else the user is in the URL */
        curl_easy_setopt(easy, CURLOPT_USERNAME, target->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, target->password);
    }
    const char *authorities = getenv("SSL_CERT_FILE"); /* as OpenSSL's own programs and Go's know it */
    if (authorities != NULL && *authorities != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
}

static void begin(struct run *run, struct transfer *transfer, struct fetch *fetch)
{
    CURL *easy = curl_easy_init();
    ASSERT(easy != NULL); /* only memory could fail */
    *transfer = (struct transfer){.fetch = fetch, .run = run, .easy = easy};
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        transfer->sockets[i] = CURL_SOCKET_BAD;
    set_times(transfer);
    set_target(easy, fetch->target, fetch->path);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* an answer a connection */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 1L); /* take_body sees what comes in place of HTTP */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* no wait for a resolver whose answer nobody wants any more */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "takhin-profiler/" TAKHIN_VERSION);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_multi_add_handle(run->multi, easy);
}

/* --- ending --- */

/* Reading, merging and writing what came may take seconds, in which nobody reads what others send. */
static void tell(struct run *run, struct fetch *fetch)
{
    uint64_t before_ns = clock_monotonic_ns();
    run->options->done(fetch);
    uint64_t taken_ns = clock_monotonic_ns() - before_ns;
    run->done_ns += (int64_t)taken_ns;
    if (run->give_up_ns != 0)
        run->give_up_ns += taken_ns;
    for (size_t i = 0; i < run->count; i++)
        if (run->transfers[i].easy != NULL)
            set_times(&run->transfers[i]);
}

static void end(struct transfer *transfer, int result)
{
    struct fetch *fetch = transfer->fetch;
    struct run *run = transfer->run;
    curl_multi_remove_handle(run->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    fetch->result = result;
    if (result != 0)
        buf_deinit(&fetch->body);
    if (!fetch->is_side_question)
        progress_step(&run->progress);
    if (run->options->done != NULL)
        tell(run, fetch);
}

static void end_well_or_not(struct transfer *transfer, CURLcode code)
{
    struct fetch_ending *ending = &transfer->ending;
    long connect_errno = 0;
    curl_off_t connected_us = 0, taken_us = 0;
    char *location = NULL, *peer = NULL;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &ending->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &connect_errno);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &taken_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &peer);
    curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &location);
    ending->code = code;
    ending->detail = transfer->detail;
    if (connect_errno != 0)
        ending->connect_errno = (int)connect_errno;
    ending->is_connected = connected_us > 0;
    ending->is_reached = peer != NULL && *peer != '\0';
    ending->location = location;
    ending->taken_ns = taken_us * (int64_t)NS_PER_US;
    bool is_well = code == CURLE_OK && ending->status == 200;
    transfer->fetch->is_cut_short = is_well && ending->is_cut;
    end(transfer, is_well ? 0 : fetch_explain(transfer->fetch, ending));
}

static void end_those_done(struct run *run)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(run->multi, &left)) != NULL) {
        struct transfer *transfer;
        CURLcode code = message->data.result; /* the message goes with its handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        end_well_or_not(transfer, code);
    }
}

/* --- an interrupt --- */

static bool is_asked(const struct transfer *transfer)
{
    long request_size = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_size);
    return request_size > 0;
}

/* Its sending side. */
static bool shut(struct transfer *transfer)
{
    bool is_shut = false;
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (transfer->sockets[i] != CURL_SOCKET_BAD && shutdown(transfer->sockets[i], SHUT_WR) == 0)
            is_shut = true;
    return is_shut;
}

/* End early what is being collected. */
static void cut(struct transfer *transfer)
{
    struct fetch *fetch = transfer->fetch;
    int64_t elapsed_ns = (int64_t)(clock_monotonic_ns() - transfer->run->start_ns);
    if (!is_asked(transfer))
        end(transfer, fetch_explain_interrupt(fetch, FETCH_NOT_BEGUN));
    else if (fetch->is_side_question || elapsed_ns >= fetch->duration_ns)
        return; /* it answers by itself */
    else if (target_is_tls(fetch->target))
        end(transfer, fetch_explain_interrupt(fetch, FETCH_OVER_TLS));
    else if (!shut(transfer))
        end(transfer, fetch_explain_interrupt(fetch, FETCH_NO_ANSWER));
    else
        transfer->ending.is_cut = true;
}

static void hear_interrupts(struct run *run)
{
    sig_atomic_t count = run->options->interrupt_count != NULL ? *run->options->interrupt_count : 0;
    if (count == 0)
        return;
    bool is_first = run->give_up_ns == 0;
    if (is_first)
        run->give_up_ns = clock_monotonic_ns() + FINISH_TIMEOUT_NS;
    run->progress.is_finishing = true;
    bool is_over = count > 1 || clock_monotonic_ns() >= run->give_up_ns;
    for (size_t i = 0; i < run->count; i++) {
        struct transfer *transfer = &run->transfers[i];
        if (transfer->easy != NULL && is_over)
            end(transfer, fetch_explain_interrupt(transfer->fetch, FETCH_NO_ANSWER));
        else if (transfer->easy != NULL && is_first)
            cut(transfer);
    }
}

/* --- all --- */

static bool is_running(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->transfers[i].easy != NULL)
            return true;
    return false;
}

static void run_until_all_ended(struct run *run)
{
    while (is_running(run)) {
        int running;
        curl_multi_perform(run->multi, &running);
        end_those_done(run);
        hear_interrupts(run);
        progress_draw(&run->progress);
        if (is_running(run))
            curl_multi_poll(run->multi, NULL, 0, POLL_MS, NULL);
    }
}

void fetch_all(struct fetch *fetches, size_t count, const struct fetch_options *options)
{
    int code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ASSERT(code == 0); /* only memory could fail */
    struct fetch_overview overview;
    fetch_overview_init(&overview, fetches, count);
    struct run run = {.options = options, .multi = curl_multi_init(), .count = count,
                      .start_ns = clock_monotonic_ns(),
                      .transfers = mem_alloc_array(count, sizeof(struct transfer))};
    ASSERT(run.multi != NULL);
    progress_start(&run.progress, options->quiet || overview.count == 0, buf_string(&overview.subject),
                   overview.longest_ns, overview.count);
    for (size_t i = 0; i < count; i++)
        begin(&run, &run.transfers[i], &fetches[i]);
    run_until_all_ended(&run);
    progress_end(&run.progress);
    curl_multi_cleanup(run.multi);
    mem_free(run.transfers);
    fetch_overview_deinit(&overview);
    curl_global_cleanup();
}

void fetch_deinit(struct fetch *fetch)
{
    buf_deinit(&fetch->problem);
    buf_deinit(&fetch->body);
}
