/* command.c: reads the command line of takhin-profiler by a table of flags. */
#include "cmd/profiler/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "cmd/profiler/content.h"
#include "profiler/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_NS (30 * (int64_t)NS_PER_S)
#define TRACE_WINDOW_NS (5 * (int64_t)NS_PER_S) /* a busy takhin writes megabytes in that */
/* A server that is asked for more refuses or shortens it anyway. */
#define MAX_DURATION_NS (24 * 3600 * (int64_t)NS_PER_S)

/* Every wait and every delay, of a type whose rate the guide to Go's tools calls "sample rate". */
#define DEFAULT_SAMPLE_RATE 1

#define PROFILE(name) name, name " profile", &profiler_content_profile

static const struct collectible types[] = {
    {PROFILE("cpu"), "/debug/pprof/profile", "cpu.prof", TIME_WINDOW, WINDOW_NS, true, RATE_NONE, 0,
     "where CPU time goes", "takhin used no CPU in that time. Put load on it while you collect."},
    {PROFILE("heap"), "/debug/pprof/heap", "heap.prof", TIME_SNAPSHOT, WINDOW_NS, false, RATE_MEMORY,
     PROFILER_MEM_RATE_MAX, "who holds memory now, and who allocated how much",
     "Is profiler.mem_rate 0, or the profiler on since just now?"},
    {PROFILE("allocs"), "/debug/pprof/allocs", "allocs.prof", TIME_SNAPSHOT, WINDOW_NS, false, RATE_MEMORY,
     PROFILER_MEM_RATE_MAX, "the same, shown by what was allocated in all",
     "Is profiler.mem_rate 0, or the profiler on since just now?"},
    {PROFILE("goroutine"), "/debug/pprof/goroutine", "goroutine.prof", TIME_SNAPSHOT, WINDOW_NS, false, RATE_NONE, 0,
     "the stacks of all tasks and threads", NULL},
    {PROFILE("block"), "/debug/pprof/block", "block.prof", TIME_WINDOW, WINDOW_NS, false, RATE_SAMPLES,
     PROFILER_BLOCK_RATE_MAX, "where tasks wait, and for how long",
     "No task waited in that time. Put load on takhin while you collect."},
    {PROFILE("mutex"), "/debug/pprof/mutex", "mutex.prof", TIME_WINDOW, WINDOW_NS, false, RATE_SAMPLES,
     PROFILER_MUTEX_FRACTION_MAX, "which holders of locks make others wait",
     "Nobody waited for a lock in that time. Put load on takhin while you collect."},
    {PROFILE("threadcreate"), "/debug/pprof/threadcreate", "threadcreate.prof", TIME_SNAPSHOT, WINDOW_NS, false,
     RATE_NONE, 0, "what started threads", NULL},
    {PROFILE("fgprof"), "/debug/fgprof", "fgprof.prof", TIME_WINDOW, WINDOW_NS, true, RATE_NONE, 0,
     "where the time of tasks goes, running and waiting", NULL},
    {PROFILE("goroutineleak"), "/debug/pprof/goroutineleak", "goroutineleak.prof", TIME_AGE, WINDOW_NS, false,
     RATE_NONE, 0, "tasks that have been parked for long", "No task has been parked for so long."},
    {"trace", "trace", &profiler_content_trace, "/debug/pprof/trace", "trace.out", TIME_WINDOW, TRACE_WINDOW_NS, true,
     RATE_NONE, 0, "what every task, reactor and request did, and when",
     "No request ended in that time. Put load on takhin while you collect, or collect for longer."},
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
    buf_append_string(message, " only");
    return ERR_CONFIG;
}

static int read_time(const char *flag, const char *value, int64_t *time_ns, struct buf *message)
{
    if (units_parse_duration(value, time_ns) != 0) {
        buf_printf(message, "-%s %s: not a duration; write 30s, 500ms or 1m30s", flag, value);
        return ERR_CONFIG;
    }
    if (*time_ns < (int64_t)NS_PER_MS || *time_ns > MAX_DURATION_NS) {
        buf_printf(message, "-%s %s: must be from 1ms to 24h", flag, value);
        return ERR_CONFIG;
    }
    return 0;
}

static int take_duration(struct profiler_command *command, const char *value, struct buf *message)
{
    return read_time("duration", value, &command->duration_ns, message);
}

static int take_last(struct profiler_command *command, const char *value, struct buf *message)
{
    return read_time("last", value, &command->last_ns, message);
}

