/* go.c: definitions of names and stacks, each written once, and the lanes of a trace for Go. */
#include "trace/go.h"

#include "base/check.h"
#include "base/mem.h"
#include "trace/tables.h"
#include "trace/varint.h"

/* Viewers take a program counter for the frame's identity, so each frame gets one of its own, and none is 0. */
#define FIRST_PC 0x401000
#define PC_STEP 16

#define FRAMES_MAX (TRACE_STACK_MAX + 1)
#define STACK_SIZE_MAX (2 * VARINT_MAX + FRAMES_MAX * (VARINT_MAX + 3 * 5))
_Static_assert(STACK_SIZE_MAX <= 2048, "Go since 1.23 refuses larger records");

void go_names_init(struct go_names *names, const struct trace_tables *tables, const struct go_dialect *dialect,
                   void *owner)
{
    *names = (struct go_names){.tables = tables, .dialect = dialect, .owner = owner};
    buf_init(&names->strings);
    buf_init(&names->stacks);
}

void go_names_deinit(struct go_names *names)
{
    index_map_deinit(&names->string_ids);
    index_map_deinit(&names->stack_ids);
    index_map_deinit(&names->frame_ids);
    buf_deinit(&names->strings);
    buf_deinit(&names->stacks);
}

void go_names_forget(struct go_names *names)
{
    index_map_clear(&names->string_ids);
    index_map_clear(&names->stack_ids);
}

static void make_room(struct go_names *names, struct buf *run, size_t size)
{
    if (run->size + size > names->dialect->run_max)
        names->dialect->take_run(names, run);
}

uint64_t go_string(struct go_names *names, enum go_form form, uint32_t text)
{
    static const struct {
        const char *before, *behind, *alone; /* alone: where there is no text */
    } forms[] = {
        [GO_PLAIN] = {"", "", ""},
        [GO_BRACKETS] = {"[", "]", "[]"},
        [GO_SLEEP] = {"sleep (", ")", "sleep"},
        [GO_NETWORK] = {"network (", ")", "network"},
        [GO_SYNC] = {"sync (", ")", "sync"},
        [GO_SELECT] = {"select (", ")", "select"},
        [GO_YIELD] = {"yield (", ")", "yield"},
    };
    if (text == 0 && form == GO_PLAIN)
        return 0;
    bool is_new;
    uint32_t id = index_map_number(&names->string_ids, form, text, &is_new);
    if (!is_new)
        return id;
    struct bytes middle = trace_string_text(names->tables, text);
    const char *before = text ? forms[form].before : forms[form].alone;
    const char *behind = text ? forms[form].behind : "";
    size_t size = strlen(before) + middle.size + strlen(behind);
    make_room(names, &names->strings, 1 + 2 * VARINT_MAX + size);
    buf_append_byte(&names->strings, names->dialect->string_type);
    varint_append(&names->strings, id);
    varint_append(&names->strings, size);
    buf_append_string(&names->strings, before);
    buf_append_bytes(&names->strings, middle);
    buf_append_string(&names->strings, behind);
    return id;
}

static uint8_t *put_frame(struct go_names *names, uint8_t *at, enum go_form form, const struct trace_frame *frame)
{
    bool is_new;
    uint32_t number = index_map_number(&names->frame_ids, (uint64_t)frame->function << 32 | frame->file,
                                       (uint64_t)frame->line << 8 | form, &is_new);
    at = varint_put(at, FIRST_PC + (uint64_t)PC_STEP * (number - 1));
    at = varint_put(at, go_string(names, form, frame->function));
    at = varint_put(at, go_string(names, GO_PLAIN, frame->file));
    return varint_put(at, frame->line);
}

/* No more than `depth_max` frames of the tables' stack. */
static uint64_t define_stack(struct go_names *names, uint32_t text, uint32_t stack, unsigned depth_max)
{
    if (text == 0 && stack == 0)
        return 0;
    unsigned depth = 0;
    const struct trace_frame *frames = stack == 0 ? NULL : trace_stack_frames(names->tables, stack, &depth);
    bool is_new, is_cut = depth > depth_max;
    uint32_t id = index_map_number(&names->stack_ids, (uint64_t)is_cut << 32 | text, stack, &is_new);
    if (!is_new)
        return id;
    if (is_cut)
        depth = depth_max;
    uint8_t record[STACK_SIZE_MAX], *end = record;
    end = varint_put(end, id);
    end = varint_put(end, depth + (text != 0));
    if (text != 0)
        end = put_frame(names, end, GO_BRACKETS, &(struct trace_frame){.function = text});
    for (unsigned i = 0; i < depth; i++)
        end = put_frame(names, end, GO_PLAIN, &frames[i]);
    size_t size = (size_t)(end - record);
    make_room(names, &names->stacks, 1 + VARINT_MAX + size);
    buf_append_byte(&names->stacks, names->dialect->stack_type);
    if (names->dialect->stack_has_size)
        varint_append(&names->stacks, size);
    buf_append(&names->stacks, record, size);
    return id;
}

uint64_t go_stack(struct go_names *names, uint32_t text, uint32_t stack)
{
    return define_stack(names, text, stack, TRACE_STACK_MAX);
}

uint64_t go_place(struct go_names *names, uint32_t stack)
{
    return define_stack(names, 0, stack, 1);
}

uint64_t go_entry(struct go_names *names, uint32_t entry, uint32_t name)
{
    return entry != 0 ? go_stack(names, 0, entry) : go_stack(names, name, 0);
}

void go_lanes_init(struct go_lanes *lanes)
{
    lanes->all = MEM_NEW(struct go_lane);
    lanes->all[0].thread = GO_NONE;
    lanes->all[0].ticks = GO_START_TICKS;
    buf_init(&lanes->all[0].bytes);
    lanes->count = 0;
}

void go_lanes_deinit(struct go_lanes *lanes)
{
    for (uint32_t i = 0; i <= lanes->count; i++)
        buf_deinit(&lanes->all[i].bytes);
    mem_free(lanes->all);
}

/* The kernel gives an ended thread's id to another, but it gives none above this: PID_MAX_LIMIT. */
#define THREAD_ID_MAX 4194304

static uint64_t thread_of(const struct go_lanes *lanes, const struct trace_event *event)
{
    if (event->thread_id <= 0)
        return THREAD_ID_MAX + 1 + (uint64_t)event->lane;
    for (uint32_t i = 1; i <= lanes->count; i++)
        if (lanes->all[i].thread == (uint64_t)event->thread_id)
            return THREAD_ID_MAX + 1 + (uint64_t)event->lane;
    return (uint64_t)event->thread_id;
}

void go_lanes_add(struct go_lanes *lanes, const struct trace_event *event)
{
    uint64_t thread = thread_of(lanes, event);
    while (lanes->count <= event->lane) {
        lanes->all = mem_realloc(lanes->all, (lanes->count + 2) * sizeof *lanes->all);
        struct go_lane *lane = &lanes->all[++lanes->count];
        *lane = (struct go_lane){0};
        buf_init(&lane->bytes);
    }
    go_lane(lanes, event->lane)->thread = thread;
}
