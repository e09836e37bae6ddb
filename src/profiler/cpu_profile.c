/* cpu_profile.c: stacks and their weights become samples, the circumstances become comments. */
#include "profiler/cpu_profile.h"

#include "base/clock.h"
#include "base/mem.h"
#include "pprof/profile.h"
#include "profiler/stack_table.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <inttypes.h>

static uint32_t add_label(struct profile *profile, struct profile_label *labels, uint32_t count, const char *key,
                          const char *text)
{
    if (!text)
        return count;
    labels[count] = (struct profile_label){.key = profile_string(profile, key), .text = profile_string(profile, text)};
    return count + 1;
}

static void add_sample(struct profile *profile, struct symbol_writer *writer, const struct stack_entry *entry)
{
    const struct stack_key *key = &entry->key;
    uint32_t locations[UNWIND_DEPTH_MAX], location_count = key->depth;
    if (location_count == 0)
        locations[location_count++] = symbol_writer_named(writer, key->function);
    else
        symbol_writer_stack(writer, key->epoch, key->pcs, key->depth, key->is_parked, locations);

    struct profile_label labels[LABEL_KEY_COUNT];
    uint32_t label_count = 0;
    for (int i = 0; i < LABEL_KEY_COUNT; i++)
        label_count = add_label(profile, labels, label_count, label_key_name((enum label_key)i), key->labels[i]);

    profile_add_sample(profile, locations, location_count, entry->values, labels, label_count);
}

static void add_comment(struct profile *profile, char *text)
{
    profile_add_comment(profile, text);
    mem_free(text);
}

static void add_comments(struct profile *profile, const struct cpu_profile_facts *facts, int64_t cpu_ns)
{
    add_comment(profile, mem_printf("takhin %s", TAKHIN_VERSION));
    add_comment(profile, mem_printf("engine: timer_create on each thread's CPU clock, hz asked: %d, period: %.3f ms%s",
                                    facts->hz, (double)profile->period / (double)NS_PER_MS,
                                    facts->period_changed ? " on average, changed by other readers" : ""));
    add_comment(profile, mem_printf("samples: %" PRIu64 ", lost: %" PRIu64 ", truncated: %" PRIu64
                                    ", not walked to the root: %" PRIu64,
                                    facts->sample_count, facts->lost_count, facts->truncated_count,
                                    facts->rootless_count));
    add_comment(profile, mem_printf("CPU time: %.3f s here, %.3f s by the process's clock; threads that live for less "
                                    "than 0.1 s may be missing",
                                    (double)cpu_ns / (double)NS_PER_S, (double)facts->process_ns / (double)NS_PER_S));
    if (facts->refused_count > 0)
        add_comment(profile, mem_printf("threads that are missing: %" PRIu64 "; the kernel gave no timer (ulimit -i), "
                                        "or there are more than the sampler takes",
                                        facts->refused_count));
    add_comment(profile, mem_printf("overhead: %.4f %% of the CPU time, in signal handlers",
                                    cpu_ns > 0 ? 100.0 * (double)facts->handler_ns / (double)cpu_ns : 0.0));
}

struct profile *cpu_profile_build(struct symbols *symbols, struct stack_table *stacks,
                                  const struct cpu_profile_facts *facts)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    profile->period_type = profile->sample_types[1];
    profile->time_ns = facts->start_wall_ns;
    profile->duration_ns = (int64_t)facts->duration_ns;

    size_t entry_count;
    const struct stack_entry *entries = stack_table_sort(stacks, &entry_count);
    struct symbol_writer *writer = symbol_writer_create(symbols, profile);
    int64_t count = 0, cpu_ns = 0;
    for (size_t i = 0; i < entry_count; i++) {
        add_sample(profile, writer, &entries[i]);
        count += entries[i].values[0];
        cpu_ns += entries[i].values[1];
    }
    symbol_writer_destroy(writer);

    bool is_average = facts->period_changed && count > 0;
    profile->period = is_average ? cpu_ns / count : (int64_t)facts->period_ns;
    add_comments(profile, facts, cpu_ns);
    return profile;
}
