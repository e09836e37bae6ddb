/* go_v1_reader.c: one look through the file finds batches, strings and stacks, and that every record is whole. */
#include "trace/go_v1_reader.h"

#include "base/error.h"
#include "base/mem.h"
#include "trace/tables.h"

#include <string.h>

#define FRAMES_MAX 1000     /* as Go's reader */
#define FRAME_VALUES 4      /* pc, function, file, line */
#define STRING_MAX 1000000  /* the same */
#define TICKS_MAX (1ull << 62) /* sums of these do not overflow */

/* How many arguments a record has behind its time; -1: none of these records is timed, or known. */
static const int8_t argument_counts[GO_V1_EVENT_COUNT] = {
    [0] = -1, [GO_V1_BATCH] = -1, [GO_V1_FREQUENCY] = -1, [GO_V1_STACK] = -1, [GO_V1_STRING] = -1,
    [GO_V1_PROC_COUNT] = 2, [GO_V1_PROC_START] = 1, [GO_V1_GC_START] = 2, [GO_V1_STW_START] = 1,
    [GO_V1_SWEEP_START] = 1, [GO_V1_SWEEP_DONE] = 2, [GO_V1_CREATE] = 3, [GO_V1_START] = 2, [GO_V1_STOP] = 1,
    [GO_V1_YIELD] = 1, [GO_V1_PREEMPT] = 1, [GO_V1_SLEEP] = 1, [GO_V1_BLOCK] = 1, [GO_V1_UNBLOCK] = 3,
    [GO_V1_BLOCK_SEND] = 1, [GO_V1_BLOCK_RECEIVE] = 1, [GO_V1_BLOCK_SELECT] = 1, [GO_V1_BLOCK_SYNC] = 1,
    [GO_V1_BLOCK_CONDITION] = 1, [GO_V1_BLOCK_NETWORK] = 1, [GO_V1_CALL] = 1, [GO_V1_CALL_EXIT] = 3,
    [GO_V1_WAITING] = 1, [GO_V1_IN_CALL] = 1, [GO_V1_HEAP_SIZE] = 1, [GO_V1_HEAP_GOAL] = 1,
    [GO_V1_TIMER_TASK] = 1, [GO_V1_START_LOCAL] = 1, [GO_V1_UNBLOCK_LOCAL] = 2, [GO_V1_CALL_EXIT_LOCAL] = 2,
    [GO_V1_START_LABEL] = 3, [GO_V1_BLOCK_GC] = 1, [GO_V1_ASSIST_START] = 1, [GO_V1_REQUEST_BEGIN] = 4,
    [GO_V1_REQUEST_END] = 2, [GO_V1_REGION] = 4, [GO_V1_LOG] = 3, [GO_V1_SAMPLE] = 4,
};

/* Bytes that are read from the front. After the first error every number is 0. */
struct input {
    const uint8_t *at, *end;
    int error;
};

static uint64_t fail(struct input *input, int error)
{
    if (input->error == 0)
        input->error = error;
    input->at = input->end;
    return 0;
}

static uint64_t read_number(struct input *input)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (input->at == input->end)
            return fail(input, ERR_TRUNCATED);
        uint8_t byte = *input->at++;
        if (shift == 63 && byte > 1)
            return fail(input, ERR_MALFORMED);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    return fail(input, ERR_MALFORMED);
}

static struct bytes read_bytes(struct input *input, uint64_t size, uint64_t size_max)
{
    if (size > size_max)
        size = fail(input, ERR_MALFORMED);
    if (size > (uint64_t)(input->end - input->at))
        size = fail(input, ERR_TRUNCATED);
    struct bytes bytes = bytes_of(input->at, size);
    input->at += size;
    return bytes;
}

/* What a record says of its own length, behind its first byte: its values lie in *values. A record of up to three
 * values names their number; the input itself then bounds them. */
static unsigned open_values(struct input *input, uint8_t first_byte, struct input *values)
{
    unsigned count = (first_byte >> 6) + 1;
    if (count < 4) {
        *values = (struct input){input->at, input->end, input->error};
        return count;
    }
    struct bytes run = read_bytes(input, read_number(input), UINT64_MAX);
    *values = (struct input){run.data, run.data + run.size, input->error};
    return 0;
}

