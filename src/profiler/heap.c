/* heap.c: which allocations are sampled, and what they count for. */
#include "profiler/heap.h"

#include "base/clock.h"
#include "profiler/capture.h"
#include "profiler/heap_blocks.h"
#include "profiler/heap_hook.h"
#include "profiler/stack_records.h"
#include "profiler/type.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#ifdef __SANITIZE_THREAD__
#define RANGE_BYTES ((size_t)4 << 30) /* each byte has several of shadow */
#else
#define RANGE_BYTES ((size_t)64 << 30)
#endif

/* Looking at the clock takes a fifth as long as a sample. */
#define TIMED_ONE_IN 16

struct heap_gate heap_gate;
_Thread_local struct heap_thread heap_thread;

static struct {
    pthread_mutex_t lock; /* of changing the rate */
    uint32_t generation;
    size_t range_bytes;
    bool is_range_refused;
    _Atomic int64_t rate, since_ns;
    _Atomic uint64_t seed;
    struct stack_records records;
    _Atomic uint64_t lost_count, truncated_count, rootless_count, overhead_ns;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER, .range_bytes = RANGE_BYTES, .records = STACK_RECORDS_INIT};

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* --- the rate --- */

/* Sampled blocks need their range. Once there is one, it is there for good. */
static bool reserve_range(void)
{
    uintptr_t base;
    size_t size;
    if (atomic_load(&heap_gate.range_size) == 0 && !heap.is_range_refused) {
        heap.is_range_refused = !heap_blocks_reserve(heap.range_bytes, &base, &size);
        if (!heap.is_range_refused) {
            atomic_store(&heap_gate.range_base, base);
            atomic_store(&heap_gate.range_size, size);
        }
    }
    return !heap.is_range_refused;
}

void heap_set_rate(int64_t mean_bytes)
{
    ASSERT(mean_bytes >= 0);
    pthread_mutex_lock(&heap.lock);
    atomic_store(&heap.rate, mean_bytes);
    bool is_on = mean_bytes > 0 && heap_is_hooked() && reserve_range();
    if (is_on && atomic_load(&heap.since_ns) == 0) {
        atomic_store(&heap.since_ns, clock_wall_ns());
        uint64_t unset = 0;
        atomic_compare_exchange_strong(&heap.seed, &unset, clock_monotonic_ns());
    }
    if (++heap.generation == 0)
        heap.generation = 1;
    atomic_store(&heap_gate.generation, is_on ? heap.generation : 0);
    pthread_mutex_unlock(&heap.lock);
}

int64_t heap_rate(void)
{
    return atomic_load(&heap.rate);
}

int64_t heap_since_ns(void)
{
    return atomic_load(&heap.since_ns);
}

bool heap_is_hooked(void)
{
    return &heap_hook_is_linked != NULL;
}

bool heap_is_possible(void)
{
    pthread_mutex_lock(&heap.lock);
    bool is_possible = !heap.is_range_refused;
    pthread_mutex_unlock(&heap.lock);
    return is_possible;
}

void heap_test_prepare(uint64_t seed, size_t range_bytes)
{
    atomic_store(&heap.seed, seed);
    heap.range_bytes = range_bytes;
}

/* --- chance --- */

