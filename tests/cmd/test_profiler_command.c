/* test_profiler_command.c: command lines of takhin-profiler: what they mean, which are refused and why, and what they
 * ask of the debug port. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "cmd/profiler/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WORDS_MAX 32
#define SECOND ((int64_t)NS_PER_S)

/* A command line, split at each space; argv lives as long as this. */
struct line {
    char text[512];
    char *argv[WORDS_MAX + 1];
    int argc;
    struct profiler_command command;
    struct buf message;
    int result;
};

static void parse(struct line *line, const char *text)
{
    *line = (struct line){.argc = 0};
    assert_true(strlen(text) < sizeof(line->text));
    strcpy(line->text, text);
    for (char *rest = line->text, *word; (word = strsep(&rest, " ")) != NULL;) {
        assert_true(line->argc < WORDS_MAX);
        line->argv[line->argc++] = word;
    }
    buf_init(&line->message);
    line->result = profiler_command_parse(line->argc, line->argv, &line->command, &line->message);
}

static const struct profiler_command *parse_well(struct line *line, const char *text)
{
    parse(line, text);
    if (line->result != 0)
        fail_msg("%s: %s", text, buf_string(&line->message));
    assert_int_equal(line->message.size, 0);
    return &line->command;
}

static void line_deinit(struct line *line)
{
    buf_deinit(&line->message);
}

static void assert_text(const char *found, const char *expected)
{
    if (found == NULL || expected == NULL)
        assert_ptr_equal(found, expected);
    else
        assert_string_equal(found, expected);
}

/* --- the guide --- */

static void every_line_of_the_guide_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *line, *type, *output, *output_dir, *remote;
        int64_t duration_s;
        bool report;
    } cases[] = {
        {"takhin-profiler -type cpu -duration 30s -output cpu.prof", "cpu", "cpu.prof", NULL, NULL, 30, false},
        {"takhin-profiler -type heap -output heap.prof", "heap", "heap.prof", NULL, NULL, 0, false},
        {"takhin-profiler -type all -duration 30s -output-dir /tmp/profiles", "all", NULL, "/tmp/profiles", NULL, 30,
         false},
        {"takhin-profiler -type cpu -remote localhost:6060 -duration 30s", "cpu", NULL, NULL, "localhost:6060", 30,
         false},
        {"takhin-profiler -type cpu -duration 30s -remote localhost:6060", "cpu", NULL, NULL, "localhost:6060", 30,
         false},
        {"takhin-profiler -type heap -remote localhost:6060 -output heap1.prof", "heap", "heap1.prof", NULL,
         "localhost:6060", 0, false},
        {"takhin-profiler -type heap -remote localhost:6060 -output heap2.prof", "heap", "heap2.prof", NULL,
         "localhost:6060", 0, false},
        {"takhin-profiler -type goroutine -remote localhost:6060 -output g1.prof", "goroutine", "g1.prof", NULL,
         "localhost:6060", 0, false},
        {"takhin-profiler -type goroutine -remote localhost:6060 -output g2.prof", "goroutine", "g2.prof", NULL,
         "localhost:6060", 0, false},
        {"takhin-profiler -type cpu -duration 60s -remote localhost:6060", "cpu", NULL, NULL, "localhost:6060", 60,
         false},
        {"takhin-profiler -type allocs -remote localhost:6060", "allocs", NULL, NULL, "localhost:6060", 0, false},
        {"takhin-profiler -type cpu -duration 60s", "cpu", NULL, NULL, NULL, 60, false},
        {"takhin-profiler -type heap", "heap", NULL, NULL, NULL, 0, false},
        {"takhin-profiler -type goroutine", "goroutine", NULL, NULL, NULL, 0, false},
        {"takhin-profiler -type block -duration 60s", "block", NULL, NULL, NULL, 60, false},
        {"takhin-profiler -type all -duration 30s -output-dir /var/log/takhin/profiles/20261123_114734 -remote "
         "localhost:6060", "all", NULL, "/var/log/takhin/profiles/20261123_114734", "localhost:6060", 30, false},
        {"takhin-profiler -type cpu -duration 30s -remote localhost:6060 -analyze", "cpu", NULL, NULL,
         "localhost:6060", 30, true},
        {"takhin-profiler -type heap -remote localhost:6060 -analyze", "heap", NULL, NULL, "localhost:6060", 0, true},
        {"takhin-profiler -type all -remote localhost:6060 -output-dir ./profiles", "all", NULL, "./profiles",
         "localhost:6060", 0, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct line line;
        const struct profiler_command *command = parse_well(&line, cases[i].line);
        assert_int_equal(command->action, PROFILER_COLLECT);
        if (strcmp(cases[i].type, "all") == 0)
            assert_true(command->type_count > 1);
        else
            assert_string_equal(command->types[0]->name, cases[i].type);
        assert_int_equal(command->duration_ns, cases[i].duration_s * SECOND);
        assert_text(command->output, cases[i].output);
        assert_text(command->output_dir, cases[i].output_dir);
        assert_text(command->remote, cases[i].remote);
        assert_int_equal(command->analysis.report, cases[i].report);
        line_deinit(&line);
    }
}

