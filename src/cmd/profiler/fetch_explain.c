/* fetch_explain.c: libcurl's codes and HTTP's statuses as sentences. */
#include "cmd/profiler/fetch_explain.h"

#include "base/error.h"
#include "base/units.h"

#include <errno.h>
#include <string.h>

/* What fails several requests for the same reason says so in the same words: their caller says it once. */

#define PLAIN_PORT "If that is a plain port, write http:// in place of https://."

/* The first line of what the server sent, with nothing a terminal would act on. Returns how much of it that was. */
static size_t write_line(struct bytes bytes, size_t max, struct buf *text)
{
    size_t i = 0;
    for (; i < bytes.size && i < max && bytes.data[i] != '\n' && bytes.data[i] != '\r'; i++)
        buf_append_byte(text, bytes.data[i] >= 0x20 && bytes.data[i] < 0x7f ? bytes.data[i] : '?');
    return i;
}

void fetch_describe(struct bytes body, struct buf *text)
{
    buf_append_byte(text, '"');
    size_t length = write_line(body, 72, text);
    buf_append_string(text, length < body.size ? "\"..." : "\"");
}

/* --- no connection --- */

static void explain_silence(struct fetch *fetch)
{
    struct buf *problem = &fetch->problem;
    buf_printf(problem, "nothing listens at %s.\n", fetch->target->name);
    if (fetch->off_in != NULL)
        buf_printf(problem,
                   "%s leaves the profiler off. Set profiler.enabled: true in it and send takhin a SIGHUP\n"
                   "(kill -HUP PID), or start takhin with TAKHIN_PROFILER_ENABLED=true.\n",
                   fetch->off_in);
    else
        buf_append_string(problem,
                          "The profiler is off by default. Start takhin with TAKHIN_PROFILER_ENABLED=true, or set\n"
                          "profiler.enabled: true in its takhin.yaml and send it a SIGHUP (kill -HUP PID).\n");
    buf_append_string(problem, "If takhin runs elsewhere, name it with -remote HOST:PORT.");
}

static int explain_no_connection(struct fetch *fetch, int code)
{
    const char *name = fetch->target->name;
    bool is_socket = fetch->target->unix_path != NULL;
    struct buf *problem = &fetch->problem;
    if (is_socket && code == 0) /* EAGAIN, which libcurl takes for a connection that is under way: unix(7) */
        buf_printf(problem, "%s takes no more connections at the moment. Ask again, or for one type at a time.", name);
    else if (is_socket && code == ECONNREFUSED)
        buf_printf(problem, "nothing listens at %s: what made that socket is gone. Start it again.", name);
    else if (is_socket && code == ENOENT)
        buf_printf(problem, "%s: there is no such socket. Check the path, and whether what makes it runs.", name);
    else if (is_socket && code == EACCES)
        buf_printf(problem, "%s: permission denied. Run this as a user who may write to that socket.", name);
    else if (code == ECONNREFUSED)
        explain_silence(fetch);
    else
        buf_printf(problem, "cannot connect to %s: %s. Check -remote, and the network in between.", name,
                   code != 0 ? strerror(code) : "the connection failed");
    return ERR_NOT_FOUND;
}

static int explain_timeout(struct fetch *fetch, const struct fetch_ending *ending)
{
    char time[64];
    if (!ending->is_connected) {
        units_format_duration(ending->connect_timeout_ns, time, sizeof time);
        if (ending->is_reached && target_is_tls(fetch->target)) {
            buf_printf(&fetch->problem, "no TLS with %s within %s. " PLAIN_PORT, fetch->target->name, time);
            return ERR_UNSUPPORTED;
        }
        buf_printf(&fetch->problem, "no connection to %s within %s. Check host and port, and firewalls in between.",
                   fetch->target->name, time);
        return ERR_NOT_FOUND;
    }
    units_format_duration(ending->timeout_ns, time, sizeof time);
    buf_printf(&fetch->problem, "%s did not answer in time: it is %s late. Is it a takhin, and does it run? "
               "-timeout gives it longer.", fetch->target->name, time);
    return ERR_CLOSED;
}

/* --- no HTTP --- */

static int explain_tls(struct fetch *fetch, const struct fetch_ending *ending)
{
    struct buf *problem = &fetch->problem;
    const char *name = fetch->target->name;
    if (ending->code == CURLE_SSL_CACERT_BADFILE)
        buf_printf(problem, "the file that SSL_CERT_FILE names cannot be read as certificates (%s).", ending->detail);
    else if (ending->code == CURLE_PEER_FAILED_VERIFICATION)
        buf_printf(problem,
                   "the certificate of %s is not trusted (%s).\nThe host in -remote must be one that it names. If an "
                   "authority of your own has signed it, put\nSSL_CERT_FILE=FILE with that one's certificate in front "
                   "of takhin-profiler.", name, ending->detail);
    else
        buf_printf(problem, "no TLS with %s (%s). " PLAIN_PORT, name, ending->detail);
    return ERR_UNSUPPORTED;
}

