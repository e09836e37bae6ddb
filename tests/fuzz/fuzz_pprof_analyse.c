/* fuzz_pprof_analyse.c: any bytes as a profile, looked at in all the ways that there are; the first bytes choose which. */
#include "base/buf.h"
#include "base/mem.h"
#include "pprof/by_label.h"
#include "pprof/decode.h"
#include "pprof/merge.h"
#include "pprof/simplify.h"
#include "pprof/summary.h"
#include "pprof/top.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The expressions that are asked for; the input brings one of its own. */
static const char *choose(uint8_t choice, const char *own)
{
    const char *const expressions[] = {NULL, "", "a", "^f[0-9]+$", "(?i)main|\\bx", own, own, "api=Fetch,x", "4kb:", ":1s",
                                       "latency=1ms:2s", "10"};
    return expressions[choice % ARRAY_COUNT(expressions)];
}

static void look_at(const struct profile *profile, const uint8_t choices[8], const char *own, bool is_difference)
{
    struct buf out;
    buf_init(&out);
    struct filter filter;
    struct filter_options options = {.sample_index = choices[0] % 4 == 0 ? own : NULL,
                                     .focus = choose(choices[1], own), .ignore = choose(choices[2], own),
                                     .tag_focus = choose(choices[3], own), .tag_ignore = choose(choices[4], own)};
    if (filter_init(&filter, profile, &options, &out) != 0) {
        ASSERT(out.size > 0);
        buf_deinit(&out);
        return;
    }
    struct json json;
    json_init(&json, &out);
    struct top top;
    top_init(&top, &filter, &(struct top_options){.row_limit = choices[5] % 5, .by_cum = choices[5] & 64,
                                                  .by_line = choices[5] & 128});
    ASSERT(top.row_count <= top.candidate_count);
    top_print(&top, &out);
    top_write_json(&top, &json, NULL);
    top_deinit(&top);
    struct summary summary;
    summary_init(&summary, &filter, is_difference);
    summary_print(&summary, &out);
    summary_write_json(&summary, &json, "summary");
    summary_deinit(&summary);
    const char *keys[3];
    size_t key_count = by_label_keys(profile, keys, ARRAY_COUNT(keys));
    for (size_t i = 0; i < key_count && i < ARRAY_COUNT(keys); i++) {
        struct by_label table;
        by_label_init(&table, &filter, keys[i]);
        by_label_print(&table, 2, &out);
        by_label_write_json(&table, &json, keys[i]);
        by_label_deinit(&table);
    }
    filter_deinit(&filter);
    buf_deinit(&out);
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
