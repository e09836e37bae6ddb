/* decode_order.c: lanes' records merged into one row, by the tasks' sequence numbers.
 *
 * Clocks of lanes may differ a little, so the order is not that of time alone. Where a task starts, is woken or leaves
 * a call, the record has the task's sequence number, and is taken when the task has come that far: Go's own reader has
 * the same rule. Among lanes whose next record may be taken, the one with the lowest time is. */
#include "trace/decode_state.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>

void decode_refuse(struct decoder *decoder, const char *problem)
{
    if (decoder->error != 0)
        return;
    decoder->error = ERR_MALFORMED;
    buf_printf(decoder->message, "after %" PRIu64 " us: %s", decoder->time_ns / 1000, problem);
}

uint32_t decode_task_at(struct decoder *decoder, uint64_t id)
{
    uint32_t *index = index_map_at(&decoder->task_indexes, id);
    if (*index != 0)
        return *index;
    if (decoder->task_count == decoder->task_capacity) {
        decoder->task_capacity *= 2;
        decoder->tasks = mem_realloc(decoder->tasks, decoder->task_capacity * sizeof *decoder->tasks);
    }
    *index = decoder->task_count++;
    decoder->tasks[*index] = (struct decoded_task){.id = id};
    return *index;
}

struct need decode_need_of(const struct go_v1_record *record)
{
    switch (record->type) {
    case GO_V1_START:
    case GO_V1_START_LABEL: return (struct need){true, record->arguments[0], record->arguments[1], TASK_RUNNABLE};
    case GO_V1_UNBLOCK:
    case GO_V1_CALL_EXIT: return (struct need){true, record->arguments[0], record->arguments[1], TASK_WAITING};
    default: return (struct need){.is_numbered = false};
    }
}

bool decode_is_met(const struct need *need, const struct decoded_task *task)
{
    return !need->is_numbered ||
           (task->id == need->task && task->status == need->status && task->sequence == need->sequence);
}

static bool is_earlier(const struct decoder *decoder, uint32_t a, uint32_t b)
{
    uint64_t a_ticks = decoder->lanes[a].next.ticks, b_ticks = decoder->lanes[b].next.ticks;
    return a_ticks != b_ticks ? a_ticks < b_ticks : a < b;
}

static void push_ready(struct decoder *decoder, uint32_t lane)
{
    uint32_t at = decoder->ready_count++;
    for (; at > 0 && is_earlier(decoder, lane, decoder->ready[(at - 1) / 2]); at = (at - 1) / 2)
        decoder->ready[at] = decoder->ready[(at - 1) / 2];
    decoder->ready[at] = lane;
}

uint32_t decode_pop_ready(struct decoder *decoder)
{
    uint32_t *heap = decoder->ready, first = heap[0], last = heap[--decoder->ready_count], at = 0;
    for (uint32_t child; (child = 2 * at + 1) < decoder->ready_count; at = child) {
        if (child + 1 < decoder->ready_count && is_earlier(decoder, heap[child + 1], heap[child]))
            child++;
        if (!is_earlier(decoder, heap[child], last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

/* Tasks and numbers in one key: neither reaches 2^32 in a file that fits in memory. */
static uint64_t waiting_key(uint32_t task, uint64_t sequence)
{
    return (uint64_t)task << 32 | (uint32_t)sequence;
}

/* The lane's next record may be taken now, or waits for its task. */
static void enqueue(struct decoder *decoder, uint32_t lane)
{
    struct need need = decode_need_of(&decoder->lanes[lane].next);
    if (decoder->lanes[lane].is_in_call || !need.is_numbered) {
        push_ready(decoder, lane);
        return;
    }
    uint32_t index = decode_task_at(decoder, need.task);
    const struct decoded_task *task = &decoder->tasks[index];
    if (decode_is_met(&need, task)) {
        push_ready(decoder, lane);
        return;
    }
    if (need.sequence < task->sequence || need.sequence > UINT32_MAX) {
        decode_refuse(decoder, "a task starts or is woken that is past that");
        return;
    }
    uint32_t *waiting = index_map_at(&decoder->waiting, waiting_key(index, need.sequence));
    if (*waiting != 0)
        decode_refuse(decoder, "a task starts or is woken twice");
    *waiting = lane + 1;
    decoder->lanes[lane].is_waiting = true;
    decoder->waiting_count++;
}

void decode_advance(struct decoder *decoder, uint32_t lane)
{
    if (decoder->error == 0 && go_v1_next(&decoder->lanes[lane].cursor, &decoder->lanes[lane].next))
        enqueue(decoder, lane);
}

void decode_move_task(struct decoder *decoder, uint32_t index, enum task_status status, unsigned steps)
{
    struct decoded_task *task = &decoder->tasks[index];
    task->status = status;
    task->sequence += steps;
    uint32_t waiting = index_map_find(&decoder->waiting, waiting_key(index, task->sequence));
    if (waiting == 0 || !decoder->lanes[waiting - 1].is_waiting)
        return;
    struct need need = decode_need_of(&decoder->lanes[waiting - 1].next);
    if (!decode_is_met(&need, task))
        return; /* not yet; or it waited for that before, and for something else now */
    decoder->lanes[waiting - 1].is_waiting = false;
    decoder->waiting_count--;
    push_ready(decoder, waiting - 1);
}