/* One with a time, behind its first byte. False: input->error says why. */
static bool read_timed(struct input *input, uint8_t first_byte, struct go_v1_record *record)
{
    unsigned type = first_byte & 0x3f;
    *record = (struct go_v1_record){.type = (uint8_t)type};
    if (type >= GO_V1_EVENT_COUNT || argument_counts[type] < 0)
        return fail(input, ERR_MALFORMED);
    unsigned count = (unsigned)argument_counts[type];
    struct input values;
    unsigned counted = open_values(input, first_byte, &values);
    record->ticks = read_number(&values);
    for (unsigned i = 0; i < count; i++)
        record->arguments[i] = read_number(&values);
    if (counted == 0 && values.error == ERR_TRUNCATED && input->error == 0)
        values.error = ERR_MALFORMED; /* the file goes on, and the record says that it does not */
    if (counted != 0)
        input->at = values.at;
    if (values.error != 0)
        return fail(input, values.error);
    if (counted != 0 ? counted != count + 1 : values.at != values.end)
        return fail(input, ERR_MALFORMED);
    if (type == GO_V1_LOG)
        record->text = read_bytes(input, read_number(input), STRING_MAX);
    return input->error == 0;
}

/* --- the look through the file --- */

struct scan {
    struct input input;
    struct go_v1_file *file;
    struct trace_tables *tables;
    bool has_batch, batch_has_record;
    uint32_t lane; /* of the batch */
    struct go_v1_batch batch;
    uint64_t ticks;
};

static void end_batch(struct scan *scan, const uint8_t *end)
{
    if (!scan->batch_has_record)
        return;
    struct go_v1_lane *lane = &scan->file->lanes[scan->lane];
    if (lane->batch_count == lane->batch_capacity) {
        lane->batch_capacity = lane->batch_capacity ? 2 * lane->batch_capacity : 4;
        lane->batches = mem_realloc(lane->batches, lane->batch_capacity * sizeof *lane->batches);
    }
    scan->batch.end = end;
    lane->batches[lane->batch_count++] = scan->batch;
    scan->batch_has_record = false;
}

static void scan_batch(struct scan *scan, const uint8_t *start)
{
    struct go_v1_file *file = scan->file;
    struct input *input = &scan->input;
    end_batch(scan, start);
    uint64_t lane = read_number(input) + 1, ticks = read_number(input); /* -1: none */
    if (lane > GO_V1_LANES_MAX || ticks > TICKS_MAX)
        fail(input, ERR_MALFORMED);
    if (input->error != 0)
        return;
    if (lane >= file->lane_count) {
        file->lanes = mem_realloc(file->lanes, (lane + 1) * sizeof *file->lanes);
        memset(file->lanes + file->lane_count, 0, (lane + 1 - file->lane_count) * sizeof *file->lanes);
        file->lane_count = (uint32_t)lane + 1;
    }
    if (!scan->has_batch || ticks < file->start_ticks)
        file->start_ticks = ticks;
    scan->has_batch = true;
    scan->lane = (uint32_t)lane;
    scan->ticks = ticks;
    scan->batch = (struct go_v1_batch){.start = input->at, .ticks = ticks};
}

static void scan_string(struct scan *scan)
{
    uint64_t id = read_number(&scan->input);
    struct bytes text = read_bytes(&scan->input, read_number(&scan->input), STRING_MAX);
    if (scan->input.error != 0)
        return;
    uint32_t *known = index_map_at(&scan->file->strings, id);
    if (id == 0 || text.size == 0 || *known != 0)
        fail(&scan->input, ERR_MALFORMED);
    *known = text.size > 0 ? trace_string(scan->tables, text) : UINT32_MAX;
}

/* Only where it is: its strings may come later. */
static void scan_stack(struct scan *scan, uint8_t first_byte)
{
    struct go_v1_file *file = scan->file;
    struct input values;
    if (open_values(&scan->input, first_byte, &values) != 0)
        fail(&scan->input, ERR_MALFORMED);
    uint64_t id = read_number(&values), count = read_number(&values);
    struct go_v1_stack stack = {.frames = bytes_of(values.at, (size_t)(values.end - values.at)),
                                .count = (uint32_t)count};
    if (scan->input.error != 0)
        return;
    if (count > FRAMES_MAX)
        fail(&values, ERR_MALFORMED);
    for (uint64_t i = 0; i < count * FRAME_VALUES && values.error == 0; i++)
        read_number(&values);
    if (values.error != 0 || values.at != values.end) {
        fail(&scan->input, ERR_MALFORMED);
        return;
    }
    if (id == 0 || count == 0)
        return; /* Go writes those, and nothing refers to them */
    uint32_t *index = index_map_at(&file->stack_indexes, id);
    if (*index != 0)
        return; /* Go's reader takes either: they are the same */
    if (file->stack_count == file->stack_capacity) {
        file->stack_capacity = file->stack_capacity ? 2 * file->stack_capacity : 64;
        file->stacks = mem_realloc(file->stacks, file->stack_capacity * sizeof *file->stacks);
    }
    *index = file->stack_count;
    file->stacks[file->stack_count++] = stack;
}