/* --- the forms --- */

static void nothing_named_is_a_cpu_profile_of_this_machine(void **state)
{
    (void)state;
    struct line line;
    const struct profiler_command *command = parse_well(&line, "takhin-profiler");
    assert_int_equal(command->action, PROFILER_COLLECT);
    assert_int_equal(command->type_count, 1);
    assert_string_equal(command->types[0]->name, "cpu");
    assert_null(command->remote);
    assert_null(command->output);
    assert_int_equal(command->sample_rate, 1);
    assert_int_equal(command->analysis.top.row_limit, 20);
    assert_false(command->analysis.report);
    line_deinit(&line);
}

static void all_is_each_type_but_goroutineleak(void **state)
{
    (void)state;
    struct line line;
    struct buf names;
    buf_init(&names);
    const struct profiler_command *command = parse_well(&line, "takhin-profiler -type all");
    for (size_t i = 0; i < command->type_count; i++)
        buf_printf(&names, "%s ", command->types[i]->name);
    assert_string_equal(buf_string(&names), "cpu heap allocs goroutine block mutex trace threadcreate fgprof ");
    buf_deinit(&names);
    line_deinit(&line);
}

static void flags_have_one_dash_or_two_and_either_separator(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "takhin-profiler -type block -sample-rate 7 -sample_index delay",
        "takhin-profiler --type block --sample-rate 7 --sample_index delay",
        "takhin-profiler -type=block -sample-rate=7 -sample_index=delay",
        "takhin-profiler --type=block --sample_rate=7 --sample-index=delay",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        struct line line;
        const struct profiler_command *command = parse_well(&line, lines[i]);
        assert_string_equal(command->types[0]->name, "block");
        assert_int_equal(command->sample_rate, 7);
        assert_true(command->sample_rate_is_named);
        assert_false(command->mem_rate_is_named);
        assert_string_equal(command->analysis.filter.sample_index, "delay");
        line_deinit(&line);
    }
}

static void switches_take_true_and_false(void **state)
{
    (void)state;
    struct line line;
    const struct profiler_command *command =
        parse_well(&line, "takhin-profiler -quiet=true -split -analyze=false -cum -cum=false -help=false");
    assert_int_equal(command->action, PROFILER_COLLECT);
    assert_true(command->quiet);
    assert_true(command->split);
    assert_false(command->analysis.top.by_cum);
    line_deinit(&line);
}

static void the_last_action_counts(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum profiler_action action;
    } cases[] = {
        {"takhin-profiler -h", PROFILER_PRINT_HELP},
        {"takhin-profiler --help", PROFILER_PRINT_HELP},
        {"takhin-profiler -help -version", PROFILER_PRINT_VERSION},
        {"takhin-profiler -type all -output x -h", PROFILER_PRINT_HELP},
        {"takhin-profiler analyze -h", PROFILER_PRINT_HELP},
        {"takhin-profiler analyze -type cpu --help", PROFILER_PRINT_HELP},
        {"takhin-profiler -man", PROFILER_PRINT_MAN},
        {"takhin-profiler -completion", PROFILER_PRINT_COMPLETION},
        {"takhin-profiler analyze cpu.prof", PROFILER_ANALYZE_FILES},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct line line;
        assert_int_equal(parse_well(&line, cases[i].line)->action, cases[i].action);
        line_deinit(&line);
    }
}

