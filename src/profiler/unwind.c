/* unwind.c: one table for all mapped objects, and the walk that reads it in a signal handler. */
#include "profiler/unwind.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "profiler/cfi.h"
#include "profiler/modules.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <ucontext.h>

/* A walk looks up the same few return addresses again and again: a direct-mapped cache saves most searches. */
#define CACHE_BITS 10
#define CACHE_ENTRIES (1u << CACHE_BITS)
#define CACHE_RULE_MASK ((1u << CFI_RULE_BITS) - 1)

/* Code lies in the lower half of the address space, so what the cache's index leaves of an address fits beside a
 * rule. */
#define ADDRESS_BITS 47
_Static_assert(ADDRESS_BITS - CACHE_BITS + CFI_RULE_BITS == 64, "a cache entry is one word");

/* The text of each object is cut into blocks, and an index says where the rows of each begin. A block has three rows
 * on average: few enough to lie in one or two cache lines, where a search of all rows would miss a dozen. */
#define BLOCK_BYTES 256u

struct range {
    uintptr_t start, end;
};

/* One object's rows. */
struct text {
    struct range range;
    size_t first_row, row_count;
    size_t first_block; /* in table.blocks; one for each block of the text, and one for its end */
    bool is_own;
};

/* Functions of ours that nothing called: the program's entry, the tasks', and room. */
#define OWN_ROOTS_MAX 6

/* Built once, then only read, but for the cache. What each walk reads comes first: a signal finds the processor's
 * caches full of other things, so a walk costs as many nanoseconds as it touches cache lines. */
struct table {
    struct range own; /* our own text: built with frame pointers */
    struct range own_roots[OWN_ROOTS_MAX];
    unsigned own_root_count;
    unsigned text_count;
    struct text *texts; /* by start */
    struct cfi_table rows;
    uint32_t *blocks; /* the last row at or before the block's first byte, counted from the text's first row */
    size_t block_count;
    uint64_t generation, build_ns;
    struct table *next_retired;
    /* address >> CACHE_BITS, then its rule in CFI_RULE_BITS, at address % CACHE_ENTRIES. In one word, so that threads
     * need no lock: each reads what some thread wrote. */
    _Atomic uint64_t cache[CACHE_ENTRIES];
};

struct unwinder {
    _Atomic(struct table *) table;
    atomic_uint walk_count; /* under way now */
    pthread_mutex_t lock;   /* of refreshing */
    struct table *retired;  /* replaced while a walk may have been reading them */
};

/* --- building --- */

static void add_module(const struct module *module, void *context)
{
    struct table *table = context;
    size_t first_row = table->rows.count;
    if (module->eh_frame)
        cfi_compile(&table->rows, &(struct cfi_source){
                                      .eh_frame = bytes_of(module->eh_frame, module->eh_frame_size),
                                      .address = (uintptr_t)module->eh_frame,
                                      .header_address = module->eh_frame_hdr,
                                      .text_start = module->text_start,
                                      .text_end = module->text_end,
                                  });
    table->texts = mem_realloc(table->texts, (table->text_count + 1) * sizeof *table->texts);
    table->texts[table->text_count++] = (struct text){
        .range = {module->text_start, module->text_end},
        .first_row = first_row,
        .row_count = table->rows.count - first_row,
        .is_own = module->is_own,
    };
}

static int by_start(const void *left, const void *right)
{
    uintptr_t a = ((const struct text *)left)->range.start, b = ((const struct text *)right)->range.start;
    return a < b ? -1 : a > b;
}

static void index_rows(struct table *table, struct text *text)
{
    if (text->row_count == 0)
        return;
    size_t count = (text->range.end - text->range.start) / BLOCK_BYTES + 1;
    text->first_block = table->block_count;
    table->blocks = mem_realloc(table->blocks, (table->block_count + count) * sizeof *table->blocks);
    const struct cfi_row *rows = table->rows.rows + text->first_row;
    uint32_t row = 0;
    for (size_t i = 0; i < count; i++) {
        while (row + 1 < text->row_count && rows[row + 1].pc <= i * BLOCK_BYTES)
            row++;
        table->blocks[table->block_count++] = row;
    }
}

/* Steps by frame pointer do not see the rows, so the roots among them are kept apart. */
static void find_own_roots(struct table *table, const struct text *text)
{
    table->own = text->range;
    const struct cfi_row *rows = table->rows.rows + text->first_row;
    for (size_t i = 0; i + 1 < text->row_count; i++) {
        if (cfi_rule_kind(rows[i].rule) != CFI_ROOT)
            continue;
        ASSERT(table->own_root_count < OWN_ROOTS_MAX);
        table->own_roots[table->own_root_count++] =
            (struct range){text->range.start + rows[i].pc, text->range.start + rows[i + 1].pc};
    }
}

