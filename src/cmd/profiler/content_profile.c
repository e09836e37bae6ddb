/* content_profile.c: profiles, as go tool pprof reads them: the sum, and the table of functions. */
#include "cmd/profiler/content.h"

#include "cmd/profiler/command.h"
#include "pprof/decode.h"
#include "pprof/measure.h"
#include "pprof/top.h"

#include <inttypes.h>
#include <stdio.h>

#define ANALYZE_ROWS 20 /* of -analyze: a screen; pprof has the rest */

static int read_profile(struct bytes body, void **read_back, struct buf *problem)
{
    struct profile *profile;
    const char *text;
    int result = profile_decode(body, PROFILE_LIMITS_DEFAULT, &profile, &text);
    *read_back = profile;
    if (result != 0)
        buf_append_string(problem, text);
    return result;
}

static void destroy_profile(void *read_back)
{
    profile_destroy(read_back);
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

static void print_report(const struct profiler_command *command, void *read_back, size_t size)
{
    const struct profile *profile = read_back;
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

static int print_analysis(void *read_back, struct buf *message)
{
    struct buf table;
    buf_init(&table);
    int result = profile_top(read_back, ANALYZE_ROWS, &table);
    if (result == 0)
        fwrite(table.data, 1, table.size, stdout);
    else
        buf_append_string(message, "the profile's drop_frames is not a regular expression that can be analysed here: "
                                   "use go tool pprof -top");
    buf_deinit(&table);
    return result;
}

const struct profiler_content profiler_content_profile = {
    .noun = "profile",
    .read = read_profile,
    .print_report = print_report,
    .print_analysis = print_analysis,
    .destroy = destroy_profile,
};