static int explain_not_http(struct fetch *fetch, struct bytes body)
{
    /* A TLS record that is an alert, of any version: RFC 8446, section 5.1. */
    static const uint8_t alert[] = {21, 3};
    struct buf *problem = &fetch->problem;
    if (body.size >= sizeof alert && memcmp(body.data, alert, sizeof alert) == 0) {
        buf_printf(problem, "%s speaks TLS: write -remote https://%s", fetch->target->name, fetch->target->name);
        return ERR_UNSUPPORTED;
    }
    buf_printf(problem, "%s is not the debug port of a takhin: its answer is not HTTP", fetch->target->name);
    if (body.size > 0) {
        buf_append_string(problem, ", ");
        fetch_describe(body, problem);
    }
    buf_append_string(problem, ". Check the port.");
    return ERR_MALFORMED;
}

/* What speaks TLS may hang up on whoever does not, without a word; not once it has collected for half of the time. */
static void suggest_tls(struct fetch *fetch, const struct fetch_ending *ending)
{
    bool is_plain = !target_is_tls(fetch->target) && fetch->target->unix_path == NULL;
    bool is_soon = fetch->duration_ns == 0 || ending->taken_ns < fetch->duration_ns / 2;
    if (is_plain && is_soon && ending->status == 0)
        buf_printf(&fetch->problem, "\nIf it speaks TLS, write -remote https://%s", fetch->target->name);
}

static int explain_code(struct fetch *fetch, const struct fetch_ending *ending)
{
    struct buf *problem = &fetch->problem;
    const char *name = fetch->target->name;
    switch (ending->code) {
    case CURLE_COULDNT_CONNECT:
        return explain_no_connection(fetch, ending->connect_errno);
    case CURLE_COULDNT_RESOLVE_HOST:
        buf_printf(problem, "%s: no such host. Check -remote.", name);
        return ERR_NOT_FOUND;
    case CURLE_OPERATION_TIMEDOUT:
        return explain_timeout(fetch, ending);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
        return explain_tls(fetch, ending);
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        buf_printf(problem, "the connection to %s broke before the %s was complete. Did takhin stop? "
                   "Look into its log.", name, fetch->noun);
        suggest_tls(fetch, ending);
        return ERR_TRUNCATED;
    case CURLE_GOT_NOTHING:
        buf_printf(problem, "%s closed the connection without an answer. Did takhin stop? Look into its log. If it "
                   "did not,\nthat is another port than the debug port.", name);
        suggest_tls(fetch, ending);
        return ERR_MALFORMED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_OUT_OF_MEMORY: /* as libcurl calls a line among the headers that has no end */
        return explain_not_http(fetch, bytes_of(NULL, 0));
    default:
        buf_printf(problem, "%s: %s", name,
                   *ending->detail != '\0' ? ending->detail : curl_easy_strerror(ending->code));
        return ERR_IO;
    }
}

/* --- HTTP, but no profile --- */

static int explain_login(struct fetch *fetch, long status)
{
    struct buf *problem = &fetch->problem;
    const struct target *target = fetch->target;
    if (target->password != NULL) {
        buf_printf(problem, "%s refuses the user and password in -remote (HTTP %ld). Check them; in a URL, what is no "
                   "letter or digit\nin them is written as %%40 for @, %%3A for :, %%2F for /, %%2C for a comma.",
                   target->name, status);
    } else if (target->unix_path != NULL) {
        buf_printf(problem, "%s wants a user and a password (HTTP %ld). Put them into ~/.netrc, for the machine "
                   "localhost; if they are there, they were refused.", target->name, status);
    } else {
        buf_printf(problem, "%s wants a user and a password (HTTP %ld). Give them with "
                   "-remote %s://USER:PASSWORD@%s\nor in ~/.netrc; if they are there, they were refused.", target->name,
                   status, target_is_tls(fetch->target) ? "https" : "http", target->name);
    }
    return ERR_UNSUPPORTED;
}