static void scan_timed(struct scan *scan, uint8_t first_byte)
{
    struct go_v1_record record;
    if (!read_timed(&scan->input, first_byte, &record))
        return;
    if (!scan->has_batch || record.ticks > TICKS_MAX - scan->ticks) {
        fail(&scan->input, ERR_MALFORMED);
        return;
    }
    scan->ticks += record.ticks;
    scan->batch_has_record = true;
    scan->file->has_samples |= record.type == GO_V1_SAMPLE;
    struct go_v1_lane *lane = &scan->file->lanes[scan->lane];
    if (record.type == GO_V1_PROC_START && !lane->has_thread) {
        lane->has_thread = true;
        lane->thread_id = record.arguments[0] <= INT32_MAX ? (int32_t)record.arguments[0] : 0;
    }
}

static void scan_record(struct scan *scan)
{
    const uint8_t *start = scan->input.at;
    uint8_t first_byte = *scan->input.at++;
    switch (first_byte & 0x3f) {
    case GO_V1_BATCH: scan_batch(scan, start); break;
    case GO_V1_STRING: scan_string(scan); break;
    case GO_V1_STACK: scan_stack(scan, first_byte); break;
    case GO_V1_FREQUENCY:
        scan->file->frequency = read_number(&scan->input);
        if (scan->input.error == 0 && scan->file->frequency == 0)
            fail(&scan->input, ERR_MALFORMED);
        break;
    default: scan_timed(scan, first_byte); break;
    }
}

/* --- stacks, once all strings are known --- */

static uint32_t read_string_id(const struct go_v1_file *file, struct input *input)
{
    return index_map_find(&file->strings, read_number(input));
}

/* "[fsync]": the text in brackets, or 0. */
static uint32_t bracketed_text(struct trace_tables *tables, uint32_t function)
{
    struct bytes name = trace_string_text(tables, function);
    if (name.size <= 2 || name.data[0] != '[' || name.data[name.size - 1] != ']')
        return 0;
    return trace_string(tables, bytes_of(name.data + 1, name.size - 2));
}

static void resolve_stack(const struct go_v1_file *file, struct trace_tables *tables, struct trace_frame *frames,
                          struct go_v1_stack *stack)
{
    struct input input = {stack->frames.data, stack->frames.data + stack->frames.size, 0};
    for (uint32_t i = 0; i < stack->count; i++) {
        read_number(&input); /* the address only tells frames apart */
        frames[i].function = read_string_id(file, &input);
        frames[i].file = read_string_id(file, &input);
        uint64_t line = read_number(&input);
        frames[i].line = line <= INT32_MAX ? (uint32_t)line : 0;
    }
    stack->text = bracketed_text(tables, frames[0].function);
    unsigned skipped = stack->text != 0;
    stack->stack = trace_stack(tables, frames + skipped, stack->count - skipped);
    if (stack->count > skipped) {
        stack->entry = trace_stack(tables, frames + skipped, 1);
        stack->name = frames[skipped].function;
    }
}

static void resolve_stacks(struct go_v1_file *file, struct trace_tables *tables)
{
    struct trace_frame *frames = mem_alloc_array(FRAMES_MAX, sizeof *frames);
    for (uint32_t i = 1; i < file->stack_count; i++)
        resolve_stack(file, tables, frames, &file->stacks[i]);
    mem_free(frames);
}

/* --- */