static struct table *table_build(void)
{
    uint64_t started_ns = clock_monotonic_ns();
    struct table *table = MEM_NEW(struct table);
    table->generation = module_visit(add_module, table);
    table->rows.rows = mem_realloc(table->rows.rows, table->rows.count * sizeof *table->rows.rows);
    table->rows.capacity = table->rows.count;
    qsort(table->texts, table->text_count, sizeof *table->texts, by_start);
    for (unsigned i = 0; i < table->text_count; i++) {
        index_rows(table, &table->texts[i]);
        if (table->texts[i].is_own)
            find_own_roots(table, &table->texts[i]);
    }
    table->build_ns = clock_monotonic_ns() - started_ns;
    return table;
}

static void table_free(struct table *table)
{
    mem_free(table->texts);
    mem_free(table->rows.rows);
    mem_free(table->blocks);
    mem_free(table);
}

/* --- lifetime ---
 * A walk counts itself in before it loads the table and out when it is done. A table that was replaced is freed once
 * the count is seen at 0 afterwards: whoever counts in later finds the new one. (All four accesses are sequentially
 * consistent, or a walk could still load the old one.) */

static struct table *table_acquire(struct unwinder *unwinder)
{
    atomic_fetch_add(&unwinder->walk_count, 1);
    return atomic_load(&unwinder->table);
}

static void table_release(struct unwinder *unwinder)
{
    atomic_fetch_sub(&unwinder->walk_count, 1);
}

static void free_retired(struct unwinder *unwinder)
{
    while (unwinder->retired) {
        struct table *table = unwinder->retired;
        unwinder->retired = table->next_retired;
        table_free(table);
    }
}

struct unwinder *unwinder_create(void)
{
    struct unwinder *unwinder = MEM_NEW(struct unwinder);
    pthread_mutex_init(&unwinder->lock, NULL);
    atomic_store(&unwinder->table, table_build());
    return unwinder;
}

void unwinder_destroy(struct unwinder *unwinder)
{
    if (!unwinder)
        return;
    ASSERT(atomic_load(&unwinder->walk_count) == 0);
    free_retired(unwinder);
    table_free(atomic_load(&unwinder->table));
    pthread_mutex_destroy(&unwinder->lock);
    mem_free(unwinder);
}

bool unwinder_refresh(struct unwinder *unwinder)
{
    pthread_mutex_lock(&unwinder->lock);
    struct table *old = atomic_load(&unwinder->table);
    bool changed = module_generation() != old->generation;
    if (changed) {
        atomic_store(&unwinder->table, table_build());
        old->next_retired = unwinder->retired;
        unwinder->retired = old;
    }
    if (unwinder->retired && atomic_load(&unwinder->walk_count) == 0)
        free_retired(unwinder);
    pthread_mutex_unlock(&unwinder->lock);
    return changed;
}

struct unwind_stats unwinder_stats(struct unwinder *unwinder)
{
    const struct table *table = table_acquire(unwinder);
    struct unwind_stats stats = {
        .module_count = table->text_count,
        .row_count = (uint32_t)table->rows.count,
        .function_count = table->rows.function_count,
        .table_bytes = sizeof *table + table->text_count * sizeof *table->texts +
                       table->rows.capacity * sizeof *table->rows.rows +
                       table->block_count * sizeof *table->blocks,
        .build_ns = table->build_ns,
    };
    table_release(unwinder);
    return stats;
}

/* --- walking --- */

static cfi_rule search(const struct table *table, uintptr_t address)
{
    unsigned low = 0, high = table->text_count; /* the first text that starts beyond the address is in [low, high] */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (table->texts[middle].range.start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= table->texts[low - 1].range.end)
        return CFI_NONE;
    const struct text *text = &table->texts[low - 1];
    if (text->row_count == 0)
        return CFI_NONE;
    uint32_t pc = (uint32_t)(address - text->range.start);
    const uint32_t *block = table->blocks + text->first_block + pc / BLOCK_BYTES;
    return cfi_find(table->rows.rows + text->first_row + block[0], block[1] - block[0] + 1, pc);
}

static cfi_rule rule_at(struct table *table, uintptr_t address)
{
    _Atomic uint64_t *entry = &table->cache[address % CACHE_ENTRIES];
    uint64_t word = atomic_load_explicit(entry, memory_order_relaxed);
    if (word >> CFI_RULE_BITS == address >> CACHE_BITS)
        return (cfi_rule)(word & CACHE_RULE_MASK);
    if (address >> ADDRESS_BITS)
        return CFI_NONE;
    cfi_rule rule = search(table, address);
    atomic_store_explicit(entry, (uint64_t)address >> CACHE_BITS << CFI_RULE_BITS | rule, memory_order_relaxed);
    return rule;
}

/* A frame, and what may be read: only words in [sp, high). As sp rises with each step, a walk always ends. */
struct frame {
    uintptr_t pc, sp, fp;
    uintptr_t high;
    bool interrupted; /* pc is the next instruction, not one behind a call */
};

enum step { STEP_ON, STEP_ROOT, STEP_LOST };

/* The sanitizers are told to look away: a frame's link words are nobody's variable, and a wrong frame pointer may
 * lead the walk to bytes between the variables of a stack. */