/* A whole number; what it means, and how large it may be, is the type's business. */
static int take_rate(const char *flag, const char *value, int64_t *rate, struct buf *message)
{
    char *end;
    *rate = strtoll(value, &end, 10);
    if (*value >= '0' && *value <= '9' && *end == '\0')
        return 0;
    buf_printf(message, "-%s %s: must be a whole number", flag, value);
    return ERR_CONFIG;
}

static int take_sample_rate(struct profiler_command *command, const char *value, struct buf *message)
{
    command->sample_rate_is_named = true;
    return take_rate("sample-rate", value, &command->sample_rate, message);
}

static int take_mem_rate(struct profiler_command *command, const char *value, struct buf *message)
{
    command->mem_rate_is_named = true;
    return take_rate("mem-rate", value, &command->mem_rate, message);
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
    {"type", "TYPE", take_type, NULL, "what to collect, see TYPES; default cpu"},
    {"duration", "DURATION", take_duration, NULL,
     "how long to collect: 30s, 500ms, 1m30s, ...; default 30s, of a trace 5s"},
    {"last", "DURATION", take_last, NULL,
     "trace: what takhin did in the last 10s, or so, before now: its flight recorder has that"},
    {"sample-rate", "N", take_sample_rate, NULL,
     "block: one sample for N ns of waiting; mutex: one in N delays; default 1, which is all; 0: as configured"},
    {"mem-rate", "N", take_mem_rate, NULL,
     "heap and allocs: one sample for N bytes, while it collects for -duration; default 0: as configured"},
    {"output", "FILE", take_output, NULL, "the file to write; default TYPE.prof or trace.out in the current folder"},
    {"remote", "HOST:PORT", take_remote, NULL, "the debug port of a takhin on any machine; default as under ADDRESS"},
    {"config", "FILE", take_config, NULL, "take the address from profiler.host and profiler.port of this takhin.yaml"},
    {"analyze", NULL, NULL, set_analyze,
     "then print the 20 functions that used most, as go tool pprof -top does; of a trace, where requests' time went"},
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
        if (strcmp(argv[*at], "analyze") == 0)
            buf_append_string(message, "; to analyze files, name nothing else: takhin-profiler analyze FILE...");
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

static int64_t rate_of(const struct profiler_command *command)
{
    switch (command->type->rate) {
    case RATE_SAMPLES: return command->sample_rate;
    case RATE_MEMORY: return command->mem_rate;
    case RATE_NONE: break;
    }
    return 0;
}

/* What one flag cannot know of another. */
static int check_together(const struct profiler_command *command, struct buf *message)
{
    const struct collectible *type = command->type;
    if (command->sample_rate_is_named && type->rate != RATE_SAMPLES)
        buf_printf(message, "-sample-rate is for block and mutex, not for %s", type->name);
    else if (command->mem_rate_is_named && type->rate != RATE_MEMORY)
        buf_printf(message, "-mem-rate is for heap and allocs, not for %s", type->name);
    else if (rate_of(command) > type->rate_max)
        buf_printf(message, "-%s: must be from 0 to %" PRId64 " for %s",
                   type->rate == RATE_MEMORY ? "mem-rate" : "sample-rate", type->rate_max, type->name);
    else if (command->last_ns > 0 && type->content != &profiler_content_trace)
        buf_printf(message, "-last is for trace, not for %s: only that is kept before anybody asks", type->name);
    else if (command->last_ns > 0 && command->duration_ns > 0)
        buf_append_string(message, "-last is of the time before now, and -duration of that from now on: name one");
    else if (command->flamegraph && type->content == &profiler_content_trace)
        buf_append_string(message, "-flamegraph is for profiles; a trace says when things happened: go tool trace "
                                   "shows it. For a flame graph of where time goes, take -type fgprof");
    else if (!type->has_fractions && command->duration_ns % (int64_t)NS_PER_S != 0)
        buf_printf(message, "-duration: must be whole seconds for %s", type->name);
    return message->size == 0 ? 0 : ERR_CONFIG;
}

/* "analyze FILE..." */
static int take_files(int argc, char **argv, struct profiler_command *command, struct buf *message)
{
    const char *first = argc > 2 ? argv[2] : "";
    command->action = PROFILER_ANALYZE_FILES;
    command->files = (const char *const *)&argv[2];
    command->file_count = argc - 2;
    if (strcmp(first, "-h") == 0 || strcmp(first, "-help") == 0 || strcmp(first, "--help") == 0)
        command->action = PROFILER_PRINT_HELP;
    else if (argc == 2)
        buf_append_string(message, "analyze needs the name of a file: takhin-profiler analyze trace.out");
    else if (*first == '-')
        buf_printf(message, "%s: analyze takes files, and no flags", first);
    return message->size == 0 ? 0 : ERR_CONFIG;
}

int profiler_command_parse(int argc, char **argv, struct profiler_command *command, struct buf *message)
{
    *command = (struct profiler_command){.type = &types[0], .sample_rate = DEFAULT_SAMPLE_RATE};
    if (argc > 1 && strcmp(argv[1], "analyze") == 0)
        return take_files(argc, argv, command, message);
    for (int i = 1; i < argc; i++) {
        int result = take_flag(argv, &i, command, message);
        if (result != 0)
            return result;
    }
    if (command->output == NULL)
        command->output = command->type->default_output;
    return check_together(command, message);
}

int64_t profiler_command_window_ns(const struct profiler_command *command)
{
    bool is_snapshot = command->duration_ns == 0 && rate_of(command) == 0;
    if (command->last_ns > 0)
        return 0;
    if (command->type->time == TIME_AGE || (command->type->time == TIME_SNAPSHOT && is_snapshot))
        return 0;
    return command->duration_ns > 0 ? command->duration_ns : command->type->window_ns;
}

/* "30", or "0.5". */
static void write_seconds(struct buf *text, int64_t duration_ns)
{
    int64_t whole = duration_ns / (int64_t)NS_PER_S, rest = duration_ns % (int64_t)NS_PER_S;
    buf_printf(text, "%" PRId64, whole);
    if (rest == 0)
        return;
    buf_printf(text, ".%09" PRId64, rest);
    while (text->data[text->size - 1] == '0')
        text->size--;
}

void profiler_command_write_target(const struct profiler_command *command, struct buf *target)
{
    const char *separator = "?";
    int64_t seconds_ns = command->type->time == TIME_AGE ? command->duration_ns : profiler_command_window_ns(command);
    buf_append_string(target, command->type->path);
    if (seconds_ns > 0) {
        buf_append_string(target, "?seconds=");
        write_seconds(target, seconds_ns);
        separator = "&";
    }
    if (command->last_ns > 0) {
        buf_append_string(target, "?last=");
        write_seconds(target, command->last_ns);
        buf_append_byte(target, 's');
    }
    if (rate_of(command) > 0)
        buf_printf(target, "%srate=%" PRId64, separator, rate_of(command));
}

const char *profiler_command_hint(const struct profiler_command *command)
{
    return command->last_ns == 0 ? NULL
                                 : "If its flight recorder is off, set profiler.trace_buffer: 16MiB in its takhin.yaml "
                                   "and send it a SIGHUP\n(kill -HUP PID); or trace what comes now, with -duration 5s "
                                   "in place of -last.";
}

static void write_usage(struct buf *text)
{
    buf_append_string(text, "usage: takhin-profiler [flags]\n"
                            "       takhin-profiler analyze FILE...\n\n"
                            "The second form collects nothing: it prints what files from before say, as -analyze\n"
                            "does: profiles, and traces in the format that takhin sends unless another is asked for.\n"
                            "\n");
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
        "\nTYPES\n");
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        buf_printf(text, "  %-14s%s\n", types[i].name, types[i].meaning);
    buf_append_string(
        text,
        "  cpu, block, mutex, fgprof and trace are of the time that -duration says. heap, allocs, goroutine and\n"
        "  threadcreate are of this moment; with -duration they say what came in that time (memory in use: what there\n"
        "  is at its end). goroutineleak lists the tasks that have been parked for -duration, 10m unless it is named.\n"
        "  trace with -last is of the time before now: what just went wrong is still in takhin's flight recorder.\n"
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
        "  protocol buffer (profile.proto), which go tool pprof, speedscope, Pyroscope and Parca read; a trace is in\n"
        "  Go's format, which go tool trace of Go 1.19 and later reads.\n"
        "\nEXIT STATUS\n"
        "  0 the profile was written, or the files were read; 1 it was not, or one was not; 2 the command line or the\n"
        "  configuration is wrong.\n"
        "\nEXAMPLES\n"
        "  takhin-profiler -type cpu -duration 30s -remote localhost:6060 -analyze\n"
        "  takhin-profiler -config configs/takhin.yaml -output /tmp/before.prof\n"
        "  takhin-profiler -type heap -output heap1.prof      # and later: -output heap2.prof\n"
        "  go tool pprof -top -base heap1.prof heap2.prof\n"
        "  takhin-profiler -type block -duration 60s -analyze # what makes requests slow\n"
        "  takhin-profiler -type trace -last 10s -analyze     # which ones were, just now, and why\n"
        "  go tool trace trace.out\n"
        "  takhin-profiler analyze trace.out                  # a file from before, without collecting\n"
        "  go tool pprof -http=:8080 cpu.prof\n");
}
