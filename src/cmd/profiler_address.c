/* profiler_address.c: -remote, or profiler.host and profiler.port of the configuration, as host:port. */
#include "cmd/profiler_address.h"

#include "base/error.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PORT "6060"

/* host, host:port, [v6], [v6]:port; with http:// in front and a slash behind, as copied from a browser. */
static int take_remote(const char *remote, struct buf *address, struct buf *message)
{
    static const char scheme[] = "http://";
    const char *start = strncmp(remote, scheme, strlen(scheme)) == 0 ? remote + strlen(scheme) : remote;
    size_t length = strlen(start);
    if (length > 0 && start[length - 1] == '/')
        length--;
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

int profiler_address_find(const struct profiler_command *command, struct buf *address, struct buf *message)
{
    if (command->remote != NULL)
        return take_remote(command->remote, address, message);

    struct config config;
    struct config_report report;
    struct config_sources sources = {.file = command->config_file, .environment = (const char *const *)environ};
    int result = config_load(&sources, &config, &report);
    for (const struct config_message *one = report.first; result != 0 && one != NULL; one = one->next) {
        if (one->is_error)
            buf_printf(message, "%s%s", message->size > 0 ? "\n" : "", one->text);
    }
    if (result == 0)
        result = take_configured(&config, address, message);
    config_report_free(&report);
    config_free(&config);
    return result;
}
