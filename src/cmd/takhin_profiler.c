/* takhin_profiler.c: the program that collects a profile from a takhin, writes it, and shows what it says. */
#include "base/buf.h"
#include "base/error.h"
#include "base/units.h"
#include "cmd/profiler_address.h"
#include "cmd/profiler_fetch.h"
#include "cmd/profiler_command.h"
#include "cmd/profiler_output.h"
#include "config/config.h"
#include "pprof/decode.h"
#include "pprof/measure.h"
#include "pprof/top.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANALYZE_ROWS 20 /* of -analyze: a screen; pprof has the rest */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void install_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_COUNT(stopping); i++)
        sigaction(stopping[i], &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file size limit is an error of write(), with a message */
}

static void print_buf(struct buf *text, FILE *stream)
{
    fwrite(text->data, 1, text->size, stream);
}

/* Of all samples, in the column that is shown where nobody names another. */
static void print_total(const struct profile *profile)
{
    uint32_t column = profile->sample_type_count - 1;
    for (uint32_t i = 0; i < profile->sample_type_count; i++)
        if (profile->sample_types[i].type == profile->default_sample_type)
            column = i;
    uint64_t total = 0; /* unsigned: whoever answered may have sent anything */
    for (uint32_t i = 0; i < profile->sample_count; i++)
        total += (uint64_t)profile->sample_values[profile->samples[i].value_start + column];
    char text[128];
    const struct profile_value_type *type = &profile->sample_types[column];
    measure_format((int64_t)total, profile_text(profile, type->unit), MEASURE_BEST_UNIT, text, sizeof text);
    printf("%s %s in %" PRIu32 " %s", profile_text(profile, type->type), text, profile->sample_count,
           profile->sample_count == 1 ? "stack" : "stacks");
}

static void print_report(const struct profiler_command *command, const struct profile *profile, size_t size)
{
    char size_text[128], duration[128];
    measure_format((int64_t)size, "bytes", MEASURE_BEST_UNIT, size_text, sizeof(size_text));
    measure_format(profile->duration_ns, "nanoseconds", MEASURE_BEST_UNIT, duration, sizeof(duration));
    printf("wrote %s: %s, ", command->output, size_text);
    print_total(profile);
    if (profile->duration_ns > 0)
        printf(", of %s", duration);
    putchar('\n');
    if (profile->sample_count == 0 && command->type->empty != NULL)
        printf("No samples: %s\n", command->type->empty);
    printf("next:\n"
           "  go tool pprof -top %s\n"
           "  go tool pprof -http=:8080 %s\n",
           command->output, command->output);
}

static int print_analysis(const struct profile *profile, struct buf *message)
{
    struct buf table;
    buf_init(&table);
    int result = profile_top(profile, ANALYZE_ROWS, &table);
    if (result == 0)
        print_buf(&table, stdout);
    else
        buf_append_string(message, "the profile was written, but its drop_frames is not a regular expression "
                                   "that can be analysed here: use go tool pprof -top");
    buf_deinit(&table);
    return result;
}

static int show(const struct profiler_command *command, const struct profile *profile, size_t size,
                struct buf *message)
{
    int result = 0;
    if (!command->quiet)
        print_report(command, profile, size);
    if (command->analyze) {
        if (!command->quiet)
            putchar('\n');
        result = print_analysis(profile, message);
    }
    if (command->flamegraph)
        printf("%sflame graph: go tool pprof -http=:8080 %s\n"
               "             then open http://localhost:8080/ui/flamegraph\n",
               command->quiet ? "" : "\n", command->output);
    return result;
}

/* What the server sent, as a profile: or why not, and what came instead. */
static int decode_body(const char *address, struct bytes body, struct profile **profile, struct buf *message)
{
    const char *problem;
    int result = profile_decode(body, PROFILE_LIMITS_DEFAULT, profile, &problem);
    if (result == 0)
        return 0;
    buf_printf(message, "what %s sent is no profile: %s.\nIt begins with ", address, problem);
    fetch_describe(body, message);
    buf_append_string(message, ". Is that the debug port of a takhin?");
    return result;
}

static int collect(const struct profiler_command *command, struct profiler_address *from, struct buf *message)
{
    struct output output;
    struct profile *profile = NULL;
    struct buf body, target;
    buf_init(&body);
    buf_init(&target);
    profiler_command_write_target(command, &target);
    const char *address = buf_string(&from->text);
    struct fetch fetch = {
        .address = address,
        .type_name = command->type->name,
        .target = buf_string(&target),
        .duration_ns = profiler_command_window_ns(command),
        .body_limit = PROFILE_LIMITS_DEFAULT.plain_bytes,
        .quiet = command->quiet,
        .off_in = from->is_off ? command->config_file : NULL,
        .interrupted = &interrupted,
    };
    int result = output_open(&output, command->output, message);
    if (result == 0)
        result = fetch_profile(&fetch, &body, message);
    if (result == 0)
        result = decode_body(address, buf_bytes(&body), &profile, message);
    if (result == 0)
        result = output_commit(&output, buf_bytes(&body), message);
    if (result == 0)
        result = show(command, profile, body.size, message);
    output_close(&output);
    profile_destroy(profile);
    buf_deinit(&target);
    buf_deinit(&body);
    return result;
}

static int run(const struct profiler_command *command, struct buf *message)
{
    struct profiler_address address;
    int result = profiler_address_find(command, &address, message);
    if (address.warnings.size > 0 && !command->quiet)
        fprintf(stderr, "%s\n", buf_string(&address.warnings));
    if (result == 0)
        result = collect(command, &address, message);
    profiler_address_deinit(&address);
    return result;
}

int main(int argc, char **argv)
{
    struct profiler_command command;
    struct buf message, help;
    buf_init(&message);
    buf_init(&help);
    install_signals();

    int result = profiler_command_parse(argc, argv, &command, &message);
    if (result == 0 && command.action == PROFILER_PRINT_VERSION) {
        printf("takhin-profiler %s\n", TAKHIN_VERSION);
    } else if (result == 0 && command.action == PROFILER_PRINT_HELP) {
        profiler_command_write_help(&help);
        print_buf(&help, stdout);
    } else if (result == 0) {
        result = run(&command, &message);
    }
    if (message.size > 0)
        fprintf(stderr, "takhin-profiler: %s\n", buf_string(&message));
    if (result == ERR_CONFIG)
        fprintf(stderr, "takhin-profiler -h shows all flags.\n");
    buf_deinit(&help);
    buf_deinit(&message);
    if ((fflush(stdout) != 0 || ferror(stdout)) && result == 0) {
        perror("takhin-profiler: standard output");
        result = ERR_IO;
    }
    return result == 0 ? 0 : result == ERR_CONFIG ? CONFIG_EXIT_STATUS : 1;
}