__attribute__((no_sanitize_address, no_sanitize_thread)) static inline bool load(const struct frame *frame,
                                                                                 uintptr_t address, uintptr_t *value)
{
    if (address < frame->sp || address >= frame->high || frame->high - address < sizeof *value ||
        address % sizeof *value)
        return false;
    *value = *(const volatile uintptr_t *)address;
    return true;
}

static inline bool step_by_frame_pointer(struct frame *frame)
{
    uintptr_t fp, pc;
    if (!load(frame, frame->fp, &fp) || !load(frame, frame->fp + 8, &pc))
        return false;
    frame->sp = frame->fp + 16;
    frame->fp = fp;
    frame->pc = pc;
    frame->interrupted = false;
    return true;
}

/* What a signal interrupted, from the ucontext_t that the kernel will restore. */
static enum step step_out_of_signal(struct frame *frame)
{
    uintptr_t registers = frame->sp + offsetof(ucontext_t, uc_mcontext.gregs);
    uintptr_t sp, fp, pc;
    if (!load(frame, registers + REG_RSP * sizeof(greg_t), &sp) ||
        !load(frame, registers + REG_RBP * sizeof(greg_t), &fp) ||
        !load(frame, registers + REG_RIP * sizeof(greg_t), &pc) || sp <= frame->sp)
        return STEP_LOST;
    frame->sp = sp;
    frame->fp = fp;
    frame->pc = pc;
    frame->interrupted = true;
    return STEP_ON;
}

static enum step step_by_rule(struct frame *frame, cfi_rule rule)
{
    uintptr_t cfa, fp = frame->fp, pc;
    uint32_t offset = cfi_rule_offset(rule), saved_rbp = cfi_rule_saved_rbp(rule);
    enum cfi_kind kind = cfi_rule_kind(rule);
    /* The most frequent first, and no jump table: in a signal no branch is predicted. */
    if (LIKELY(kind == CFI_RSP)) {
        cfa = frame->sp + offset;
    } else if (kind == CFI_RBP) {
        cfa = frame->fp + offset;
    } else if (kind == CFI_PLT) {
        cfa = frame->sp + (frame->pc % 16 >= offset / 8 ? 16 : 8);
    } else if (kind == CFI_RBP_DEREF) {
        if (!load(frame, frame->fp - offset, &cfa) || !load(frame, frame->fp, &fp))
            return STEP_LOST;
    } else if (kind == CFI_SIGNAL) {
        return step_out_of_signal(frame);
    } else {
        return kind == CFI_ROOT ? STEP_ROOT : STEP_LOST;
    }
    if (!load(frame, cfa - 8, &pc) || (saved_rbp && !load(frame, cfa - saved_rbp, &fp)))
        return STEP_LOST;
    frame->sp = cfa;
    frame->fp = fp;
    frame->pc = pc;
    frame->interrupted = false;
    return STEP_ON;
}

static inline bool in_range(const struct range *range, uintptr_t address)
{
    return address - range->start < range->end - range->start;
}

static inline enum step step(struct table *table, struct frame *frame)
{
    uintptr_t address = frame->pc;
    if (!frame->interrupted) {
        /* A call may be a function's last instruction, so a return address is looked up where the call is. */
        address--;
        if (in_range(&table->own, address)) {
            for (unsigned i = 0; i < table->own_root_count; i++) {
                if (in_range(&table->own_roots[i], address))
                    return STEP_ROOT;
            }
            if (step_by_frame_pointer(frame))
                return STEP_ON;
        }
    }
    return step_by_rule(frame, rule_at(table, address));
}

/* Interrupted in code without a rule: go on from the function that called it, if the caller knows its frame. */
static bool step_out_of_switch(struct frame *frame, const struct unwind_start *start)
{
    if (start->switch_frame == 0 || start->switch_frame < start->switch_low)
        return false;
    frame->sp = frame->fp = start->switch_frame;
    frame->high = start->switch_high;
    return step_by_frame_pointer(frame);
}

static enum unwind_end walk(struct table *table, const struct unwind_start *start, uintptr_t *pcs, unsigned capacity,
                            unsigned *depth)
{
    struct frame frame = {
        .pc = start->pc,
        .sp = start->stack_pointer,
        .fp = start->frame_pointer,
        .high = start->stack_high,
        .interrupted = !start->pc_is_return_address,
    };
    enum unwind_end end = UNWIND_TRUNCATED;
    unsigned count = 0;
    while (count < capacity) {
        pcs[count++] = frame.pc;
        enum step result = step(table, &frame);
        if (result == STEP_ON || (result == STEP_LOST && count == 1 && step_out_of_switch(&frame, start)))
            continue;
        end = result == STEP_ROOT ? UNWIND_ROOT : UNWIND_LOST;
        break;
    }
    *depth = count;
    return end;
}

enum unwind_end unwind_walk(struct unwinder *unwinder, const struct unwind_start *start, uintptr_t *pcs,
                            unsigned capacity, unsigned *depth)
{
    enum unwind_end end = walk(table_acquire(unwinder), start, pcs, capacity, depth);
    table_release(unwinder);
    return end;
}
