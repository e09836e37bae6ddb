/* command.c: reads the command line of takhin-profiler by a table of flags. */
#include "cmd/profiler/command.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "cmd/profiler/command_check.h"
#include "cmd/profiler/typo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A server that is asked for more refuses or shortens it anyway. */
#define MAX_TIME_NS (24 * 3600 * (int64_t)NS_PER_S)

/* Every wait and every delay, of a type whose rate the guide to Go's tools calls "sample rate". */
#define DEFAULT_SAMPLE_RATE 1

/* Of the table: what a terminal shows beside the words. */
#define DEFAULT_ROWS 20

struct flag {
    struct command_flag shown;
    /* Into field, which is that of the command at offset. */
    int (*take)(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                struct buf *message);
    size_t offset;
    enum profiler_action action; /* of a switch that is no field but what to do */
    enum flag_use { USE_NOTHING, USE_TABLE, USE_ANALYSIS } use; /* what there must be for it to have an effect */
};

/* --- values --- */

static int refuse(const struct flag *flag, const char *value, const char *reason, struct buf *message)
{
    buf_printf(message, "-%s %s: %s", flag->shown.name, value, reason);
    return ERR_CONFIG;
}

static int take_type(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                     struct buf *message)
{
    (void)field;
    bool is_all = strcmp(value, "all") == 0;
    command->type_count = 0;
    for (size_t i = 0; i < collectible_count; i++) {
        if (is_all ? collectibles[i].in_all : strcmp(collectibles[i].name, value) == 0)
            command->types[command->type_count++] = &collectibles[i];
    }
    if (command->type_count > 0)
        return 0;
    refuse(flag, value, "there is ", message);
    for (size_t i = 0; i < collectible_count; i++)
        buf_printf(message, "%s, ", collectibles[i].name);
    buf_append_string(message, "and all");
    return ERR_CONFIG;
}

static int take_time(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                     struct buf *message)
{
    (void)command;
    int64_t *time_ns = field;
    if (units_parse_duration(value, time_ns) != 0)
        return refuse(flag, value, "not a duration; write 30s, 500ms or 1m30s", message);
    if (*time_ns < (int64_t)NS_PER_MS || *time_ns > MAX_TIME_NS)
        return refuse(flag, value, "must be from 1ms to 24h", message);
    return 0;
}

/* A whole number; what it means, and how large it may be, is the type's business. */
static int take_number(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                       struct buf *message)
{
    (void)command;
    char *end;
    *(int64_t *)field = strtoll(value, &end, 10); /* beyond all limits it is the largest number, and refused as such */
    if (*value < '0' || *value > '9' || *end != '\0')
        return refuse(flag, value, "must be a whole number", message);
    return 0;
}

static int take_rows(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                     struct buf *message)
{
    int64_t rows;
    int result = take_number(flag, value, command, &rows, message);
    if (result == 0 && rows > UINT32_MAX)
        return refuse(flag, value, "must be below 4294967296; 0 is all there are", message);
    *(uint32_t *)field = (uint32_t)rows;
    return result;
}

static int take_text(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                     struct buf *message)
{
    (void)flag;
    (void)command;
    (void)message;
    *(const char **)field = value;
    return 0;
}

static int take_base(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                     struct buf *message)
{
    struct analysis_options *analysis = &command->analysis;
    bool is_comparison = strcmp(flag->shown.name, "diff_base") == 0;
    if (analysis->base != NULL && is_comparison != analysis->is_comparison)
        return refuse(flag, value, "-base and -diff_base both name what to compare with: name one", message);
    analysis->is_comparison = is_comparison;
    return take_text(flag, value, command, field, message);
}

/* As Go has them: "-cum", "-cum=true", "-cum=false". */
static int read_switch(const struct flag *flag, const char *value, bool *is_on, struct buf *message)
{
    *is_on = strcmp(value, "true") == 0;
    if (*is_on || strcmp(value, "false") == 0)
        return 0;
    buf_printf(message, "-%s=%s: it is a switch, and takes no value but true and false", flag->shown.name, value);
    return ERR_CONFIG;
}

static int take_switch(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                       struct buf *message)
{
    (void)command;
    return read_switch(flag, value, field, message);
}

static int take_action(const struct flag *flag, const char *value, struct profiler_command *command, void *field,
                       struct buf *message)
{
    (void)field;
    bool is_on;
    int result = read_switch(flag, value, &is_on, message);
    if (result == 0 && is_on)
        command->action = flag->action;
    return result;
}