static int check_header(struct bytes bytes, struct buf *message)
{
    static const char *const known[] = {"go 1.11 trace", "go 1.19 trace", "go 1.21 trace"};
    char header[GO_V1_HEADER_SIZE + 1] = "";
    if (bytes.size > 0)
        memcpy(header, bytes.data, bytes.size < GO_V1_HEADER_SIZE ? bytes.size : GO_V1_HEADER_SIZE);
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        char whole[GO_V1_HEADER_SIZE] = "";
        memcpy(whole, known[i], strlen(known[i]));
        if (bytes.size < GO_V1_HEADER_SIZE && memcmp(header, whole, bytes.size) == 0) {
            buf_append_string(message, "the file ends within its header");
            return ERR_TRUNCATED;
        }
        if (memcmp(header, whole, GO_V1_HEADER_SIZE) == 0)
            return 0;
    }
    size_t digits = strncmp(header, "go 1.", 5) == 0 ? strspn(header + 5, "0123456789") : 0;
    if (digits > 0 && strcmp(header + 5 + digits, " trace") == 0) {
        buf_printf(message, "it is of the format \"%s\", and only Go 1.11, 1.19 and 1.21 are read here", header);
        return ERR_UNSUPPORTED;
    }
    buf_append_string(message, "it does not begin as an execution trace does");
    return ERR_MALFORMED;
}

int go_v1_open(struct bytes bytes, struct trace_tables *tables, struct go_v1_file *file, struct buf *message)
{
    *file = (struct go_v1_file){.stack_count = 1, .stack_capacity = 64};
    int result = check_header(bytes, message);
    if (result != 0)
        return result;
    file->stacks = mem_alloc_array(file->stack_capacity, sizeof *file->stacks);
    struct scan scan = {.file = file, .tables = tables};
    scan.input = (struct input){.at = bytes.data + GO_V1_HEADER_SIZE, .end = bytes.data + bytes.size};
    const uint8_t *start = scan.input.at;
    while (scan.input.at < scan.input.end) {
        start = scan.input.at;
        scan_record(&scan);
    }
    if (scan.input.error != 0) {
        buf_printf(message, scan.input.error == ERR_TRUNCATED ? "the file ends within the record at byte %zu"
                                                              : "the record at byte %zu is none of a trace",
                   (size_t)(start - bytes.data));
        return scan.input.error;
    }
    end_batch(&scan, scan.input.end);
    if (file->frequency == 0) {
        buf_append_string(message, "the file ends before it says how long a tick of its clock is");
        return ERR_TRUNCATED;
    }
    resolve_stacks(file, tables);
    return 0;
}

void go_v1_close(struct go_v1_file *file)
{
    for (uint32_t i = 0; i < file->lane_count; i++)
        mem_free(file->lanes[i].batches);
    mem_free(file->lanes);
    mem_free(file->stacks);
    index_map_deinit(&file->strings);
    index_map_deinit(&file->stack_indexes);
}

/* --- cursors --- */

/* Past a record without a time. */
static void skip(struct input *input, uint8_t first_byte)
{
    switch (first_byte & 0x3f) {
    case GO_V1_STRING:
        read_number(input);
        read_bytes(input, read_number(input), STRING_MAX);
        break;
    case GO_V1_STACK: read_bytes(input, read_number(input), UINT64_MAX); break;
    default: read_number(input); break; /* the frequency: a batch has no other batch in it */
    }
}

bool go_v1_next(struct go_v1_cursor *cursor, struct go_v1_record *record)
{
    for (; cursor->batch < cursor->lane->batch_count; cursor->batch++, cursor->at = NULL) {
        const struct go_v1_batch *batch = &cursor->lane->batches[cursor->batch];
        if (cursor->at == NULL) {
            cursor->at = batch->start;
            cursor->ticks = batch->ticks;
        }
        struct input input = {.at = cursor->at, .end = batch->end};
        while (input.at < input.end) {
            uint8_t first_byte = *input.at++;
            unsigned type = first_byte & 0x3f;
            if (argument_counts[type] < 0) {
                skip(&input, first_byte);
                continue;
            }
            bool is_whole = read_timed(&input, first_byte, record);
            ASSERT(is_whole);
            cursor->at = input.at;
            record->ticks += cursor->ticks;
            cursor->ticks = record->ticks;
            return true;
        }
    }
    return false;
}

const struct go_v1_stack *go_v1_stack_of(const struct go_v1_file *file, uint64_t id)
{
    static const struct go_v1_stack none;
    uint32_t index = index_map_find(&file->stack_indexes, id);
    return index == 0 ? &none : &file->stacks[index];
}
