/* burn.h: threads that use a known amount of CPU time, and what a profile says about them. */
#ifndef TESTS_PROFILER_BURN_H
#define TESTS_PROFILER_BURN_H

#include "base/check.h"
#include "base/clock.h"
#include "pprof/profile.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* ThreadSanitizer delivers signals later and drops some, with registers of a moment long gone: what a test can then
 * look for is races, not sums and stacks. */
#if defined(__SANITIZE_THREAD__)
#define SIGNALS_ARE_LATE true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_ARE_LATE true
#endif
#endif
#ifndef SIGNALS_ARE_LATE
#define SIGNALS_ARE_LATE false
#endif

/* How long those who will answer a signal are waited for. ThreadSanitizer has a thread of its own that never does. */
#define PATIENCE_NS (SIGNALS_ARE_LATE ? NS_PER_S : 30 * NS_PER_S)

static inline uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* Use up so much CPU time, however long the machine takes to give it. */
static NOINLINE UNUSED void burn(uint64_t cpu_ns)
{
    uint64_t end_ns = thread_cpu_ns() + cpu_ns;
    volatile uint64_t sink = 0;
    while (thread_cpu_ns() < end_ns)
        for (uint64_t i = 0; i < 20000; i++)
            sink = sink + i;
}

static inline const char *sample_label(const struct profile *profile, const struct profile_sample *sample,
                                       const char *key)
{
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(profile, sample->label_start + i);
        if (strcmp(profile_text(profile, label.key), key) == 0)
            return profile_text(profile, label.text);
    }
    return "";
}

/* CPU time of the samples that carry this label; of all, if key is NULL. */
static inline uint64_t labelled_ns(const struct profile *profile, const char *key, const char *text)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        if (!key || strcmp(sample_label(profile, sample, key), text) == 0)
            sum += (uint64_t)profile_sample_values(profile, sample)[1];
    }
    return sum;
}

static inline bool stack_holds(const struct profile *profile, const struct profile_sample *sample, const char *function)
{
    for (uint32_t i = 0; i < sample->location_count; i++) {
        uint32_t id = profile->sample_locations[sample->location_start + i];
        const struct profile_location *location = &profile->locations[id - 1];
        for (uint32_t j = 0; j < location->line_count; j++) {
            uint32_t name = profile->functions[profile->lines[location->line_start + j].function - 1].name;
            if (strcmp(profile_text(profile, name), function) == 0)
                return true;
        }
    }
    return false;
}

/* CPU time of the samples with this function on their stack. */
static inline uint64_t function_ns(const struct profile *profile, const char *function)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++)
        if (stack_holds(profile, &profile->samples[i], function))
            sum += (uint64_t)profile_sample_values(profile, &profile->samples[i])[1];
    return sum;
}

/* The first comment that holds this; NULL: none does. */
static inline const char *comment_with(const struct profile *profile, const char *part)
{
    for (uint32_t i = 0; i < profile->comment_count; i++)
        if (strstr(profile_text(profile, profile->comments[i]), part))
            return profile_text(profile, profile->comments[i]);
    return NULL;
}

static inline bool has_comment(const struct profile *profile, const char *part)
{
    return comment_with(profile, part) != NULL;
}

#endif
