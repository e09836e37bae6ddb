/* stack_records.h: counters for each stack, which any thread adds to without a lock: for samplers that sit in malloc,
 * in the locks, in the starting of threads.
 *
 * A record is made once and lives as long as the process, at the same address, so whoever has one adds to its values
 * atomically and a reader needs nobody's leave. Memory is a mapping of its own, never malloc's; when it is full, all
 * further stacks share one record. A child of a fork may go on as if nothing had happened. [any] */
#ifndef PROFILER_STACK_RECORDS_H
#define PROFILER_STACK_RECORDS_H

#include "base/check.h"
#include "profiler/stack_table.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct stack_record {
    struct stack_record *next; /* in its bucket */
    uint64_t hash;
    struct stack_key key;
    _Atomic uint64_t values[STACK_VALUES_MAX];
};

struct stack_records {
    struct stack_records_memory *_Atomic memory; /* NULL until the first record */
    struct stack_record rest;                    /* of what found no room */
    _Atomic uint64_t rest_count;
};

#define STACK_RECORDS_INIT {.rest.key.function = "[other stacks]"}

/* The record of this key, made if there is none yet. Allocates nothing but pages of the mapping. */
struct stack_record *stack_records_find(struct stack_records *records, const struct stack_key *key);

/* Calls `visit` for each record that was there when the call began, and maybe for later ones. */
typedef void (*stack_record_visit_fn)(const struct stack_record *record, void *context);
void stack_records_visit(struct stack_records *records, stack_record_visit_fn visit, void *context);
uint64_t stack_records_count(struct stack_records *records);
/* Memory in use. */
uint64_t stack_records_bytes(struct stack_records *records);

#endif
