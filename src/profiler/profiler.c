/* profiler.c: puts the walker, the symbols, the samplers and their rates, and the trace's recorder together. */
#include "profiler/profiler.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/label.h"
#include "base/mem.h"
#include "profiler/capture.h"
#include "profiler/captures.h"
#include "profiler/cpu.h"
#include "profiler/rates.h"
#include "profiler/symbols.h"
#include "profiler/trace_recorder.h"
#include "profiler/unwind.h"

#include <pthread.h>

struct profiler {
    struct unwinder *unwinder;
    struct symbols *symbols;
    struct cpu_sampler *cpu;
    struct rates *rates;
    struct trace_recorder *recorder;
    struct captures *captures;
    pthread_mutex_t lock; /* of the options */
    struct profiler_options options;
    int64_t configured_ns; /* since 1970: when these options came */
};

/* The caller's texts may not live as long, and may be these very ones. The lock is held. */
static void copy_options(struct profiler *profiler, const struct profiler_options *options)
{
    char *capture_dir = mem_copy_string(options->capture_dir ? options->capture_dir : "");
    mem_free((char *)profiler->options.capture_dir);
    profiler->options = *options;
    profiler->options.capture_dir = capture_dir;
    profiler->options.host = NULL;
}

static bool are_in_range(const struct profiler_options *options)
{
    return options->cpu_hz >= CPU_HZ_MIN && options->cpu_hz <= CPU_HZ_MAX && options->trace_buffer >= 0 &&
           (uint64_t)options->trace_buffer <= TRACE_BUFFER_MAX;
}

/* The lock is held. */
static void apply_options(struct profiler *profiler, const struct profiler_options *options)
{
    ASSERT(are_in_range(options));
    copy_options(profiler, options);
    profiler->configured_ns = clock_wall_ns();
    label_key_switch(LABEL_TOPIC, options->label_topics);
    label_key_switch(LABEL_CLIENT_ID, options->label_clients);
    rates_configure(profiler->rates, &profiler->options);
    trace_recorder_configure(profiler->recorder, (uint64_t)options->trace_buffer);
    captures_configure(profiler->captures, &profiler->options);
}

int profiler_create(struct profiler **created, const struct profiler_options *options)
{
    if (!are_in_range(options))
        return ERR_OUT_OF_RANGE;
    struct profiler *profiler = MEM_NEW(struct profiler);
    pthread_mutex_init(&profiler->lock, NULL);
    profiler->unwinder = unwinder_create();
    profiler->symbols = symbols_create();
    profiler->cpu = cpu_sampler_create(profiler->unwinder, profiler->symbols);
    profiler->rates = rates_create();
    profiler->recorder = trace_recorder_create();
    profiler->captures = captures_create(profiler);
    capture_install(profiler->unwinder, profiler->symbols);
    profiler_reconfigure(profiler, options); /* now that whoever is switched on can capture */
    *created = profiler;
    return 0;
}

void profiler_destroy(struct profiler *profiler)
{
    if (!profiler)
        return;
    captures_destroy(profiler->captures);
    trace_recorder_destroy(profiler->recorder);
    rates_destroy(profiler->rates); /* nobody captures any more once all are 0 */
    capture_remove();
    cpu_sampler_destroy(profiler->cpu);
    symbols_destroy(profiler->symbols);
    unwinder_destroy(profiler->unwinder);
    pthread_mutex_destroy(&profiler->lock);
    mem_free((char *)profiler->options.capture_dir);
    mem_free(profiler);
}

void profiler_reconfigure(struct profiler *profiler, const struct profiler_options *options)
{
    pthread_mutex_lock(&profiler->lock);
    apply_options(profiler, options);
    pthread_mutex_unlock(&profiler->lock);
}

void profiler_change(struct profiler *profiler, bool (*change)(struct profiler_options *options, void *context),
                     void *context)
{
    pthread_mutex_lock(&profiler->lock);
    struct profiler_options options = profiler->options;
    if (change(&options, context))
        apply_options(profiler, &options);
    pthread_mutex_unlock(&profiler->lock);
}

struct profiler_options profiler_options(const struct profiler *profiler)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&profiler->lock; /* only the lock changes */
    pthread_mutex_lock(lock);
    struct profiler_options options = profiler->options;
    pthread_mutex_unlock(lock);
    return options;
}

int64_t profiler_configured_ns(const struct profiler *profiler)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&profiler->lock;
    pthread_mutex_lock(lock);
    int64_t configured_ns = profiler->configured_ns;
    pthread_mutex_unlock(lock);
    return configured_ns;
}

struct unwinder *profiler_unwinder(struct profiler *profiler)
{
    return profiler->unwinder;
}

struct cpu_sampler *profiler_cpu(struct profiler *profiler)
{
    return profiler->cpu;
}

struct symbols *profiler_symbols(struct profiler *profiler)
{
    return profiler->symbols;
}

struct rates *profiler_rates(struct profiler *profiler)
{
    return profiler->rates;
}

struct trace_recorder *profiler_trace_recorder(struct profiler *profiler)
{
    return profiler->recorder;
}

struct captures *profiler_captures(struct profiler *profiler)
{
    return profiler->captures;
}
