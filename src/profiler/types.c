/* types.c: every kind of profile that there is. */
#include "profiler/type.h"

/* Each is a row in a file of its own. */
extern const struct profile_type profile_type_allocs;
extern const struct profile_type profile_type_block;
extern const struct profile_type profile_type_fgprof;
extern const struct profile_type profile_type_goroutine;
extern const struct profile_type profile_type_goroutineleak;
extern const struct profile_type profile_type_heap;
extern const struct profile_type profile_type_mutex;
extern const struct profile_type profile_type_profile;
extern const struct profile_type profile_type_threadcreate;

/* In order of name, which is the order of the index page. */
const struct profile_type *const profile_types[] = {
    &profile_type_allocs,
    &profile_type_block,
    &profile_type_fgprof,
    &profile_type_goroutine,
    &profile_type_goroutineleak,
    &profile_type_heap,
    &profile_type_mutex,
    &profile_type_profile,
    &profile_type_threadcreate,
};

const unsigned profile_type_count = ARRAY_COUNT(profile_types);

const struct profile_type *profile_type_find(struct bytes name)
{
    for (unsigned i = 0; i < profile_type_count; i++)
        if (bytes_equal_string(name, profile_types[i]->name))
            return profile_types[i];
    return NULL;
}