/* --- the table --- */

/* The field's place; a field of another type than the row needs does not compile. */
#define IS(member, type) __builtin_types_compatible_p(__typeof__(((struct profiler_command *)0)->member), type)
#define FIELD(member, type) \
    .offset = offsetof(struct profiler_command, member) + 0 * sizeof(char[IS(member, type) ? 1 : -1])

#define TIME(member) .take = take_time, FIELD(member, int64_t)
#define NUMBER(member) .take = take_number, FIELD(member, int64_t)
#define ROWS(member) .take = take_rows, FIELD(member, uint32_t)
#define TEXT(member) .take = take_text, FIELD(member, const char *)
#define BASE(member) .take = take_base, FIELD(member, const char *)
#define SWITCH(member) .take = take_switch, FIELD(member, bool)
#define ACTION(value) .take = take_action, .action = (value)

static const struct flag flags[] = {
    {{"type", "TYPE", "what to collect, see TYPES; default cpu", FLAGS_COLLECT, VALUES_TYPES}, .take = take_type},
    {{"duration", "DURATION", "how long to collect: 30s, 500ms, 1m30s; default 30s, of a trace 5s", FLAGS_COLLECT,
      VALUES_ANY}, TIME(duration_ns)},
    {{"last", "DURATION", "trace: what takhin did in the last 10s, or so, before now: its flight recorder has that",
      FLAGS_COLLECT, VALUES_ANY}, TIME(last_ns)},
    {{"remote", "ADDRESS", "the debug port of a takhin, or of several with commas between, see ADDRESS", FLAGS_COLLECT,
      VALUES_ANY}, TEXT(remote)},
    {{"config", "FILE", "a takhin.yaml whose profiler.host and profiler.port are the address, where -remote names none",
      FLAGS_COLLECT, VALUES_FILES}, TEXT(config_file)},
    {{"sample-rate", "N", "block: one sample for N ns of waiting; mutex: one in N delays; default 1, which is all; "
      "0: as takhin is configured", FLAGS_COLLECT, VALUES_ANY}, NUMBER(sample_rate)},
    {{"mem-rate", "N", "heap and allocs: one sample for N bytes, while it collects for -duration; default 0: as takhin "
      "is configured", FLAGS_COLLECT, VALUES_ANY}, NUMBER(mem_rate)},
    {{"timeout", "DURATION", "how long an answer may take beyond the time that is collected for; default 30s",
      FLAGS_COLLECT, VALUES_ANY}, TIME(timeout_ns)},

    {{"output", "FILE", "the file to write, or - for standard output; default TYPE.prof or trace.out in the "
      "current folder", FLAGS_OUTPUT, VALUES_FILES}, TEXT(output)},
    {{"output-dir", "FOLDER", "a folder for files named after type and time, and manifest.json; made if it is missing",
      FLAGS_OUTPUT, VALUES_FOLDERS}, TEXT(output_dir)},
    {{"split", NULL, "of several brokers a file each, in place of one of all; traces are a file each in any case",
      FLAGS_OUTPUT, VALUES_NONE}, SWITCH(split)},

    {{"analyze", NULL, "print what the profile says: in words, and the functions that used most, as go tool pprof -top "
      "does; of a trace, where requests' time went", FLAGS_ANALYZE, VALUES_NONE}, SWITCH(analysis.report)},
    {{"nodecount", "N", "rows of the table; default 20; 0: all", FLAGS_ANALYZE, VALUES_ANY},
     ROWS(analysis.top.row_limit), .use = USE_TABLE},
    {{"cum", NULL, "sort the table by what functions used with all that they called", FLAGS_ANALYZE, VALUES_NONE},
     SWITCH(analysis.top.by_cum), .use = USE_TABLE},
    {{"lines", NULL, "a row a line of source, in place of a function", FLAGS_ANALYZE, VALUES_NONE},
     SWITCH(analysis.top.by_line), .use = USE_TABLE},
    {{"focus", "REGEX", "only stacks in which a function, a file or a library matches", FLAGS_ANALYZE, VALUES_ANY},
     TEXT(analysis.filter.focus), .use = USE_ANALYSIS},
    {{"ignore", "REGEX", "no stacks in which one matches", FLAGS_ANALYZE, VALUES_ANY}, TEXT(analysis.filter.ignore),
     .use = USE_ANALYSIS},
    {{"tagfocus", "LABEL", "only samples with a label that matches: api=Fetch, topic=orders|payments, or a range of "
      "numbers, bytes=4kb:1mb", FLAGS_ANALYZE, VALUES_ANY}, TEXT(analysis.filter.tag_focus), .use = USE_ANALYSIS},
    {{"tagignore", "LABEL", "no samples with one that matches", FLAGS_ANALYZE, VALUES_ANY},
     TEXT(analysis.filter.tag_ignore), .use = USE_ANALYSIS},
    {{"sample_index", "NAME", "which value counts, as inuse_objects of heap; default the profile's own", FLAGS_ANALYZE,
      VALUES_ANY}, TEXT(analysis.filter.sample_index), .use = USE_ANALYSIS},
    {{"base", "FILE", "subtract this profile: what came since then", FLAGS_ANALYZE, VALUES_FILES}, BASE(analysis.base),
     .use = USE_ANALYSIS},
    {{"diff_base", "FILE", "the same, with percentages of that profile", FLAGS_ANALYZE, VALUES_FILES},
     BASE(analysis.base), .use = USE_ANALYSIS},
    {{"json", NULL, "the analysis for scripts: one JSON object a line and file, in place of words and tables",
      FLAGS_ANALYZE, VALUES_NONE}, SWITCH(analysis.json)},
    {{"folded", NULL, "the stacks, a line each with its value, as flamegraph.pl reads them, in place of the analysis",
      FLAGS_ANALYZE, VALUES_NONE}, SWITCH(analysis.folded)},
    {{"flamegraph", NULL, "write a page with the flame graph beside the profile, and print the command that shows it "
      "in go tool pprof, see DRAWING", FLAGS_ANALYZE, VALUES_NONE}, SWITCH(analysis.flamegraph)},

    {{"quiet", NULL, "no progress and no report of what was written: only errors, and what flags ask to print",
      FLAGS_OTHER, VALUES_NONE}, SWITCH(quiet)},
    {{"version", NULL, "print the version, and end", FLAGS_OTHER, VALUES_NONE}, ACTION(PROFILER_PRINT_VERSION)},
    {{"help", NULL, "print this manual, and end (also -h)", FLAGS_OTHER, VALUES_NONE}, ACTION(PROFILER_PRINT_HELP)},
    {{"h", NULL, NULL, FLAGS_OTHER, VALUES_NONE}, ACTION(PROFILER_PRINT_HELP)},
    {{"man", NULL, "print this manual as man reads it, and end", FLAGS_OTHER, VALUES_NONE},
     ACTION(PROFILER_PRINT_MAN)},
    {{"completion", NULL, "print what bash needs to complete flags, and end", FLAGS_OTHER, VALUES_NONE},
     ACTION(PROFILER_PRINT_COMPLETION)},
};

