/* broker.h: the Kafka port: reactors, the accept loop, connections. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "base/check.h"
#include "broker/options.h"

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct metrics;
struct storage;

/* Start the reactors and listen. Options are copied; storage and metrics must outlive the broker. Blocks until
 * connections are accepted. Negative: libuv's code (UV_EADDRINUSE, ...), logged, nothing runs. Not from a task. */
int broker_start(struct broker **broker, const struct broker_options *options, struct storage *storage,
                 struct metrics *metrics) MUST_USE;
/* Accept nothing more, end all connections after the request that each is serving, free. Blocks. Not from a task. */
void broker_stop(struct broker *broker);
/* The port that listens. [any] */
uint16_t broker_port(const struct broker *broker);
/* False once a reactor has not come round for ten seconds; for the liveness endpoint, one caller at a time. Each call
 * looks at what became of the call before. [any] */
bool broker_is_live(struct broker *broker);

#endif
