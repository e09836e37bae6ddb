/* fuzz_pprof_flamegraph.c: whatever a profile holds, the page's data has no way out of its element, and folded stacks
 * are lines that end in a number. */
#include "base/check.h"
#include "pprof/decode.h"
#include "pprof/flamegraph.h"
#include "pprof/folded.h"

#include <ctype.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_page(const struct profile *profile)
{
    static const char begin[] = "<script type=\"application/json\" id=\"data\">";
    struct buf page;
    buf_init(&page);
    if (profile_write_flamegraph(profile, profile, NULL, &page) == 0) {
        const char *at = strstr(buf_string(&page), begin);
        ASSERT(at != NULL);
        at = strchr(at + 1, '<');
        ASSERT(at != NULL && strncmp(at, "</script>", 9) == 0);
        at = strchr(at + 1, '<');
        ASSERT(at != NULL && strncmp(at, "<script>", 8) == 0);
    }
    buf_deinit(&page);
}

static void check_folded(const struct profile *profile)
{
    struct buf out;
    buf_init(&out);
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        struct filter filter;
        char index[16];
        snprintf(index, sizeof(index), "%u", i);
        buf_clear(&out);
        if (filter_init(&filter, profile, &(struct filter_options){.sample_index = index}, &out) != 0)
            continue;
        int result = profile_write_folded(&filter, &out);
        ASSERT(result == 0);
        filter_deinit(&filter);
        ASSERT(out.size == 0 || out.data[out.size - 1] == '\n');
        for (size_t j = 0; j < out.size; j++)
            ASSERT(out.data[j] != '\n' || (j > 1 && isdigit(out.data[j - 1])));
    }
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct profile *profile;
    const char *problem;
    struct profile_limits limits = {.plain_bytes = 1 << 20, .memory_bytes = 16 << 20};
    if (profile_decode(bytes_of(data, size), limits, &profile, &problem) != 0)
        return 0;
    check_page(profile);
    check_folded(profile);
    profile_destroy(profile);
    return 0;
}
