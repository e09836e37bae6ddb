/* collect.h: a CPU profile begun, and any profile when its collection ends. */
#ifndef TESTS_PROFILER_COLLECT_H
#define TESTS_PROFILER_COLLECT_H

#include "base/clock.h"
#include "pprof/profile.h"
#include "profiler/collection.h"
#include "profiler/profiler.h"

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
