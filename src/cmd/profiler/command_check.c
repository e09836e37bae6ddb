/* command_check.c: combinations of flags that mean nothing, refused before half a minute is spent on them. */
#include "cmd/profiler/command_check.h"

#include "base/clock.h"
#include "base/error.h"
#include "cmd/profiler/content.h"
#include "cmd/profiler/output.h"
#include "pprof/filter.h"
#include "pprof/profile.h"

#include <inttypes.h>
#include <string.h>

static bool is_trace(const struct collectible *type)
{
    return type->content == &profiler_content_trace;
}

static bool has_several_brokers(const struct profiler_command *command)
{
    return command->remote != NULL && strchr(command->remote, ',') != NULL;
}

/* One that there will be; with several brokers traces are never merged, and profiles not with -split. */
static bool has_several_files(const struct profiler_command *command)
{
    bool is_apart = command->split || is_trace(command->types[0]);
    return command->type_count > 1 || command->file_count > 1 || (has_several_brokers(command) && is_apart);
}

static void check_rates(const struct profiler_command *command, const struct command_named *named, struct buf *message)
{
    (void)named;
    const struct {
        enum collectible_rate rate;
        const char *flag, *types;
        bool is_named;
        int64_t value;
    } rates[] = {
        {RATE_SAMPLES, "sample-rate", "block and mutex", command->sample_rate_is_named, command->sample_rate},
        {RATE_MEMORY, "mem-rate", "heap and allocs", command->mem_rate_is_named, command->mem_rate},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++) {
        bool is_taken = false;
        for (size_t j = 0; j < command->type_count && message->size == 0; j++) {
            const struct collectible *type = command->types[j];
            is_taken = is_taken || type->rate == rates[i].rate;
            if (type->rate == rates[i].rate && rates[i].value > type->rate_max)
                buf_printf(message, "-%s: must be from 0 to %" PRId64 " for %s", rates[i].flag, type->rate_max,
                           type->name);
        }
        if (rates[i].is_named && !is_taken && message->size == 0)
            buf_printf(message, "-%s is for %s, not for %s", rates[i].flag, rates[i].types, command->types[0]->name);
    }
}

static void check_times(const struct profiler_command *command, const struct command_named *named, struct buf *message)
{
    const struct collectible *first = command->types[0];
    (void)named;
    if (command->last_ns > 0 && command->type_count > 1)
        buf_append_string(message, "-last is for trace alone: only that is kept before anybody asks; "
                                   "write -type trace");
    else if (command->last_ns > 0 && !is_trace(first))
        buf_printf(message, "-last is for trace, not for %s: only that is kept before anybody asks", first->name);
    else if (command->last_ns > 0 && command->duration_ns > 0)
        buf_append_string(message, "-last is of the time before now, and -duration of that from now on: name one");
    for (size_t i = 0; i < command->type_count && message->size == 0; i++) {
        const struct collectible *type = command->types[i];
        if (!type->has_fractions && profiler_command_asked_ns(command, type) % (int64_t)NS_PER_S != 0)
            buf_printf(message, "-duration: must be whole seconds for %s", type->name);
    }
}

static void check_outputs(const struct profiler_command *command, const struct command_named *named,
                          struct buf *message)
{
    (void)named;
    if (command->output == NULL)
        return;
    bool shows = command->analysis.report || command->analysis.flamegraph;
    if (command->output_dir != NULL)
        buf_append_string(message, "-output names the file and -output-dir a folder for files with names of their own: "
                                   "name one");
    else if (command->type_count > 1)
        buf_append_string(message, "-output names one file; name a folder for those of several types with -output-dir");
    else if (has_several_files(command))
        buf_append_string(message, is_trace(command->types[0])
                                       ? "-output names one file, and traces of several brokers are a file each; name "
                                         "a folder for them with -output-dir"
                                       : "-output names one file, and -split asks for one a broker; name a folder for "
                                         "them with -output-dir");
    else if (shows && output_is_standard(command->output))
        buf_append_string(message, "-output names standard output, which is the profile's alone then: name a file to "
                                   "analyze it, too");
}

