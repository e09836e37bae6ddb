/* heap.h: who holds memory, and who allocated how much: a sampled picture of every malloc of the process.
 *
 * interpose/malloc.c stands in front of glibc's allocator. While sampling is on, allocations are chosen as a Poisson
 * process over bytes with a configured mean, and the chosen ones live in an address range of their own, so that free
 * knows an unsampled block by one compare. A sample's weight is stored with it: changing the rate skews nothing. State
 * is the process's, like the allocator's own; it is never torn down, as blocks in the range may live on. */
#ifndef PROFILER_HEAP_H
#define PROFILER_HEAP_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack_table;
struct profile_stats;

/* Go's runtime.MemProfileRate. */
#define HEAP_RATE_DEFAULT (512 * 1024)

/* Whether this program has the hook linked in; without it the profile stays empty and says so. [any] */
bool heap_is_hooked(void);
/* Sample one in so many bytes on average, from now on and in all threads; 1: every allocation; 0: none any more (blocks
 * that were sampled stay counted until they are freed). Needs capture_install. [any] */
void heap_set_rate(int64_t mean_bytes);
int64_t heap_rate(void);
/* False: the system gave no addresses for sampled blocks (ulimit -v), so none will be sampled. [any] */
bool heap_is_possible(void);
/* When (since 1970) sampling was first switched on: what was allocated before is not in it. 0: never. [any] */
int64_t heap_since_ns(void);

/* Add, by stack, labels and size: objects and bytes allocated since then, objects and bytes in use now; estimates, as
 * Go's (pprof/type.h has the columns' names). Holds nobody up. [any] */
void heap_collect(struct stack_table *stacks);
uint64_t heap_record_count(void);
void heap_stats(struct profile_stats *stats);
/* Give free memory back to the system. [any] */
void heap_trim(void);

/* Tests only, before the first rate is set: the same allocations of one thread give the same samples, and sampled
 * blocks have so much room. */
void heap_test_prepare(uint64_t seed, size_t range_bytes);

#endif
