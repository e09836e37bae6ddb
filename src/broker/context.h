/* context.h: what connections and handlers may know of the broker. Written at start, read by all reactors. */
#ifndef BROKER_CONTEXT_H
#define BROKER_CONTEXT_H

#include "broker/options.h"

#include <stdatomic.h>
#include <stdint.h>

struct dispatch;
struct metric_counter;
struct storage;

struct broker_context {
    struct broker_options options; /* strings are the context's own */
    struct storage *storage;
    struct dispatch *dispatch;
    uint16_t port;
    atomic_int connection_count;
    struct metric_counter *bytes_in, *bytes_out;
};

#endif