static void analyze_takes_flags_and_files_in_any_order(void **state)
{
    (void)state;
    static const struct {
        const char *line, *files[3];
        int file_count;
    } cases[] = {
        {"takhin-profiler analyze cpu.prof", {"cpu.prof"}, 1},
        {"takhin-profiler analyze a.prof b.prof c.out", {"a.prof", "b.prof", "c.out"}, 3},
        {"takhin-profiler analyze -cum -nodecount 5 a.prof b.prof", {"a.prof", "b.prof"}, 2},
        {"takhin-profiler analyze a.prof -cum b.prof -nodecount=5", {"a.prof", "b.prof"}, 2},
        {"takhin-profiler -nodecount 5 -cum analyze a.prof", {"a.prof"}, 1},
        {"takhin-profiler analyze a.prof -nodecount 5 -cum -- -quiet", {"a.prof", "-quiet"}, 2},
        {"takhin-profiler analyze -nodecount 5 -cum -- -- analyze", {"--", "analyze"}, 2},
        {"takhin-profiler analyze analyze", {"analyze"}, 1},
        {"takhin-profiler analyze -", {"-"}, 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct line line;
        const struct profiler_command *command = parse_well(&line, cases[i].line);
        assert_int_equal(command->action, PROFILER_ANALYZE_FILES);
        assert_true(command->analysis.report);
        assert_int_equal(command->analysis.top.row_limit, strstr(cases[i].line, "nodecount") != NULL ? 5 : 20);
        assert_int_equal(command->analysis.top.by_cum, strstr(cases[i].line, "-cum") != NULL);
        assert_int_equal(command->file_count, cases[i].file_count);
        for (int j = 0; j < command->file_count; j++)
            assert_string_equal(command->files[j], cases[i].files[j]);
        line_deinit(&line);
    }
}

static void flags_that_need_an_analysis_ask_for_one(void **state)
{
    (void)state;
    static const struct {
        const char *flags;
        bool report;
    } cases[] = {
        {"-analyze", true},         {"-cum", true},          {"-lines", true},
        {"-nodecount 0", true},     {"-focus x", true},      {"-ignore x", true},
        {"-tagfocus x", true},      {"-tagignore x", true},  {"-sample_index 0", true},
        {"-base x", true},          {"-diff_base x", true},  {"-json", true},
        {"-folded", true},          {"-quiet", false},       {"-flamegraph", false},
        {"-flamegraph -base x", false},                      {"-flamegraph -focus x", false},
        {"-flamegraph -cum", true},                          {"-flamegraph -base x -analyze", true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct line line;
        char text[128];
        snprintf(text, sizeof(text), "takhin-profiler %s", cases[i].flags);
        assert_int_equal(parse_well(&line, text)->analysis.report, cases[i].report);
        line_deinit(&line);
    }
}

static void a_base_says_how_it_compares(void **state)
{
    (void)state;
    struct line line;
    const struct profiler_command *command = parse_well(&line, "takhin-profiler -base old.prof");
    assert_string_equal(command->analysis.base, "old.prof");
    assert_false(command->analysis.is_comparison);
    line_deinit(&line);
    command = parse_well(&line, "takhin-profiler -diff_base old.prof");
    assert_string_equal(command->analysis.base, "old.prof");
    assert_true(command->analysis.is_comparison);
    line_deinit(&line);
}

/* --- what is refused --- */

static void what_cannot_be_is_refused_in_a_line_that_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *message;
    } cases[] = {
        {"-nosuch", "-nosuch: no such flag"},
        {"-typ cpu", "-typ: no such flag; there is -type"},
        {"--out=x", "--out=x: no such flag; there is -output, and -output-dir"},
        {"-durration 5s", "-durration: no such flag; there is -duration"},
        {"-tpye=heap", "-tpye=heap: no such flag; there is -type"},
        {"--sampel_index x", "--sampel_index: no such flag; there is -sample_index"},
        {"-Json", "-Json: no such flag; there is -json"},
        {"-x", "-x: no such flag"},
        {"-heap", "-heap: no such flag; there is -type heap"},
        {"-all", "-all: no such flag; there is -type all"},
        {"heap", "heap: only flags may stand here; write -type heap"},
        {"analyse x.prof", "analyse: only flags may stand here; write analyze"},
        {"-typecpu", "-typecpu: no such flag"},
        {"---type cpu", "---type: no such flag; there is -type"},
        {"-=1", "-=1: no such flag"},
        {"cpu.prof", "cpu.prof: only flags may stand here; what a file says is shown by takhin-profiler analyze FILE"},
        {"- -analyze", "-: only flags may stand here; what a file says is shown by takhin-profiler analyze FILE"},
        {"-type", "-type needs a value: -type TYPE"},
        {"-type=", "-type needs a value: -type TYPE"},
        {"-type cpux", "-type cpux: there is cpu, heap, allocs, goroutine, block, mutex, trace, threadcreate, fgprof, "
                       "goroutineleak, and all"},
        {"-quiet=maybe", "-quiet=maybe: it is a switch, and takes no value but true and false"},
        {"-json=", "-json=: it is a switch, and takes no value but true and false"},
        {"-duration 30", "-duration 30: not a duration; write 30s, 500ms or 1m30s"},
        {"-duration 0s", "-duration 0s: must be from 1ms to 24h"},
        {"-duration -5s", "-duration -5s: must be from 1ms to 24h"},
        {"-timeout 25h", "-timeout 25h: must be from 1ms to 24h"},
        {"-last forever -type trace", "-last forever: not a duration; write 30s, 500ms or 1m30s"},
        {"-nodecount -1", "-nodecount -1: must be a whole number"},
        {"-nodecount 4294967296", "-nodecount 4294967296: must be below 4294967296; 0 is all there are"},
        {"-nodecount 99999999999999999999", "-nodecount 99999999999999999999: must be below 4294967296; 0 is all there "
                                            "are"},
        {"-type mutex -sample-rate 1.5", "-sample-rate 1.5: must be a whole number"},
        {"-type mutex -sample-rate 1000000001", "-sample-rate: must be from 0 to 1000000000 for mutex"},
        {"-type all -sample-rate 1000000001", "-sample-rate: must be from 0 to 1000000000 for mutex"},
        {"-type heap -mem-rate 99999999999999999999", "-mem-rate: must be from 0 to 1099511627776 for heap"},
        {"-sample-rate 5", "-sample-rate is for block and mutex, not for cpu"},
        {"-type block -mem-rate 5", "-mem-rate is for heap and allocs, not for block"},
        {"-type heap -last 10s", "-last is for trace, not for heap: only that is kept before anybody asks"},
        {"-type all -last 10s", "-last is for trace alone: only that is kept before anybody asks; write -type trace"},
        {"-type trace -last 10s -duration 5s",
         "-last is of the time before now, and -duration of that from now on: name one"},
        {"-type block -duration 1500ms", "-duration: must be whole seconds for block"},
        {"-type heap -duration 1500ms", "-duration: must be whole seconds for heap"},
        {"-type goroutineleak -duration 1500ms", "-duration: must be whole seconds for goroutineleak"},
        {"-type all -duration 1500ms", "-duration: must be whole seconds for block"},
        {"-type all -output x.prof",
         "-output names one file; name a folder for those of several types with -output-dir"},
        {"-output - -analyze",
         "-output names standard output, which is the profile's alone then: name a file to analyze it, too"},
        {"-output /dev/stdout -flamegraph",
         "-output names standard output, which is the profile's alone then: name a file to analyze it, too"},
        {"-output x.prof -output-dir y",
         "-output names the file and -output-dir a folder for files with names of their own: name one"},
        {"-output x.prof -split -remote a,b",
         "-output names one file, and -split asks for one a broker; name a folder for them with -output-dir"},
        {"-output x.out -type trace -remote a,b", "-output names one file, and traces of several brokers are a file "
                                                  "each; name a folder for them with -output-dir"},
        {"-json -folded", "-json and -folded each want standard output for themselves: name one"},
        {"-folded -cum", "-cum is for the table, and -folded prints stacks in its place"},
        {"-folded -type all", "-folded prints the stacks of one profile: name one type, and one file"},
        {"-folded -split -remote a,b", "-folded prints the stacks of one profile: name one type, and one file"},
        {"-base a.prof -diff_base b.prof",
         "-diff_base b.prof: -base and -diff_base both name what to compare with: name one"},
        {"-base a.prof -type all", "-base compares with a profile of one type: name that type, too"},
        {"-diff_base a.prof -type all", "-diff_base compares with a profile of one type: name that type, too"},
        {"-sample_index cpu -type all", "-sample_index is a value of one type's samples: name that type, too"},
        {"-sample_index delay", "-sample_index \"delay\" must be one of: [samples cpu]"},
        {"-type heap -sample_index 4", "-sample_index 4 is outside the range [0..3]"},
        {"-type block -sample_index cpu", "-sample_index \"cpu\" must be one of: [contentions delay]"},
        {"-type trace -flamegraph", "-flamegraph is for profiles; a trace says when things happened: go tool trace "
                                    "shows it. For a flame graph of where time goes, take -type fgprof"},
        {"-type trace -focus x", "-focus is for profiles, not for a trace"},
        {"-type trace -tagignore x", "-tagignore is for profiles, not for a trace"},
        {"-type trace -base x", "-base is for profiles, not for a trace"},
        {"-type trace -folded", "-folded is for profiles, not for a trace"},
        {"-type trace -nodecount 5", "-nodecount is for the table of a profile, and a trace has none"},
        {"-focus ((", "-focus: not a regular expression that is understood here: (("},
        {"-ignore *", "-ignore: not a regular expression that is understood here: *"},
        {"-tagfocus [", "-tagfocus: not a regular expression that is understood here: ["},
        {"-tagignore api=(", "-tagignore: not a regular expression that is understood here: api=("},
        {"analyze", "analyze needs the name of a file: takhin-profiler analyze cpu.prof"},
        {"analyze -cum", "analyze needs the name of a file: takhin-profiler analyze cpu.prof"},
        {"analyze -focus (( cpu.prof", "-focus: not a regular expression that is understood here: (("},
        {"analyze -json -folded cpu.prof", "-json and -folded each want standard output for themselves: name one"},
        {"analyze -folded a.prof b.prof", "-folded prints the stacks of one profile: name one type, and one file"},
        {"analyze -type heap a.prof", "-type is for collecting, and analyze reads files that are there already"},
        {"analyze a.prof -duration 5s", "-duration is for collecting, and analyze reads files that are there already"},
        {"-remote a analyze a.prof", "-remote is for collecting, and analyze reads files that are there already"},
        {"analyze a.prof -output-dir x",
         "-output-dir is for collecting, and analyze reads files that are there already"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct line line;
        char text[256];
        snprintf(text, sizeof(text), "takhin-profiler %s", cases[i].arguments);
        parse(&line, text);
        if (line.result != ERR_CONFIG)
            fail_msg("%s: accepted", text);
        assert_string_equal(buf_string(&line.message), cases[i].message);
        line_deinit(&line);
    }
}

static void each_flag_of_collecting_is_refused_with_analyze(void **state)
{
    (void)state;
    const struct command_flag *flag;
    size_t count = 0;
    for (size_t i = 0; (flag = profiler_command_flag(i)) != NULL; i++) {
        if (flag->group != FLAGS_COLLECT && flag->group != FLAGS_OUTPUT)
            continue;
        struct line line;
        char text[128], expected[128];
        const char *value = flag->value == NULL ? "true" : flag->values == VALUES_TYPES ? "cpu" : "1s";
        if (flag->value != NULL && strcmp(flag->value, "N") == 0)
            value = "1";
        snprintf(text, sizeof(text), "takhin-profiler analyze cpu.prof -%s=%s", flag->name, value);
        snprintf(expected, sizeof(expected),
                 "-%s is for collecting, and analyze reads files that are there already", flag->name);
        parse(&line, text);
        assert_int_equal(line.result, ERR_CONFIG);
        assert_string_equal(buf_string(&line.message), expected);
        line_deinit(&line);
        count++;
    }
    assert_true(count >= 10);
}

static void what_makes_sense_together_is_taken(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "-type all -sample-rate 5 -mem-rate 5 -duration 5s",
        "-type all -analyze -nodecount 5 -cum -focus x -tagfocus api=Fetch -flamegraph",
        "-type all -json",
        "-split -output x.prof -remote a",
        "-split -output-dir x -remote a,b -type trace",
        "-output x.prof -remote a,b",
        "-output - -remote a,b -quiet",
        "-type heap -sample_index inuse_objects",
        "-type goroutine -sample_index 0",
        "analyze -sample_index nosuch x.prof",
        "-folded -remote a,b -tagfocus broker=a",
        "-folded -flamegraph -base x",
        "-type trace -analyze -json",
        "-type trace -last 500ms",
        "-type cpu -duration 250ms",
        "-type fgprof -duration 250ms",
        "-type heap -mem-rate 0",
        "-tagfocus bytes=4kb:1mb -focus (?i)fetch|produce",
        "analyze -base a.prof -flamegraph -json b.prof c.prof",
        "analyze -analyze b.prof -quiet",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        struct line line;
        char text[128];
        snprintf(text, sizeof(text), "takhin-profiler %s", lines[i]);
        parse_well(&line, text);
        line_deinit(&line);
    }
}

