/* target.c: -remote, or profiler.host and profiler.port of the configuration, as host:port. */
#include "cmd/profiler/target.h"

#include "base/error.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_PORT "6060"

/* Cuts these off the end, if they are there; the new length. */
static size_t without_suffix(const char *text, size_t length, const char *suffix)
{
    size_t size = strlen(suffix);
    return length > size && memcmp(text + length - size, suffix, size) == 0 ? length - size : length;
}

/* host, host:port, [v6], [v6]:port; with http:// in front and the index page's path behind, as a browser has it. */
static int take_remote(const char *remote, struct buf *address, struct buf *message)
{
    static const char scheme[] = "http://";
    const char *start = strncasecmp(remote, scheme, strlen(scheme)) == 0 ? remote + strlen(scheme) : remote;
    size_t length = without_suffix(start, strlen(start), "/");
    length = without_suffix(start, length, "/debug/pprof");
    const char *host_end = *start == '[' ? memchr(start, ']', length) : memchr(start, ':', length);
    if (host_end == NULL)
        host_end = start + length;
    else if (*start == '[')
        host_end++;
    const char *port = host_end < start + length ? host_end + 1 : DEFAULT_PORT;
    size_t port_length = host_end < start + length ? (size_t)(start + length - port) : strlen(port);

    bool bad_host = host_end == start || strcspn(start, " /?#@\\%") < (size_t)(host_end - start) ||
                    (*start == '[' && host_end[-1] != ']') || (host_end < start + length && *host_end != ':');
    bool bad_port = port_length == 0 || port_length > 5 || strspn(port, "0123456789") < port_length ||
                    strtol(port, NULL, 10) < 1 || strtol(port, NULL, 10) > 65535;
    if (bad_host || bad_port) {
        buf_printf(message, "-remote %s: not an address; write HOST:PORT, as in localhost:6060 or [::1]:6060", remote);
        return ERR_CONFIG;
    }
    buf_append(address, start, (size_t)(host_end - start));
    buf_append_byte(address, ':');
    buf_append(address, port, port_length);
    return 0;
}

static int take_configured(const struct config *config, struct buf *address, struct buf *message)
{
    const char *host = config->profiler.host;
    if (config->profiler.port == 0) {
        buf_append_string(message, "profiler.port is 0: takhin picks a free port and logs it; "
                                   "name it with -remote HOST:PORT");
        return ERR_CONFIG;
    }
    if (strcmp(host, "0.0.0.0") == 0 || *host == '\0')
        host = "127.0.0.1"; /* it listens everywhere, so here too */
    else if (strcmp(host, "::") == 0)
        host = "::1";
    buf_printf(address, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, config->profiler.port);
    return 0;
}

/* Into the errors or the warnings, one a line. */
static void take_report(const struct config_report *report, struct buf *warnings, struct buf *errors)
{
    for (const struct config_message *one = report->first; one != NULL; one = one->next) {
        struct buf *text = one->is_error ? errors : warnings;
        buf_printf(text, "%s%s", text->size > 0 ? "\n" : "", one->text);
    }
}

int profiler_address_find(const struct profiler_command *command, struct profiler_address *address,
                          struct buf *message)
{
    *address = (struct profiler_address){.is_off = false};
    buf_init(&address->text);
    buf_init(&address->warnings);
    if (command->remote != NULL)
        return take_remote(command->remote, &address->text, message);

    struct config config;
    struct config_report report;
    struct config_sources sources = {.file = command->config_file, .environment = (const char *const *)environ};
    int result = config_load(&sources, &config, &report);
    take_report(&report, &address->warnings, message);
    if (result == 0)
        result = take_configured(&config, &address->text, message);
    address->is_off = command->config_file != NULL && !config.profiler.enabled;
    config_report_free(&report);
    config_free(&config);
    return result;
}

void profiler_address_deinit(struct profiler_address *address)
{
    buf_deinit(&address->warnings);
    buf_deinit(&address->text);
}
