/* clock.h: the two clocks of the program. [any], [signal] but for the test hooks. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* Nanoseconds since an arbitrary start; never goes back (CLOCK_MONOTONIC). For durations. */
uint64_t clock_monotonic_ns(void);
/* Nanoseconds since 1970-01-01 UTC (CLOCK_REALTIME). For what people and files see. */
int64_t clock_wall_ns(void);
/* The same in milliseconds: the unit of Kafka's timestamps. */
int64_t clock_wall_ms(void);
/* CPU time that the whole process has used, in ns. */
uint64_t clock_process_cpu_ns(void);

/* Tests only: from now on both clocks stand still and start at these values, until moved by
 * clock_test_advance; clock_test_real goes back to the true ones. */
void clock_test_freeze(uint64_t monotonic_ns, int64_t wall_ns);
void clock_test_advance(uint64_t ns);
void clock_test_real(void);

#endif