const struct command_flag *profiler_command_flag(size_t index)
{
    return index < ARRAY_COUNT(flags) ? &flags[index].shown : NULL;
}

/* --- the line --- */

struct reading {
    char **argv;
    int at; /* into argv */
    struct profiler_command *command;
    bool is_named[ARRAY_COUNT(flags)];
    bool flags_have_ended;
    struct buf *message;
};

/* Go's flags are spelled both ways, sample_index here and there sample-rate: either may be. */
static bool is_name(const char *name, const char *argument, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (name[i] != argument[i] && !(name[i] != '\0' && strchr("-_", name[i]) && strchr("-_", argument[i])))
            return false;
    }
    return name[length] == '\0';
}

/* The flag that an argument names, and what stands behind its "=" (NULL: no "="). NULL: no such flag. */
static const struct flag *find_flag(const char *argument, const char **value)
{
    argument += argument[1] == '-' ? 2 : 1;
    size_t length = strcspn(argument, "=");
    *value = argument[length] != '\0' ? argument + length + 1 : NULL;
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        if (is_name(flags[i].shown.name, argument, length))
            return &flags[i];
    }
    return NULL;
}

static bool is_type(const char *name)
{
    return strcmp(name, "all") == 0 || collectible_find(name) != NULL;
}

/* With those whose names begin so, as whoever stopped early sees the rest, and those that were meant. */
static int refuse_flag(const char *argument, struct buf *message)
{
    const char *start = argument + (argument[1] == '-' ? 2 : 1), *separator = "; there is";
    size_t length = strcspn(start, "=");
    buf_printf(message, "%s: no such flag", argument);
    if (is_type(start)) {
        buf_printf(message, "; there is -type %s", start);
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < ARRAY_COUNT(flags) && length > 0; i++) {
        const char *name = flags[i].shown.name;
        if (strncmp(name, start, length) == 0 || typo_is_of(start, length, name)) {
            buf_printf(message, "%s -%s", separator, name);
            separator = ", and";
        }
    }
    return ERR_CONFIG;
}