/* What of the analysis a trace has not. */
static void check_traces(const struct profiler_command *command, const struct command_named *named,
                         struct buf *message)
{
    const char *flag = analysis_needs_profile(&command->analysis);
    if (command->type_count != 1 || !is_trace(command->types[0]))
        return;
    if (flag != NULL && strcmp(flag, "-flamegraph") == 0)
        buf_append_string(message, "-flamegraph is for profiles; a trace says when things happened: go tool trace "
                                   "shows it. For a flame graph of where time goes, take -type fgprof");
    else if (flag != NULL)
        buf_printf(message, "%s is for profiles, not for a trace", flag);
    else if (named->table != NULL)
        buf_printf(message, "-%s is for the table of a profile, and a trace has none", named->table);
}

static void check_report(const struct profiler_command *command, const struct command_named *named,
                         struct buf *message)
{
    const struct analysis_options *analysis = &command->analysis;
    if (analysis->json && analysis->folded)
        buf_append_string(message, "-json and -folded each want standard output for themselves: name one");
    else if (analysis->folded && named->table != NULL)
        buf_printf(message, "-%s is for the table, and -folded prints stacks in its place", named->table);
    else if (analysis->folded && has_several_files(command))
        buf_append_string(message, "-folded prints the stacks of one profile: name one type, and one file");
    else if (analysis->base != NULL && command->type_count > 1)
        buf_printf(message, "-%s compares with a profile of one type: name that type, too",
                   analysis->is_comparison ? "diff_base" : "base");
    else if (analysis->filter.sample_index != NULL && command->type_count > 1)
        buf_append_string(message, "-sample_index is a value of one type's samples: name that type, too");
}

/* The values that samples will have; none: only the profile itself can say. */
static const char *const *sample_types_of(const struct profiler_command *command)
{
    static const char *const none[] = {NULL};
    return command->action == PROFILER_COLLECT && command->type_count == 1 ? command->types[0]->sample_types : none;
}

/* Values that no profile of the type has, and expressions that none could be searched for, are refused before half a
 * minute is spent on one: a profile without samples takes every other. */
static void check_filters(const struct profiler_command *command, const struct command_named *named,
                          struct buf *message)
{
    (void)named;
    struct filter_options options = command->analysis.filter;
    struct buf problem;
    struct filter filter;
    struct profile *profile = profile_create();
    for (const char *const *type = sample_types_of(command); *type != NULL; type++)
        profile_add_sample_type(profile, *type, "");
    if (profile->sample_type_count == 0) {
        profile_add_sample_type(profile, "samples", "");
        options.sample_index = NULL;
    }
    buf_init(&problem);
    if (filter_init(&filter, profile, &options, &problem) == 0)
        filter_deinit(&filter);
    else
        buf_printf(message, "-%s", buf_string(&problem));
    buf_deinit(&problem);
    profile_destroy(profile);
}

static void check_analyze(const struct profiler_command *command, const struct command_named *named,
                          struct buf *message)
{
    if (named->collecting != NULL)
        buf_printf(message, "-%s is for collecting, and analyze reads files that are there already", named->collecting);
    else if (command->file_count == 0)
        buf_append_string(message, "analyze needs the name of a file: takhin-profiler analyze cpu.prof");
}

int command_check(const struct profiler_command *command, const struct command_named *named, struct buf *message)
{
    static const struct {
        void (*check)(const struct profiler_command *command, const struct command_named *named, struct buf *message);
        bool of_collecting, of_files;
    } checks[] = {
        {check_analyze, false, true},   {check_report, true, true},     {check_filters, true, true},
        {check_rates, true, false},     {check_times, true, false},     {check_outputs, true, false},
        {check_traces, true, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(checks) && message->size == 0; i++) {
        if ((command->action == PROFILER_COLLECT && checks[i].of_collecting) ||
            (command->action == PROFILER_ANALYZE_FILES && checks[i].of_files))
            checks[i].check(command, named, message);
    }
    return message->size == 0 ? 0 : ERR_CONFIG;
}
