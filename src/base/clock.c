/* clock.c: the kernel's clocks, or a test's. */
#include "base/clock.h"

#include "base/check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

static atomic_bool frozen;
static _Atomic uint64_t frozen_monotonic_ns;
static _Atomic int64_t frozen_wall_ns;

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    if (UNLIKELY(atomic_load_explicit(&frozen, memory_order_relaxed)))
        return atomic_load(&frozen_monotonic_ns);
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    if (UNLIKELY(atomic_load_explicit(&frozen, memory_order_relaxed)))
        return atomic_load(&frozen_wall_ns);
    return (int64_t)read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_ns() / (int64_t)NS_PER_MS;
}

uint64_t clock_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void clock_test_freeze(uint64_t monotonic_ns, int64_t wall_ns)
{
    atomic_store(&frozen_monotonic_ns, monotonic_ns);
    atomic_store(&frozen_wall_ns, wall_ns);
    atomic_store(&frozen, true);
}

void clock_test_advance(uint64_t ns)
{
    ASSERT(atomic_load(&frozen));
    atomic_fetch_add(&frozen_monotonic_ns, ns);
    atomic_fetch_add(&frozen_wall_ns, (int64_t)ns);
}

void clock_test_real(void)
{
    atomic_store(&frozen, false);
}
