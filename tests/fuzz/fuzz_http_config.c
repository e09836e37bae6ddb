/* fuzz_http_config.c: any body gives settings within their limits, or a refusal that changes nothing. */
#include "http/control.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct profiler_options before = {.cpu_hz = 100, .mem_rate = 524288, .label_topics = true};
    struct profiler_options after = before;
    struct buf text;
    buf_init(&text);
    int rc = control_decode(bytes_of(data, size), &after, &text);
    if (rc == 0) {
        ASSERT(text.size == 0);
        ASSERT(after.cpu_hz >= 1 && after.cpu_hz <= PROFILER_CPU_HZ_MAX);
        ASSERT(after.mem_rate >= 0 && after.mem_rate <= PROFILER_MEM_RATE_MAX);
        ASSERT(after.block_rate >= 0 && after.block_rate <= PROFILER_BLOCK_RATE_MAX);
        ASSERT(after.mutex_fraction >= 0 && after.mutex_fraction <= PROFILER_MUTEX_FRACTION_MAX);

        /* What is written is read again as the same. */
        struct profiler_options again = {.cpu_hz = 1};
        buf_append_byte(&text, '{');
        control_write(&after, &text);
        buf_append_byte(&text, '}');
        struct buf problem;
        buf_init(&problem);
        ASSERT(control_decode(buf_bytes(&text), &again, &problem) == 0);
        control_write_changes(&after, &again, &problem);
        ASSERT(problem.size == 0);
        buf_deinit(&problem);
    } else {
        ASSERT(text.size > 0);
        ASSERT(memcmp(&after, &before, sizeof after) == 0);
    }
    buf_deinit(&text);
    return 0;
}
