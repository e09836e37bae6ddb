/* manual.c: the manual's text. Flags and types come out of their own tables. */
#include "cmd/profiler/manual.h"

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/command.h"

/* What is said of these, in their tables' order, is put between the items. */
struct part {
    struct manual_item item;
    enum { ITEM, FLAGS, TYPES } kind;
    enum command_flag_group group;
};

#define SECTION(title) {.item = {MANUAL_SECTION, title, NULL}}
#define SUBSECTION(title) {.item = {MANUAL_SUBSECTION, title, NULL}}
#define PARAGRAPH(words) {.item = {MANUAL_PARAGRAPH, NULL, words}}
#define TERM(name, words) {.item = {MANUAL_TERM, name, words}}
#define CODE(lines) {.item = {MANUAL_CODE, NULL, lines}}
#define FLAGS_OF(flag_group) {.kind = FLAGS, .group = (flag_group)}

static const struct part parts[] = {
    SECTION("SYNOPSIS"),
    CODE("takhin-profiler [flags]\n"
         "takhin-profiler analyze [flags] FILE..."),
    PARAGRAPH("The first form collects: it asks a running takhin, or several, for one profile or for all types at "
              "once, writes what comes to files, and shows what it says if `-analyze` or `-flamegraph` asks for that."),
    PARAGRAPH("The second form collects nothing: it shows what files from before say. They may be of other programs: "
              "any profile in the format that `go tool pprof` reads, gzipped or not, and traces that takhin wrote."),
    PARAGRAPH("Flags have one dash or two. A value follows behind a space or \"=\". In the second form flags and files "
              "may stand in any order; behind `--` everything is a file, and `-` is standard input."),

    SECTION("WHEN SOMETHING IS WRONG RIGHT NOW"),
    PARAGRAPH("On the machine of the takhin in question, or with `-remote` {HOST}:6060 from another:"),
    TERM("CPU is high", "`takhin-profiler -type cpu -duration 10s -analyze`"),
    TERM("memory grows", "`takhin-profiler -type heap -analyze`; to see what grows, see Comparing"),
    TERM("requests are slow", "`takhin-profiler -type trace -last 10s -analyze` says where the slowest requests of the "
         "last seconds spent their time; `takhin-profiler -type block -analyze` what all of them wait for"),
    TERM("nothing moves", "`takhin-profiler -type goroutine -analyze` says what each task does or waits for, and for "
         "how long"),
    TERM("no idea", "`takhin-profiler -type all -duration 30s -output-dir` {FOLDER} keeps everything for later, in "
         "half a minute"),
    PARAGRAPH("If it says that the profiler is off, see THE PROFILER OF TAKHIN IS OFF BY DEFAULT: it can be turned on "
              "without a restart."),

    SECTION("FLAGS"),
    SUBSECTION("Collecting"),
    FLAGS_OF(FLAGS_COLLECT),
    SUBSECTION("Files"),
    FLAGS_OF(FLAGS_OUTPUT),
    SUBSECTION("Showing what they say"),
    FLAGS_OF(FLAGS_ANALYZE),
    SUBSECTION("Others"),
    FLAGS_OF(FLAGS_OTHER),

    SECTION("TYPES"),
    {.kind = TYPES},
    TERM("`all`", "all of these but goroutineleak, at the same time: `-duration 30s` lasts 30 seconds"),
    PARAGRAPH("cpu, block, mutex, fgprof and trace are of the time that `-duration` says. heap, allocs, goroutine and "
              "threadcreate are of this moment; with `-duration`, or with `-mem-rate`, they say what came in that time "
              "(memory in use: what there is at its end). Of `-type all` they are of this moment unless `-mem-rate` is "
              "given. goroutineleak lists the tasks that have been parked for `-duration`, 10m unless it is named."),
    PARAGRAPH("trace with `-last` is of the time before now: what just went wrong is still in takhin's flight "
              "recorder, if its `profiler.trace_buffer` is not 0."),
    PARAGRAPH("takhin collects for at most its `profiler.max_duration`, five minutes unless it is configured "
              "otherwise. Durations of block, mutex and of what comes in a time are whole seconds."),

    SECTION("ADDRESS"),
    PARAGRAPH("`-remote` takes one of these, or several with commas between:"),
    TERM("{HOST}, {HOST}:{PORT}", "port 6060 unless it is named; an IPv6 address stands in brackets, `[::1]:6060`"),
    TERM("`http://`{HOST}:{PORT}{/PREFIX}", "as a browser has it; the prefix is that of a reverse proxy, and "
         "`/debug/pprof/` may follow"),
    TERM("`https://`{USER}:{PASSWORD}@{HOST}{/PREFIX}", "over TLS, port 443 unless it is named, with a user and a "
         "password for what is in front of takhin"),
    TERM("`unix:`{PATH}", "a socket, such as ssh -L makes"),
    PARAGRAPH("Without `-remote` it is this machine's takhin: profiler.host and profiler.port of the `-config` file, "
              "overridden by TAKHIN_PROFILER_HOST and TAKHIN_PROFILER_PORT, else 127.0.0.1:6060. There a host of "
              "0.0.0.0 or :: (takhin listens everywhere) means this machine."),
    PARAGRAPH("Other users of a machine can read a password that stands in a command. A line in ~/.netrc they cannot "
              "(chmod 600); of several users `-remote http://`{USER}@{HOST} chooses one:"),
    CODE("machine takhin.example.com login USER password PASSWORD"),
    PARAGRAPH("A certificate must be signed by an authority that the system knows, or one of those in the file that "
              "SSL_CERT_FILE names. Connections are direct, without a proxy, and redirects are not followed."),
    SUBSECTION("Several brokers"),
    PARAGRAPH("All are asked at the same time. Their profiles become one in which each sample has the label `broker`, "
              "so that `-tagfocus broker=`{HOST} shows one of them again; with `-split` each stays a file of its own. "
              "Traces always do. If some do not answer, what the others said is kept, and the exit status is 3."),

    SECTION("ANALYSIS"),
    PARAGRAPH("`-analyze`, and `takhin-profiler analyze`, print first in words what stands out and what to look at "
              "next, then the functions that used most, with the columns and the rounding of `go tool pprof -top`, "
              "then how much each value of the labels has: api, topic, thread. Flat is what a function used itself, "
              "cum with everything that it called."),
    PARAGRAPH("Of goroutine it also prints each group of equal stacks with its state and the longest wait, of block "
              "and mutex who waits for whom, of heap what is held beside what was allocated. Of a trace: the slowest "
              "requests, and where their time went."),
    SUBSECTION("Filters"),
    PARAGRAPH("They mean what they mean to `go tool pprof`, and ask for an analysis by themselves. Names of functions, "
              "files and libraries are searched for `-focus` and `-ignore` as regular expressions:"),
    CODE("takhin-profiler analyze -focus 'storage_log_' -ignore fsync cpu.prof"),
    PARAGRAPH("`-tagfocus` and `-tagignore` ask for labels:"),
    TERM("`api=Fetch`", "the label api matches Fetch; of `api=Fetch,Produce` either may"),
    TERM("`Fetch`", "any label does; of `Fetch,orders` both must be found"),
    TERM("`bytes=4kb:1mb`", "a number within a range; `4kb:` and `:1mb` are open at an end"),
    PARAGRAPH("`-sample_index` chooses what is counted where a profile has several values: inuse_space, inuse_objects, "
              "alloc_space and alloc_objects of heap, contentions and delay of block and mutex, samples and cpu of "
              "cpu."),
    SUBSECTION("Comparing"),
    PARAGRAPH("`-base` takes off what was there before: what is left has come since. `-diff_base` does the same, and "
              "percentages are of the profile before. What shrank is negative."),
    CODE("takhin-profiler -type heap -output heap1.prof\n"
         "takhin-profiler -type heap -output heap2.prof -base heap1.prof     # five minutes later\n"
         "takhin-profiler analyze -base heap1.prof heap2.prof                # or of files from before"),
    SUBSECTION("For scripts"),
    PARAGRAPH("`-json` prints one JSON object a line and file, `-folded` a line a stack, root first, functions with "
              "\";\" between, then a space and the value. With either, standard output holds nothing else; what was "
              "written is reported on standard error."),

    SECTION("DRAWING"),
    PARAGRAPH("`-flamegraph` writes a page beside the profile, cpu.html beside cpu.prof: one file that needs no "
              "network and no server. Open it in a browser; click on a frame to zoom, \"/\" searches, \"?\" shows all "
              "keys. With `-base` it compares: red is what grew, blue what shrank. It also prints the command with "
              "which `go tool pprof` shows the same."),

    SECTION("FILES"),
    TERM("{TYPE}.prof, trace.out", "in the current folder: the default names. `-output` takes another"),
    TERM("{TYPE}_{TIME}.prof, trace_{TIME}.out", "in the folder of `-output-dir`; the time is that of UTC, as "
         "20261123T114734Z. There nothing is replaced: another one of the same second is {TYPE}_{TIME}-2.prof"),
    TERM("{TYPE}_{BROKER}.prof, trace_{BROKER}.out", "of one of several brokers: traces, and with `-split` "
         "profiles. In the folder of `-output-dir` the time follows"),
    TERM("manifest.json", "in the folder of `-output-dir`: which broker, of which version, over which time, at which "
         "rates, and what failed, of the latest run. That of a run before is renamed to manifest_{TIME}.json"),
    TERM("{PROFILE}.html", "the page of `-flamegraph`"),
    PARAGRAPH("A file appears under its name only when it is complete and readable. While it is collected it is called "
              "{FILE}.partial-{XXXXXX}; an error or a full disk leaves nothing behind. Profiles are gzipped protocol "
              "buffers (profile.proto), which go tool pprof, speedscope, Pyroscope and Parca read; a trace is in "
              "Go's format, which `go tool trace` of Go 1.19 and later reads."),

    SECTION("THE PROFILER OF TAKHIN IS OFF BY DEFAULT"),
    PARAGRAPH("Start takhin with TAKHIN_PROFILER_ENABLED=true, or set this in its takhin.yaml:"),
    CODE("profiler:\n"
         "  enabled: true"),
    PARAGRAPH("A takhin that runs reads the file again when it gets a SIGHUP, and keeps its clients meanwhile:"),
    CODE("kill -HUP $(pidof takhin)"),

    SECTION("INTERRUPT"),
    PARAGRAPH("Ctrl-C ends early what is being collected: takhin answers with what it has by then, and that is written "
              "and said to be shorter than asked for. What is not whole is left out; over https:// what takes time "
              "cannot be ended early, and is given up. Ctrl-C once more gives up all."),

    SECTION("EXIT STATUS"),
    TERM("0", "all is done, or after Ctrl-C all that was collected was kept"),
    TERM("1", "it failed: the reason, and what to do about it, is on standard error"),
    TERM("2", "the command line or the configuration is wrong; nothing was asked of anybody"),
    TERM("3", "some of several types, brokers or files failed; the others are done"),

    SECTION("ENVIRONMENT"),
    TERM("TAKHIN_PROFILER_HOST, TAKHIN_PROFILER_PORT", "the address where `-remote` names none, before the `-config` "
         "file"),
    TERM("SSL_CERT_FILE", "a file with the certificates of authorities that https:// is to trust"),
    TERM("HOME", "where .netrc is"),
    TERM("TERM", "if it is dumb there is no bar, but plain lines"),
    TERM("TZ", "the zone of times that are shown"),

    SECTION("EXAMPLES"),
    CODE("takhin-profiler -type cpu -duration 30s -remote localhost:6060 -analyze\n"
         "takhin-profiler -config configs/takhin.yaml -output /tmp/before.prof\n"
         "takhin-profiler -type all -duration 30s -output-dir /tmp/profiles\n"
         "takhin-profiler -type block -duration 60s -analyze          # what makes requests slow\n"
         "takhin-profiler -type trace -last 10s -analyze              # which ones were, just now, and why\n"
         "takhin-profiler -remote kafka1,kafka2,kafka3 -analyze       # the CPU of three brokers as one\n"
         "takhin-profiler -type cpu -flamegraph                       # cpu.prof, and cpu.html to look at\n"
         "takhin-profiler analyze -tagfocus api=Fetch -cum cpu.prof   # a file from before\n"
         "takhin-profiler -type cpu -folded | flamegraph.pl > cpu.svg\n"
         "takhin-profiler -type heap -json | jq .\n"
         "go tool pprof -http=:8080 cpu.prof\n"
         "go tool trace trace.out\n"
         "source <(takhin-profiler -completion)                       # bash completes flags from now on"),

    SECTION("SEE ALSO"),
    PARAGRAPH("`takhin -h` for every key of the configuration; http://localhost:6060/debug/pprof/ for the same "
              "profiles in a browser; https://github.com/google/pprof for the format."),
};

