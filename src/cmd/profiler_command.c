/* profiler_command.c: reads the command line of takhin-profiler by a table of flags. */
#include "cmd/profiler_command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"

#include <string.h>

#define DEFAULT_DURATION_NS (30 * (int64_t)NS_PER_S)
/* A server that is asked for more refuses or shortens it anyway. */
#define MAX_DURATION_NS (24 * 3600 * (int64_t)NS_PER_S)

static const struct profile_type types[] = {
    {"cpu", "/debug/pprof/profile", "cpu.prof"},
};

static int take_type(struct profiler_command *command, const char *value, struct buf *message)
{
    buf_append_string(message, "-type ");
    buf_append_string(message, value);
    buf_append_string(message, ": this version collects ");
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strcmp(types[i].name, value) == 0) {
            command->type = &types[i];
            buf_clear(message);
            return 0;
        }
        buf_printf(message, "%s%s", i > 0 ? ", " : "", types[i].name);
    }
    buf_append_string(message, " profiles only");
    return ERR_CONFIG;
}

static int take_duration(struct profiler_command *command, const char *value, struct buf *message)
{
    if (units_parse_duration(value, &command->duration_ns) != 0) {
        buf_printf(message, "-duration %s: not a duration; write 30s, 500ms or 1m30s", value);
        return ERR_CONFIG;
    }
    if (command->duration_ns < (int64_t)NS_PER_MS || command->duration_ns > MAX_DURATION_NS) {
        buf_printf(message, "-duration %s: must be from 1ms to 24h", value);
        return ERR_CONFIG;
    }
    return 0;
}

static int take_output(struct profiler_command *command, const char *value, struct buf *message)
{
    (void)message;
    command->output = value;
    return 0;
}

static int take_remote(struct profiler_command *command, const char *value, struct buf *message)
{
    (void)message;
    command->remote = value;
    return 0;
}

static int take_config(struct profiler_command *command, const char *value, struct buf *message)
{
    (void)message;
    command->config_file = value;
    return 0;
}

static void set_analyze(struct profiler_command *command)
{
    command->analyze = true;
}

static void set_flamegraph(struct profiler_command *command)
{
    command->flamegraph = true;
}

static void set_quiet(struct profiler_command *command)
{
    command->quiet = true;
}

static void set_version(struct profiler_command *command)
{
    command->action = PROFILER_PRINT_VERSION;
}

static void set_help(struct profiler_command *command)
{
    command->action = PROFILER_PRINT_HELP;
}

/* A flag takes a value or switches something on: one of the two functions is there. */
struct flag {
    const char *name;
    const char *value; /* what it is called in the help */
    int (*take)(struct profiler_command *command, const char *value, struct buf *message);
    void (*set)(struct profiler_command *command);
    const char *meaning; /* NULL: another name of the flag above */
};

static const struct flag flags[] = {
    {"type", "TYPE", take_type, NULL, "what to collect: cpu, the default, is all that this version offers"},
    {"duration", "DURATION", take_duration, NULL, "how long to collect: 30s, the default, or 500ms, 1m30s, ..."},
    {"output", "FILE", take_output, NULL, "the file to write; default cpu.prof in the current folder"},
    {"remote", "HOST:PORT", take_remote, NULL, "the debug port of a takhin on any machine; default as under ADDRESS"},
    {"config", "FILE", take_config, NULL, "take the address from profiler.host and profiler.port of this takhin.yaml"},
    {"analyze", NULL, NULL, set_analyze, "then print the 20 functions that used most, as go tool pprof -top does"},
    {"flamegraph", NULL, NULL, set_flamegraph, "then print the command that shows the flame graph, and its page"},
    {"quiet", NULL, NULL, set_quiet, "no progress and no report: only errors, and what -analyze and -flamegraph print"},
    {"version", NULL, NULL, set_version, "print the version, and end"},
    {"help", NULL, NULL, set_help, "print this, and end (also -h)"},
    {"h", NULL, NULL, set_help, NULL},
};