/* SplitMix64 (Steele, Lea, Flood 2014): one addition and a finisher. */
static uint64_t next_random(struct heap_thread *thread)
{
    if (thread->random == 0)
        thread->random = atomic_fetch_add(&heap.seed, 0x2545f4914f6cdd1dull) | 1;
    uint64_t z = thread->random += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* How far it is to the next sample: so that an allocation of s bytes is one with probability 1 - exp(-s / rate),
 * whatever came before it. That is why a change of rate may throw a distance away and draw another one. */
static void draw(struct heap_thread *thread)
{
    if (thread->rate <= 1) {
        thread->bytes_left = 0;
        return;
    }
    double uniform = (double)((next_random(thread) >> 11) + 1) * 0x1p-53; /* in (0, 1] */
    thread->bytes_left = 1 + (uint64_t)(-log(uniform) * (double)thread->rate);
}

/* One by the probability of what happened, as Go's heap profile has it. */
static uint64_t weigh(size_t size, int64_t rate)
{
    if (rate <= 1)
        return HEAP_WEIGHT_ONE;
    double part = (double)(size > 0 ? size : 1) / (double)rate;
    /* The series 1/x + 1/2 + x/12 - x^3/720 of the same, right to 10^-9 here, where almost all allocations are. */
    double inverse = part < 1.0 / 64 ? 1 / part + 0.5 + part / 12 : -1 / expm1(-part);
    return (uint64_t)((double)HEAP_WEIGHT_ONE * inverse + 0.5);
}

/* --- samples --- */

/* What the label "bytes" says: sizes are told apart by 16 bytes, or one eighth of their power of two. */
static int64_t bin_of(size_t size)
{
    unsigned bits = size <= 128 ? 4 : 60 - (unsigned)__builtin_clzl(size - 1);
    return (int64_t)((size + ((size_t)1 << bits) - 1) >> bits << bits);
}

static struct stack_record *find_record(size_t size, const void *frame)
{
    struct capture capture;
    bool is_captured = capture_begin_from(&capture, frame);
    if (is_captured) {
        if (capture.is_truncated)
            count(&heap.truncated_count, 1);
        if (capture.is_rootless)
            count(&heap.rootless_count, 1);
    } else {
        capture.key = (struct stack_key){.function = "[no stack]"};
    }
    capture.key.number = bin_of(size);
    struct stack_record *record = stack_records_find(&heap.records, &capture.key);
    if (is_captured)
        capture_done();
    return record;
}

static void *take_sample(size_t size, size_t alignment, bool is_zeroed, int64_t rate, const void *frame)
{
    struct heap_block block = {.size = size, .weight = weigh(size, rate)};
    bool is_zero;
    block.record = find_record(size, frame);
    void *memory = heap_blocks_allocate(&block, alignment, &is_zero);
    if (!memory)
        return NULL;
    if (is_zeroed && !is_zero)
        memset(memory, 0, size);
    return memory;
}

void *heap_sample(size_t size, size_t alignment, bool is_zeroed, const void *frame)
{
    struct heap_thread *thread = &heap_thread;
    uint32_t generation = atomic_load_explicit(&heap_gate.generation, memory_order_acquire);
    if (generation == 0) {
        thread->generation = 0;
        thread->bytes_left = UINT64_MAX;
        return NULL;
    }
    if (thread->generation != generation) {
        thread->rate = atomic_load(&heap.rate);
        if (thread->rate == 0) /* it is being switched off */
            return NULL;
        thread->generation = generation;
        draw(thread);
        if (size < thread->bytes_left) {
            thread->bytes_left -= size;
            return NULL;
        }
    }
    int64_t rate = thread->rate;
    draw(thread);
    if (thread->is_sampling || size > PTRDIFF_MAX) {
        count(&heap.lost_count, thread->is_sampling);
        return NULL;
    }
    thread->is_sampling = true;
    int saved_errno = errno;
    bool is_timed = thread->sample_count++ % TIMED_ONE_IN == 0;
    uint64_t start_ns = is_timed ? clock_monotonic_ns() : 0;
    void *memory = take_sample(size, alignment, is_zeroed, rate, frame);
    if (!memory)
        count(&heap.lost_count, 1);
    if (is_timed)
        count(&heap.overhead_ns, TIMED_ONE_IN * (clock_monotonic_ns() - start_ns));
    errno = saved_errno;
    thread->is_sampling = false;
    return memory;
}

void heap_release(void *memory)
{
    int saved_errno = errno;
    bool was_allocated = heap_blocks_free(memory);
    ASSERT(was_allocated); /* else: freed twice, or not the address that malloc returned */
    errno = saved_errno;
}

size_t heap_size(const void *memory)
{
    return heap_blocks_size(memory);
}

/* --- reading --- */

static void add_record(const struct stack_record *record, void *context)
{
    uint64_t values[STACK_VALUES_MAX];
    for (unsigned i = 0; i < ARRAY_COUNT(values); i++)
        values[i] = atomic_load_explicit(&record->values[i], memory_order_acquire);
    uint64_t half = HEAP_WEIGHT_ONE / 2;
    int64_t columns[] = {
        (int64_t)((values[HEAP_ALLOCATED_WEIGHT] + half) >> HEAP_WEIGHT_BITS),
        (int64_t)values[HEAP_ALLOCATED_BYTES],
        (int64_t)((values[HEAP_ALLOCATED_WEIGHT] - values[HEAP_FREED_WEIGHT] + half) >> HEAP_WEIGHT_BITS),
        (int64_t)(values[HEAP_ALLOCATED_BYTES] - values[HEAP_FREED_BYTES]),
    };
    stack_table_add(context, &record->key, columns);
}

void heap_collect(struct stack_table *stacks)
{
    stack_records_visit(&heap.records, add_record, stacks);
}

uint64_t heap_record_count(void)
{
    return stack_records_count(&heap.records);
}

void heap_stats(struct profile_stats *stats)
{
    *stats = (struct profile_stats){
        .lost_count = atomic_load(&heap.lost_count),
        .truncated_count = atomic_load(&heap.truncated_count),
        .rootless_count = atomic_load(&heap.rootless_count),
        .overhead_ns = atomic_load(&heap.overhead_ns),
        .held_bytes = stack_records_bytes(&heap.records),
    };
    if (atomic_load(&heap_gate.range_size) == 0)
        return;
    struct heap_blocks_stats blocks = heap_blocks_stats();
    stats->sample_count = blocks.allocated_count;
    stats->held_bytes += blocks.held_bytes;
}

void heap_trim(void)
{
    malloc_trim(0);
    heap_blocks_trim();
}
