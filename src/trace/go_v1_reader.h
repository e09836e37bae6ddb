/* go_v1_reader.h: a file of Go's first trace format as it lies there: each lane's records in a row, strings, stacks.
 *
 * What the records mean, and which of two lanes' comes first, is decode.c's business. */
#ifndef TRACE_GO_V1_READER_H
#define TRACE_GO_V1_READER_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"
#include "trace/go_v1_events.h"
#include "trace/index_map.h"

#include <stdbool.h>
#include <stdint.h>

struct trace_tables;

#define GO_V1_HEADER_SIZE 16
/* Lanes above are no trace that anybody wrote. */
#define GO_V1_LANES_MAX 4096

struct go_v1_record {
    uint8_t type;
    uint64_t ticks;
    uint64_t arguments[4]; /* as enum go_v1_event says; what is not there is 0 */
    struct bytes text;     /* of a log */
};

/* Records between two headers of batches. */
struct go_v1_batch {
    const uint8_t *start, *end;
    uint64_t ticks;
};

struct go_v1_lane {
    struct go_v1_batch *batches; /* in the file's order; each has a record */
    uint32_t batch_count, batch_capacity;
    bool has_thread;
    int32_t thread_id; /* of the first that it ran on */
};

/* As the file has it, without a pseudo frame. */
struct go_v1_stack {
    struct bytes frames;   /* the record's, behind their count */
    uint32_t count;
    uint32_t stack;        /* in the tables */
    uint32_t entry;        /* a stack of the first frame alone */
    uint32_t name;         /* the first frame's function */
    uint32_t text;         /* what stood in the pseudo frame's brackets */
};

struct go_v1_file {
    struct go_v1_lane *lanes; /* [0] is no lane's; [1 + n] is lane n's */
    uint32_t lane_count;
    uint64_t frequency;   /* ticks in a second */
    uint64_t start_ticks; /* no record is earlier */
    bool has_samples;
    struct index_map strings; /* the file's id -> the tables' */
    struct index_map stack_indexes;
    struct go_v1_stack *stacks; /* [0] is none */
    uint32_t stack_count, stack_capacity;
};

/* Look through all of the file. 0: every record is whole and of a known kind, and cursors need not check again.
 * Else as trace_decode. The bytes stay the caller's, and outlive *file. Close it in any case. */
int go_v1_open(struct bytes bytes, struct trace_tables *tables, struct go_v1_file *file,
               struct buf *message) MUST_USE;
void go_v1_close(struct go_v1_file *file);

/* A place in a lane. May be copied, to look ahead. */
struct go_v1_cursor {
    const struct go_v1_lane *lane;
    uint32_t batch;
    const uint8_t *at; /* NULL: at the start of the batch */
    uint64_t ticks;
};
/* The lane's next record that has a time; false: there is none. */
bool go_v1_next(struct go_v1_cursor *cursor, struct go_v1_record *record);

/* All zero if the file has no such stack. */
const struct go_v1_stack *go_v1_stack_of(const struct go_v1_file *file, uint64_t id);

#endif