/* The flag that an argument names, and what stands behind its "=" (NULL: no "="). NULL: no such flag. */
static const struct flag *find_flag(const char *argument, const char **value)
{
    if (*argument != '-')
        return NULL;
    argument += argument[1] == '-' ? 2 : 1;
    size_t length = strcspn(argument, "=");
    *value = argument[length] != '\0' ? argument + length + 1 : NULL;
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        if (strlen(flags[i].name) == length && memcmp(argument, flags[i].name, length) == 0)
            return &flags[i];
    }
    return NULL;
}

static int take_flag(char **argv, int *at, struct profiler_command *command, struct buf *message)
{
    const char *value = NULL;
    const struct flag *flag = find_flag(argv[*at], &value);
    if (flag == NULL) {
        buf_printf(message, argv[*at][0] == '-' ? "%s: no such flag" : "%s: only flags may stand here", argv[*at]);
        return ERR_CONFIG;
    }
    if (flag->set != NULL) {
        if (value != NULL) {
            buf_printf(message, "-%s takes no value", flag->name);
            return ERR_CONFIG;
        }
        flag->set(command);
        return 0;
    }
    if (value == NULL && argv[*at + 1] != NULL)
        value = argv[++*at];
    if (value == NULL || *value == '\0') {
        buf_printf(message, "-%s needs a value: -%s %s", flag->name, flag->name, flag->value);
        return ERR_CONFIG;
    }
    return flag->take(command, value, message);
}

int profiler_command_parse(int argc, char **argv, struct profiler_command *command, struct buf *message)
{
    *command = (struct profiler_command){.type = &types[0], .duration_ns = DEFAULT_DURATION_NS};
    for (int i = 1; i < argc; i++) {
        int result = take_flag(argv, &i, command, message);
        if (result != 0)
            return result;
    }
    if (command->output == NULL)
        command->output = command->type->default_output;
    return 0;
}

static void write_usage(struct buf *text)
{
    buf_append_string(text, "usage: takhin-profiler [flags]\n\n");
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        const struct flag *flag = &flags[i];
        if (flag->meaning != NULL)
            buf_printf(text, "  -%s%s%s\n        %s\n", flag->name, flag->value ? " " : "",
                       flag->value ? flag->value : "", flag->meaning);
    }
}

void profiler_command_write_help(struct buf *text)
{
    buf_append_string(text, "takhin-profiler: collects a profile from a running takhin and shows what it says.\n\n");
    write_usage(text);
    buf_append_string(
        text,
        "\nFlags have one dash or two; a value follows behind a space or \"=\".\n"
        "\nADDRESS\n"
        "  -remote names it; its port may be left out if it is 6060, and an IPv6 address stands in brackets:\n"
        "  [::1]:6060. Without -remote it is that of this machine's takhin: profiler.host and profiler.port of\n"
        "  the -config file, overridden by TAKHIN_PROFILER_HOST and TAKHIN_PROFILER_PORT, else 127.0.0.1:6060.\n"
        "  There a host of 0.0.0.0 or :: (takhin listens everywhere) means this machine.\n"
        "  Connections are direct: no proxy, no TLS.\n"
        "\nTHE PROFILER OF TAKHIN IS OFF BY DEFAULT\n"
        "  Start takhin with TAKHIN_PROFILER_ENABLED=true, or set this in its takhin.yaml and send it a SIGHUP:\n"
        "      profiler:\n"
        "        enabled: true\n"
        "\nFILES\n"
        "  The profile appears under its name only when it is complete and readable. While it is collected it is\n"
        "  called FILE.partial-XXXXXX; an error, Ctrl-C or a full disk leaves nothing behind. It is a gzipped\n"
        "  protocol buffer (profile.proto), which go tool pprof, speedscope, Pyroscope and Parca read.\n"
        "\nEXIT STATUS\n"
        "  0 the profile was written; 1 it was not; 2 the command line or the configuration is wrong.\n"
        "\nEXAMPLES\n"
        "  takhin-profiler -type cpu -duration 30s -remote localhost:6060 -analyze\n"
        "  takhin-profiler -config configs/takhin.yaml -output /tmp/before.prof\n"
        "  go tool pprof -top cpu.prof\n"
        "  go tool pprof -http=:8080 cpu.prof\n");
}