/* --- requests --- */

static void each_type_asks_for_what_it_means(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *type, *request;
        int64_t window_ms;
    } cases[] = {
        {"-type cpu", "cpu", "/debug/pprof/profile?seconds=30", 30000},
        {"-type cpu -duration 250ms", "cpu", "/debug/pprof/profile?seconds=0.25", 250},
        {"-type cpu -duration 1m30s", "cpu", "/debug/pprof/profile?seconds=90", 90000},
        {"-type heap", "heap", "/debug/pprof/heap", 0},
        {"-type heap -duration 7s", "heap", "/debug/pprof/heap?seconds=7&partial=1", 7000},
        {"-type heap -mem-rate 4096", "heap", "/debug/pprof/heap?seconds=30&rate=4096&partial=1", 30000},
        {"-type heap -mem-rate 0", "heap", "/debug/pprof/heap", 0},
        {"-type allocs", "allocs", "/debug/pprof/allocs", 0},
        {"-type allocs -duration 7s -mem-rate 1", "allocs", "/debug/pprof/allocs?seconds=7&rate=1&partial=1", 7000},
        {"-type goroutine", "goroutine", "/debug/pprof/goroutine", 0},
        {"-type goroutine -duration 7s", "goroutine", "/debug/pprof/goroutine?seconds=7&partial=1", 7000},
        {"-type block", "block", "/debug/pprof/block?seconds=30&rate=1&partial=1", 30000},
        {"-type block -duration 7s -sample-rate 1000", "block", "/debug/pprof/block?seconds=7&rate=1000&partial=1",
         7000},
        {"-type block -sample-rate 0", "block", "/debug/pprof/block?seconds=30&partial=1", 30000},
        {"-type mutex", "mutex", "/debug/pprof/mutex?seconds=30&rate=1&partial=1", 30000},
        {"-type trace", "trace", "/debug/pprof/trace?seconds=5", 5000},
        {"-type trace -duration 1500ms", "trace", "/debug/pprof/trace?seconds=1.5", 1500},
        {"-type trace -last 10s", "trace", "/debug/pprof/trace?last=10s", 0},
        {"-type trace -last 500ms", "trace", "/debug/pprof/trace?last=0.5s", 0},
        {"-type threadcreate", "threadcreate", "/debug/pprof/threadcreate", 0},
        {"-type fgprof", "fgprof", "/debug/fgprof?seconds=30", 30000},
        {"-type goroutineleak", "goroutineleak", "/debug/pprof/goroutineleak", 0},
        {"-type goroutineleak -duration 1m", "goroutineleak", "/debug/pprof/goroutineleak?seconds=60", 0},

        {"-type all -duration 7s", "cpu", "/debug/pprof/profile?seconds=7", 7000},
        {"-type all -duration 7s", "heap", "/debug/pprof/heap", 0},
        {"-type all -duration 7s", "goroutine", "/debug/pprof/goroutine", 0},
        {"-type all -duration 7s", "mutex", "/debug/pprof/mutex?seconds=7&rate=1&partial=1", 7000},
        {"-type all -duration 7s", "trace", "/debug/pprof/trace?seconds=7", 7000},
        {"-type all -duration 7s -mem-rate 64", "allocs", "/debug/pprof/allocs?seconds=7&rate=64&partial=1", 7000},
        {"-type all -sample-rate 9", "block", "/debug/pprof/block?seconds=30&rate=9&partial=1", 30000},
        {"-type all -sample-rate 9", "trace", "/debug/pprof/trace?seconds=5", 5000},
        {"-type all -sample-rate 9", "cpu", "/debug/pprof/profile?seconds=30", 30000},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct line line;
        struct buf request;
        char text[128];
        buf_init(&request);
        snprintf(text, sizeof(text), "takhin-profiler %s", cases[i].arguments);
        const struct profiler_command *command = parse_well(&line, text);
        const struct collectible *type = collectible_find(cases[i].type);
        assert_non_null(type);
        profiler_command_write_request(command, type, &request);
        assert_string_equal(buf_string(&request), cases[i].request);
        assert_int_equal(profiler_command_window_ns(command, type), cases[i].window_ms * (int64_t)NS_PER_MS);
        buf_deinit(&request);
        line_deinit(&line);
    }
}