static int explain_redirect(struct fetch *fetch, long status, const char *location)
{
    struct bytes where = bytes_of_string(location);
    size_t path_size = strlen(fetch->path);
    bool is_same_path = where.size > path_size && strcmp(location + where.size - path_size, fetch->path) == 0;
    struct buf *problem = &fetch->problem;
    buf_printf(problem, "%s sends on to ", fetch->target->name);
    write_line(where, 300, problem);
    buf_printf(problem, " (HTTP %ld), and redirects are not followed.\n", status);
    if (is_same_path) {
        buf_append_string(problem, "Name that with -remote ");
        write_line(bytes_of(location, where.size - path_size), 300, problem);
    } else {
        buf_append_string(problem, "Name the debug port itself with -remote.");
    }
    return ERR_NOT_FOUND;
}

static int explain_refusal(struct fetch *fetch, long status, struct bytes body)
{
    static const char program[] = "takhin/";
    struct buf *problem = &fetch->problem;
    if (status == 404 && strncmp(fetch->server, program, strlen(program)) == 0) {
        buf_printf(problem, "takhin %s at %s has no such %s (HTTP 404); this is takhin-profiler %s.\n"
                   "Update that takhin, or ask it for another type.", fetch->server + strlen(program),
                   fetch->target->name, fetch->noun, TAKHIN_VERSION);
        return ERR_UNSUPPORTED;
    }
    buf_printf(problem, "%s refused (HTTP %ld): ", fetch->target->name, status);
    write_line(body, 1000, problem);
    if (fetch->hint != NULL)
        buf_printf(problem, "\n%s", fetch->hint);
    else if (status == 404)
        buf_append_string(problem, ". Ask it for another type.");
    return ERR_UNSUPPORTED;
}

static int explain_stranger(struct fetch *fetch, long status, struct bytes body)
{
    struct buf *problem = &fetch->problem;
    const char *name = fetch->target->name;
    bool names_tls = body.size > 0 && memmem(body.data, body.size, "HTTPS", strlen("HTTPS")) != NULL;
    if (status == 400 && names_tls && !target_is_tls(fetch->target)) {
        buf_printf(problem, "%s speaks TLS: write -remote https://%s", name, name);
        return ERR_UNSUPPORTED;
    }
    if (status >= 502 && status <= 504) {
        buf_printf(problem, "%s could not reach the debug port behind it (HTTP %ld). Does that takhin run, with "
                   "TAKHIN_PROFILER_ENABLED=true?", name, status);
        return ERR_NOT_FOUND;
    }
    buf_printf(problem, "%s is not the debug port of a takhin: ", name);
    if (status == 404)
        buf_printf(problem, "it has no %.*s (HTTP 404)", (int)strcspn(fetch->path, "?"), fetch->path);
    else
        buf_printf(problem, "it answers HTTP %ld", status);
    if (body.size > 0) {
        buf_append_string(problem, ", ");
        fetch_describe(body, problem);
    }
    buf_append_string(problem, "\nCheck host and port: profiler.port in takhin.yaml is 6060 unless changed, "
                               "and is none of 9090 (metrics), 9091 (health) and 9092 (Kafka).");
    return ERR_NOT_FOUND;
}

static int explain_status(struct fetch *fetch, const struct fetch_ending *ending)
{
    struct bytes body = buf_bytes(&fetch->body);
    if (ending->status == 401 || (ending->status == 403 && !ending->is_from_pprof))
        return explain_login(fetch, ending->status);
    if (ending->location != NULL)
        return explain_redirect(fetch, ending->status, ending->location);
    return ending->is_from_pprof ? explain_refusal(fetch, ending->status, body)
                                 : explain_stranger(fetch, ending->status, body);
}

int fetch_explain(struct fetch *fetch, const struct fetch_ending *ending)
{
    if (ending->is_too_large) {
        buf_printf(&fetch->problem, "%s sends more than %zu MiB: not a %s.", fetch->target->name,
                   fetch->body_limit >> 20, fetch->noun);
        return ERR_TOO_LARGE;
    }
    if (ending->is_cut)
        return fetch_explain_interrupt(fetch, FETCH_NO_ANSWER);
    if (ending->is_not_http)
        return explain_not_http(fetch, buf_bytes(&fetch->body));
    return ending->code != CURLE_OK ? explain_code(fetch, ending) : explain_status(fetch, ending);
}

int fetch_explain_interrupt(struct fetch *fetch, enum fetch_interrupt how)
{
    static const char *const reasons[] = {
        [FETCH_NOT_BEGUN] = "was not asked yet",
        [FETCH_OVER_TLS] = "cannot be asked over TLS for what it has so far",
        [FETCH_NO_ANSWER] = "did not give what it had by then",
    };
    buf_printf(&fetch->problem, "interrupted, and %s %s.", fetch->target->name, reasons[how]);
    return ERR_CLOSED;
}