static void walk_flags(enum command_flag_group group, void (*visit)(const struct manual_item *item, void *context),
                       void *context)
{
    struct buf term;
    const struct command_flag *flag;
    buf_init(&term);
    for (size_t i = 0; (flag = profiler_command_flag(i)) != NULL; i++) {
        if (flag->group != group || flag->meaning == NULL)
            continue;
        buf_clear(&term);
        buf_printf(&term, "`-%s`", flag->name);
        if (flag->value != NULL)
            buf_printf(&term, " {%s}", flag->value);
        struct manual_item item = {MANUAL_TERM, buf_string(&term), flag->meaning};
        visit(&item, context);
    }
    buf_deinit(&term);
}

static void walk_types(void (*visit)(const struct manual_item *item, void *context), void *context)
{
    struct buf term;
    buf_init(&term);
    for (size_t i = 0; i < collectible_count; i++) {
        buf_clear(&term);
        buf_printf(&term, "`%s`", collectibles[i].name);
        struct manual_item item = {MANUAL_TERM, buf_string(&term), collectibles[i].meaning};
        visit(&item, context);
    }
    buf_deinit(&term);
}

void manual_walk(void (*visit)(const struct manual_item *item, void *context), void *context)
{
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        switch (parts[i].kind) {
        case ITEM: visit(&parts[i].item, context); break;
        case FLAGS: walk_flags(parts[i].group, visit, context); break;
        case TYPES: walk_types(visit, context); break;
        }
    }
}