static int refuse_word(const char *word, struct buf *message)
{
    static const char analyze[] = "analyze";
    buf_printf(message, "%s: only flags may stand here; ", word);
    if (is_type(word))
        buf_printf(message, "write -type %s", word);
    else if (typo_is_of(word, strlen(word), analyze))
        buf_printf(message, "write %s", analyze);
    else
        buf_printf(message, "what a file says is shown by takhin-profiler %s FILE", analyze);
    return ERR_CONFIG;
}

static int take_flag(struct reading *reading)
{
    const char *argument = reading->argv[reading->at], *value = NULL;
    const struct flag *flag = find_flag(argument, &value);
    if (flag == NULL)
        return refuse_flag(argument, reading->message);
    if (flag->shown.value == NULL && value == NULL)
        value = "true";
    else if (value == NULL && reading->argv[reading->at + 1] != NULL)
        value = reading->argv[++reading->at];
    if (flag->shown.value != NULL && (value == NULL || *value == '\0')) {
        buf_printf(reading->message, "-%s needs a value: -%s %s", flag->shown.name, flag->shown.name,
                   flag->shown.value);
        return ERR_CONFIG;
    }
    reading->is_named[flag - flags] = true;
    return flag->take(flag, value, reading->command, (char *)reading->command + flag->offset, reading->message);
}

/* "analyze", once, and behind it files: they move to the front of argv, over what has been read. */
static int take_word(struct reading *reading)
{
    struct profiler_command *command = reading->command;
    char *word = reading->argv[reading->at];
    if (command->files != NULL) {
        reading->argv[1 + command->file_count++] = word;
        return 0;
    }
    if (strcmp(word, "analyze") == 0) {
        command->files = (const char *const *)&reading->argv[1];
        return 0;
    }
    return refuse_word(word, reading->message);
}

static int take_argument(struct reading *reading)
{
    const char *argument = reading->argv[reading->at];
    if (reading->flags_have_ended || argument[0] != '-' || argument[1] == '\0')
        return take_word(reading);
    if (strcmp(argument, "--") != 0)
        return take_flag(reading);
    reading->flags_have_ended = true;
    return 0;
}

/* What flags say of each other. */
static int finish(struct reading *reading)
{
    struct profiler_command *command = reading->command;
    struct analysis_options *analysis = &command->analysis;
    struct command_named named = {NULL, NULL};
    bool is_analysis_asked_for = false;
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        const struct flag *flag = &flags[i];
        if (!reading->is_named[i])
            continue;
        if (named.collecting == NULL && (flag->shown.group == FLAGS_COLLECT || flag->shown.group == FLAGS_OUTPUT))
            named.collecting = flag->shown.name;
        if (named.table == NULL && flag->use == USE_TABLE)
            named.table = flag->shown.name;
        is_analysis_asked_for = is_analysis_asked_for || flag->use == USE_ANALYSIS;
        command->sample_rate_is_named |= flag->offset == offsetof(struct profiler_command, sample_rate);
        command->mem_rate_is_named |= flag->offset == offsetof(struct profiler_command, mem_rate);
    }
    analysis->report = analysis->report || analysis->json || analysis->folded || named.table != NULL ||
                       (is_analysis_asked_for && !analysis->flamegraph) || command->files != NULL;
    if (command->files != NULL && command->action == PROFILER_COLLECT)
        command->action = PROFILER_ANALYZE_FILES;
    return command_check(command, &named, reading->message);
}

int profiler_command_parse(int argc, char **argv, struct profiler_command *command, struct buf *message)
{
    *command = (struct profiler_command){.types = {&collectibles[0]}, .type_count = 1,
                                         .sample_rate = DEFAULT_SAMPLE_RATE, .analysis.top.row_limit = DEFAULT_ROWS};
    struct reading reading = {.argv = argv, .at = 1, .command = command, .message = message};
    int result = 0;
    for (; reading.at < argc && result == 0; reading.at++)
        result = take_argument(&reading);
    return result == 0 ? finish(&reading) : result;
}
