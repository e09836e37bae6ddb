/* environment.c: TAKHIN_ variables, and the ones of that name which Kubernetes makes. */
#include "config/loader.h"

#include <ctype.h>

#define PREFIX "TAKHIN_"
/* A variable's name in a message and in the search is cut after so many bytes. */
#define NAME_MAX_BYTES 120

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

/* "PORT_6060_TCP", "PROFILER_PORT_6060_TCP_ADDR": a port's number and its protocol, then perhaps more. */
static bool names_service_port(const char *name)
{
    static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
    for (const char *port = strstr(name, "PORT_"); port; port = strstr(port + 1, "PORT_")) {
        const char *digits = port + strlen("PORT_"), *end = digits;
        while (isdigit((unsigned char)*end))
            end++;
        for (size_t i = 0; end > digits && i < ARRAY_COUNT(protocols); i++)
            if (starts_with(end, protocols[i]))
                return true;
    }
    return false;
}

/* Kubernetes gives each pod of a namespace such variables for every Service in it, named after the Service: a Service
 * called takhin-profiler makes TAKHIN_PROFILER_PORT=tcp://10.0.0.7:6060 and six more. ("Accessing the Service:
 * environment variables" in its documentation.) `name` is without our prefix. */
static bool is_service_link(const char *name, const char *value)
{
    static const char *const schemes[] = {"tcp://", "udp://", "sctp://"};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++)
        if (starts_with(value, schemes[i]))
            return true;
    return has_suffix(name, "SERVICE_HOST") || strstr(name, "SERVICE_PORT") || names_service_port(name);
}

static void report_unknown(struct loader *loader, const char *variable, const char *path)
{
    const char *nearest = config_nearest_key(path);
    struct buf hint;
    buf_init(&hint);
    if (nearest) {
        buf_append_string(&hint, " (did you mean ");
        config_write_variable(&hint, nearest);
        buf_append_string(&hint, "?)");
    }
    loader_warning(loader, "%s: ignored: no such key%s", variable, buf_string(&hint));
    buf_deinit(&hint);
}

static void assign(struct loader *loader, const char *variable, const char *value)
{
    char path[NAME_MAX_BYTES] = "";
    for (size_t i = 0; i + 1 < sizeof path && variable[strlen(PREFIX) + i]; i++)
        path[i] = (char)tolower((unsigned char)variable[strlen(PREFIX) + i]);
    struct assignment assignment = {
        .source = CONFIG_ENVIRONMENT, .subject = variable, .where = variable, .path = path, .text = value};
    if (!loader_assign(loader, &assignment))
        report_unknown(loader, variable, path);
}

void loader_read_environment(struct loader *loader, const char *const *environment)
{
    char first_link[NAME_MAX_BYTES] = "";
    unsigned links = 0;
    for (; *environment && loader->report->errors < CONFIG_ERRORS_MAX; environment++) {
        const char *equals = strchr(*environment, '=');
        if (!equals || !starts_with(*environment, PREFIX))
            continue;
        char variable[NAME_MAX_BYTES] = "";
        for (size_t i = 0; i + 1 < sizeof variable && *environment + i < equals; i++)
            variable[i] = isprint((unsigned char)(*environment)[i]) ? (*environment)[i] : '?';
        if (!is_service_link(variable + strlen(PREFIX), equals + 1))
            assign(loader, variable, equals + 1);
        else if (links++ == 0)
            strcpy(first_link, variable);
    }
    if (links == 0)
        return;
    char *more = links > 1 ? mem_printf(" and %u more of its kind", links - 1) : mem_copy_string("");
    loader_warning(loader, "%s%s: ignored: a Kubernetes service link (enableServiceLinks: false in the pod's "
                   "specification stops them)", first_link, more);
    mem_free(more);
}