static void only_the_flight_recorder_has_a_hint(void **state)
{
    (void)state;
    struct line line;
    const struct profiler_command *command = parse_well(&line, "takhin-profiler -type trace -last 10s");
    const char *hint = profiler_command_hint(command, command->types[0]);
    assert_non_null(hint);
    assert_non_null(strstr(hint, "profiler.trace_buffer"));
    line_deinit(&line);
    command = parse_well(&line, "takhin-profiler -type trace");
    assert_null(profiler_command_hint(command, command->types[0]));
    line_deinit(&line);
}

static void names_of_types_are_found_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < collectible_count; i++)
        assert_ptr_equal(collectible_find(collectibles[i].name), &collectibles[i]);
    assert_null(collectible_find("cp"));
    assert_null(collectible_find("all"));
    assert_null(collectible_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_the_guide_is_read),
        cmocka_unit_test(nothing_named_is_a_cpu_profile_of_this_machine),
        cmocka_unit_test(all_is_each_type_but_goroutineleak),
        cmocka_unit_test(flags_have_one_dash_or_two_and_either_separator),
        cmocka_unit_test(switches_take_true_and_false),
        cmocka_unit_test(the_last_action_counts),
        cmocka_unit_test(analyze_takes_flags_and_files_in_any_order),
        cmocka_unit_test(flags_that_need_an_analysis_ask_for_one),
        cmocka_unit_test(a_base_says_how_it_compares),
        cmocka_unit_test(what_cannot_be_is_refused_in_a_line_that_says_why),
        cmocka_unit_test(each_flag_of_collecting_is_refused_with_analyze),
        cmocka_unit_test(what_makes_sense_together_is_taken),
        cmocka_unit_test(each_type_asks_for_what_it_means),
        cmocka_unit_test(only_the_flight_recorder_has_a_hint),
        cmocka_unit_test(names_of_types_are_found_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
