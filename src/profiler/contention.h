/* contention.h: where tasks wait for each other: the waiter's stack and time (block), and the stack that let go of what
 * others waited for, with the delay that it caused them (mutex).
 *
 * It is the probe sink. Events are sampled with a probability that grows with their duration, and never more than
 * CONTENTION_EVENTS_MAX a second are recorded; weights are stored when a sample is taken, so totals stay unbiased and a
 * change of rate skews nothing. State is the process's, as the sink may be in use by any thread at any time. */
#ifndef PROFILER_CONTENTION_H
#define PROFILER_CONTENTION_H

#include "base/check.h"

#include <stdint.h>

struct stack_table;
struct profile_stats;

/* Recorded a second, block and mutex each. */
#define CONTENTION_EVENTS_MAX 1000

enum contention_kind { CONTENTION_BLOCK, CONTENTION_MUTEX, CONTENTION_KIND_COUNT };

/* Go's runtime.SetBlockProfileRate: on average one sample for so many ns of waiting; 1: every wait; 0: none. [any] */
void contention_set_block_rate(int64_t ns);
/* Go's runtime.SetMutexProfileFraction: one of so many events; 1: every one; 0: none. [any] */
void contention_set_mutex_fraction(int64_t one_in);
/* The sink hears nothing any more once both rates are 0. While one is not, there are stacks only between
 * capture_install and capture_remove; events outside of it are "[lost events]", as are those of a burst beyond
 * CONTENTION_EVENTS_MAX: totals stay right. */

/* What is in force: ns, or one in how many. [any] */
int64_t contention_rate(enum contention_kind kind);
/* When (since 1970) the rate was first not 0: what came before is not counted. 0: never. [any] */
int64_t contention_since_ns(enum contention_kind kind);

struct contention_total {
    uint64_t count, ns;
};
/* Add contentions and nanoseconds, by stack and labels, since then; what that adds up to is returned. [any] */
struct contention_total contention_collect(enum contention_kind kind, struct stack_table *stacks);
uint64_t contention_record_count(enum contention_kind kind);
void contention_stats(enum contention_kind kind, struct profile_stats *stats);
/* Exactly, sampled or not, while the rate was not 0: for a metric, and to check the samples against. [any] */
struct contention_total contention_total(enum contention_kind kind);

#endif
