/* collect.h: a profiler for tests, and profiles of it by the name of their type. */
#ifndef TESTS_PROFILER_COLLECT_H
#define TESTS_PROFILER_COLLECT_H

#include "base/clock.h"
#include "pprof/profile.h"
#include "profiler/collection.h"
#include "profiler/profiler.h"

/* All but the CPU sampler is off. NULL: it cannot be. */
static inline struct profiler *new_profiler(void)
{
    const struct profiler_options options = {.enabled = true, .cpu_hz = 100, .label_topics = true,
                                             .label_clients = true, .max_duration_ns = 3600 * (int64_t)NS_PER_S};
    struct profiler *profiler = NULL;
    return profiler_create(&profiler, &options) == 0 ? profiler : NULL;
}

static inline int open_cpu(struct profiler *profiler, int64_t hz, struct collection **collection)
{
    const struct profile_query query = {.rate = hz};
    return collection_open(profiler, profile_type_find(bytes_of_string("profile")), &query, collection);
}

static inline struct profile *finish(struct collection *collection)
{
    struct profile *profile = collection_profile(collection);
    collection_close(collection);
    return profile;
}

#endif
