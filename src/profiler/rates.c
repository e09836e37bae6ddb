/* rates.c: for each kind of rate what is configured and what requests have asked for; the finest is in force. */
#include "profiler/rates.h"

#include "base/error.h"
#include "base/mem.h"
#include "profiler/contention.h"
#include "profiler/heap.h"

#include <pthread.h>

/* How each kind of rate gets to its sampler. A smaller one is finer; 0 is none at all. */
static const struct {
    int64_t maximum;
    void (*apply)(int64_t value); /* NULL: not here */
} kinds[] = {
    [PROFILE_RATE_HZ] = {PROFILER_CPU_HZ_MAX, NULL},
    [PROFILE_RATE_MEMORY] = {PROFILER_MEM_RATE_MAX, heap_set_rate},
    [PROFILE_RATE_BLOCK] = {PROFILER_BLOCK_RATE_MAX, contention_set_block_rate},
    [PROFILE_RATE_MUTEX] = {PROFILER_MUTEX_FRACTION_MAX, contention_set_mutex_fraction},
};

#define KIND_COUNT ARRAY_COUNT(kinds)

/* What a request wants of one kind, for as long as it runs. */
struct wish {
    enum profile_rate kind;
    int64_t value;
    struct wish *next;
};

struct rates {
    pthread_mutex_t lock;
    int64_t configured[KIND_COUNT], in_force[KIND_COUNT];
    struct wish *wishes;
};

struct rates *rates_create(void)
{
    struct rates *rates = MEM_NEW(struct rates);
    pthread_mutex_init(&rates->lock, NULL);
    return rates;
}

/* The lock is held. */
static void apply(struct rates *rates)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        int64_t finest = rates->configured[kind];
        for (const struct wish *wish = rates->wishes; wish; wish = wish->next)
            if (wish->kind == kind && (finest == 0 || wish->value < finest))
                finest = wish->value;
        if (finest != rates->in_force[kind] && kinds[kind].apply)
            kinds[kind].apply(finest);
        rates->in_force[kind] = finest;
    }
}

void rates_destroy(struct rates *rates)
{
    if (!rates)
        return;
    ASSERT(!rates->wishes);
    rates_configure(rates, &(struct profiler_options){.enabled = false});
    pthread_mutex_destroy(&rates->lock);
    mem_free(rates);
}

void rates_configure(struct rates *rates, const struct profiler_options *options)
{
    pthread_mutex_lock(&rates->lock);
    rates->configured[PROFILE_RATE_HZ] = options->cpu_hz;
    rates->configured[PROFILE_RATE_MEMORY] = options->mem_rate;
    rates->configured[PROFILE_RATE_BLOCK] = options->block_rate;
    rates->configured[PROFILE_RATE_MUTEX] = options->mutex_fraction;
    apply(rates);
    pthread_mutex_unlock(&rates->lock);
}

int64_t rates_maximum(enum profile_rate kind)
{
    return kinds[kind].maximum;
}

int rates_check(enum profile_rate kind, int64_t value)
{
    return value >= 1 && value <= rates_maximum(kind) ? 0 : ERR_OUT_OF_RANGE;
}

void rates_push(struct rates *rates, enum profile_rate kind, int64_t value)
{
    ASSERT(rates_check(kind, value) == 0);
    struct wish *wish = MEM_NEW(struct wish);
    *wish = (struct wish){.kind = kind, .value = value};
    pthread_mutex_lock(&rates->lock);
    wish->next = rates->wishes;
    rates->wishes = wish;
    apply(rates);
    pthread_mutex_unlock(&rates->lock);
}

void rates_pop(struct rates *rates, enum profile_rate kind, int64_t value)
{
    pthread_mutex_lock(&rates->lock);
    struct wish **at = &rates->wishes;
    while ((*at)->kind != kind || (*at)->value != value)
        at = &(*at)->next;
    struct wish *wish = *at;
    *at = wish->next;
    apply(rates);
    pthread_mutex_unlock(&rates->lock);
    mem_free(wish);
}

int64_t rates_in_force(struct rates *rates, enum profile_rate kind)
{
    pthread_mutex_lock(&rates->lock);
    int64_t value = rates->in_force[kind];
    pthread_mutex_unlock(&rates->lock);
    return value;
}
