/* cpu_profile.h: what a reader of the CPU sampler collected, as a profile. */
#ifndef PROFILER_CPU_PROFILE_H
#define PROFILER_CPU_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

struct profile;
struct stack_table;
struct symbols;

/* All but the stacks, of the time that the reader read. */
struct cpu_profile_facts {
    int hz;              /* what the reader asked for */
    uint64_t period_ns;  /* CPU time between two samples of a thread, when it started */
    bool period_changed; /* other readers came or went and changed it */
    int64_t start_wall_ns;
    uint64_t duration_ns;
    uint64_t sample_count, lost_count, truncated_count, rootless_count;
    uint64_t handler_ns; /* estimated time in the signal handler, all threads */
    uint64_t refused_count; /* threads that had no timer at one time, at most, since sampling began */
    uint64_t process_ns; /* CPU time that the process used, by its own clock */
};

/* Sample types samples/count and cpu/nanoseconds, labels api, topic, client_id and thread. Finishes the table, which
 * stays the caller's, as the profile does. Reads symbol tables. [any] */
struct profile *cpu_profile_build(struct symbols *symbols, struct stack_table *stacks,
                                  const struct cpu_profile_facts *facts);

#endif
