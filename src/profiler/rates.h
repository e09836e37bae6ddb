/* rates.h: how often each sampler looks, as configured, and as requests want it for a while.
 *
 * A request that names a rate gets it, or a finer one that another request has, until it is over. */
#ifndef PROFILER_RATES_H
#define PROFILER_RATES_H

#include "base/check.h"
#include "profiler/options.h"
#include "profiler/type.h"

struct rates;

/* Everything is off. */
struct rates *rates_create(void);
/* No push may be left without its pop. Everything is off afterwards. */
void rates_destroy(struct rates *rates);
/* Put the configured ones in force. */
void rates_configure(struct rates *rates, const struct profiler_options *options);
/* The largest value that a request may ask for; the smallest is 1. 0: there is no such rate. */
int64_t rates_maximum(enum profile_rate kind);
/* Whether a request may ask for this value: ERR_OUT_OF_RANGE if not. PROFILE_RATE_HZ is checked only: each CPU reader
 * has its own. */
int rates_check(enum profile_rate kind, int64_t value) MUST_USE;
/* A checked value. Each push is followed by one pop. */
void rates_push(struct rates *rates, enum profile_rate kind, int64_t value);
void rates_pop(struct rates *rates, enum profile_rate kind, int64_t value);
/* What a sampler has been told: the finest that is configured or wished for. [any] */
int64_t rates_in_force(struct rates *rates, enum profile_rate kind);

#endif
