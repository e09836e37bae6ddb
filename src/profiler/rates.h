/* rates.h: how often each sampler looks, as configured, and as requests want it for a while.
 *
 * A request that names a rate gets it, or a finer one that another request has, until it is over. */
#ifndef PROFILER_RATES_H
#define PROFILER_RATES_H

#include "base/check.h"
#include "profiler/options.h"
#include "profiler/type.h"

struct rates;

struct rates *rates_create(void);
void rates_destroy(struct rates *rates);
/* Put the configured ones in force. */
void rates_configure(struct rates *rates, const struct profiler_options *options);
/* ERR_OUT_OF_RANGE. PROFILE_RATE_HZ is checked only: each CPU reader has its own. */
int rates_check(enum profile_rate rate, int64_t value) MUST_USE;
/* A checked value other than 0. Each push is followed by one pop. */
void rates_push(struct rates *rates, enum profile_rate rate, int64_t value);
void rates_pop(struct rates *rates, enum profile_rate rate, int64_t value);

#endif
