/* fuzz_pprof_analyse.c: any bytes as a profile, looked at in all ways that there are; the first bytes choose which. */
#include "base/buf.h"
#include "base/mem.h"
#include "pprof/decode.h"
#include "pprof/merge.h"
#include "pprof/report.h"
#include "pprof/simplify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The expressions that are asked for; the input brings one of its own. */
static const char *choose(uint8_t choice, const char *own)
{
    const char *const expressions[] = {NULL, "", "a", "^f[0-9]+$", "(?i)main|\\bx", own, own, "api=Fetch,x", "4kb:",
                                       ":1s", "latency=1ms:2s", "10"};
    return expressions[choice % ARRAY_COUNT(expressions)];
}

static void look_at(const struct profile *profile, const uint8_t choices[8], const char *own, bool is_difference)
{
    struct report_options options = {
        .filter = {.sample_index = choices[0] % 4 == 0 ? own : NULL,
                   .focus = choose(choices[1], own), .ignore = choose(choices[2], own),
                   .tag_focus = choose(choices[3], own), .tag_ignore = choose(choices[4], own)},
        .top = {.row_limit = choices[5] % 5, .by_cum = choices[5] & 64, .by_line = choices[5] & 128},
        .is_difference = is_difference, .elapsed_ns = choices[7]};
    struct buf words, script, notes, problem;
    buf_init(&words);
    buf_init(&script);
    buf_init(&notes);
    buf_init(&problem);
    struct json_writer json;
    json_writer_init(&json, &script);
    json_open_object(&json, NULL);
    int result = profile_write_report(profile, &options, &words, &notes, &problem);
    int json_result = profile_write_report_json(profile, &options, &json, &notes, &problem);
    ASSERT(result == json_result);
    ASSERT((result == 0) == (problem.size == 0) && (result == 0) == (words.size > 0));
    ASSERT((script.size > 1) == (result == 0));
    buf_deinit(&words);
    buf_deinit(&script);
    buf_deinit(&notes);
    buf_deinit(&problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CHOICES = 8, OWN = 16 };
    if (size < CHOICES + OWN)
        return 0;
    char own[OWN + 1] = {0};
    memcpy(own, data + CHOICES, OWN);
    struct profile_limits limits = {.plain_bytes = (size_t)1 << 20, .memory_bytes = (size_t)16 << 20};
    struct profile *profile, *other;
    const char *problem;
    struct bytes encoded = bytes_of(data + CHOICES + OWN, size - CHOICES - OWN);
    if (profile_decode(encoded, limits, &profile, &problem) != 0)
        return 0;
    look_at(profile, data, own, false);
    struct buf text;
    buf_init(&text);
    struct merge_input inputs[] = {{profile, "broker", own}, {.profile = profile}};
    int result = profile_merge(inputs, ARRAY_COUNT(inputs), &other, &text);
    ASSERT(result == 0); /* with itself it has everything in common */
    profile_simplify_names(other);
    look_at(other, data, own, false);
    profile_destroy(other);
    result = profile_subtract(profile, profile, data[6] & 1, &other, &text);
    ASSERT(result == 0);
    look_at(other, data, own, true);
    profile_destroy(other);
    buf_deinit(&text);
    profile_destroy(profile);
    return 0;
}
