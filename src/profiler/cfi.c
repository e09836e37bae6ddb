/* cfi.c: runs the call frame instructions of each function, and keeps what a walk on x86-64 needs of their results. */
#include "profiler/cfi.h"

#include "base/check.h"
#include "base/mem.h"
#include "profiler/eh_frame.h"

#include <stdbool.h>
#include <stdlib.h>
#include <ucontext.h>

#ifndef __x86_64__
#error "the rows hold x86-64 registers"
#endif

/* Register numbers of the AMD64 ABI. */
enum { REGISTER_RBP = 6, REGISTER_RSP = 7, REGISTER_RETURN_ADDRESS = 16 };

/* Call frame instructions, DWARF 5 section 7.24; the first three carry an operand in their low six bits. */
enum {
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_LOC1 = 0x02,
    CFA_ADVANCE_LOC2 = 0x03,
    CFA_ADVANCE_LOC4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* Operations of DWARF expressions that the known ones are made of, DWARF 5 section 7.7.1. */
enum {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_PLUS = 0x22,
    OP_SHL = 0x24,
    OP_GE = 0x2a,
    OP_LIT0 = 0x30,
    OP_BREG_RBP = 0x76,
    OP_BREG_RSP = 0x77,
    OP_BREG_RIP = 0x80,
};

/* glibc's __restore_rt finds the interrupted rsp there: the offset in ucontext_t of its general register REG_RSP. */
#define UCONTEXT_RSP 160
_Static_assert(UCONTEXT_RSP == offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]), "what the expression names");

/* Compilers remember one or two states at a time. */
#define REMEMBERED_MAX 16

/* Less than this between two functions is padding, or the way back out of glibc's clone, whose unwind data ends at the
 * system call on account of the child: there the rule before still holds. */
#define GAP_MIN 16

/* Where the caller's value of a register is. */
struct saved {
    enum { SAVED_SAME, SAVED_AT_CFA, SAVED_AT_RBP, SAVED_UNDEFINED, SAVED_ELSEWHERE } where;
    int64_t offset; /* from the CFA */
};

struct state {
    uint64_t cfa_register;
    int64_t cfa_offset;
    struct bytes cfa_expression; /* stands instead of the two above where its size is not 0 */
    struct saved rbp, return_address;
};

static bool expression_is(struct bytes expression, const uint8_t *operations, size_t size)
{
    return bytes_equal(expression, bytes_of(operations, size));
}
#define EXPRESSION_IS(expression, ...) \
    expression_is(expression, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* The few expressions that linkers, compilers and glibc write. */
static cfi_rule rule_of_expression(const struct state *state, bool is_signal)
{
    struct bytes expression = state->cfa_expression;
    if (is_signal && EXPRESSION_IS(expression, OP_BREG_RSP, (UCONTEXT_RSP & 0x7f) | 0x80, UCONTEXT_RSP >> 7, OP_DEREF))
        return CFI_RULE(CFI_SIGNAL, 0, 0);
    if (state->return_address.where != SAVED_AT_CFA || state->return_address.offset != -8)
        return CFI_NONE;
    /* The linker's for its procedure linkage table: rsp + 8 + ((rip & 15) >= n) * 8. */
    uint8_t n = expression.size == 11 ? (uint8_t)(expression.data[6] - OP_LIT0) : UINT8_MAX;
    if (n < 16 && state->rbp.where == SAVED_SAME &&
        EXPRESSION_IS(expression, OP_BREG_RSP, 8, OP_BREG_RIP, 0, OP_LIT0 + 15, OP_AND, OP_LIT0 + n, OP_GE,
                      OP_LIT0 + 3, OP_SHL, OP_PLUS))
        return CFI_RULE(CFI_PLT, n * 8u, 0);
    /* gcc's for a function that aligns its stack: breg6 -n, deref. One byte of LEB128 goes down to -64. */
    if (expression.size == 3 && expression.data[0] == OP_BREG_RBP && expression.data[2] == OP_DEREF &&
        state->rbp.where == SAVED_AT_RBP) {
        uint8_t distance = 128 - expression.data[1];
        if (distance >= 8 && distance <= 64 && distance % 8 == 0)
            return CFI_RULE(CFI_RBP_DEREF, distance, 0);
    }
    return CFI_NONE;
}

static cfi_rule rule_of_state(const struct state *state, bool is_signal)
{
    if (state->return_address.where == SAVED_UNDEFINED)
        return CFI_RULE(CFI_ROOT, 0, 0);
    if (state->cfa_expression.size)
        return rule_of_expression(state, is_signal);
    if (state->return_address.where != SAVED_AT_CFA || state->return_address.offset != -8)
        return CFI_NONE;
    if (state->cfa_register != REGISTER_RSP && state->cfa_register != REGISTER_RBP)
        return CFI_NONE;
    if (state->cfa_offset < 8 || state->cfa_offset > CFI_OFFSET_MAX || state->cfa_offset % 8)
        return CFI_NONE;
    uint32_t saved_rbp = 0;
    if (state->rbp.where == SAVED_AT_CFA) {
        if (state->rbp.offset > -16 || state->rbp.offset < -(int64_t)CFI_SAVED_RBP_MAX || state->rbp.offset % 8)
            return CFI_NONE;
        saved_rbp = (uint32_t)-state->rbp.offset;
    } else if (state->rbp.where != SAVED_SAME) {
        return CFI_NONE;
    }
    uint32_t offset = (uint32_t)state->cfa_offset;
    if (state->cfa_register == REGISTER_RBP)
        return CFI_RULE(CFI_RBP, offset, saved_rbp);
    /* Where rbp was popped just now, as at a `ret`, gcc still names its slot, which is below rsp. */
    return CFI_RULE(CFI_RSP, offset, saved_rbp <= offset ? saved_rbp : 0);
}

static void table_append(struct cfi_table *table, size_t first, uint64_t pc, cfi_rule rule)
{
    if (table->count > first && table->rows[table->count - 1].pc == pc)
        table->count--; /* the row before it was empty */
    if (table->count > first && table->rows[table->count - 1].rule == rule)
        return;
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 4096;
        table->rows = mem_realloc(table->rows, table->capacity * sizeof *table->rows);
    }
    table->rows[table->count++] = (struct cfi_row){(uint32_t)pc, rule};
}

/* The run of one function's instructions. */
struct run {
    const struct cfi_source *source;
    const struct cie *cie;
    struct cfi_table *table;
    size_t first_row; /* of this object */
    uint64_t pc, end; /* relative to the text's start */
    struct state state;
    struct state initial; /* after the CIE's instructions: what restore goes back to */
    struct state remembered[REMEMBERED_MAX];
    unsigned remembered_count;
};

/* The state so far held up to `pc`, where the next one begins. False at the function's end. */
static bool advance_to(struct run *run, uint64_t pc)
{
    table_append(run->table, run->first_row, run->pc, rule_of_state(&run->state, run->cie->is_signal));
    if (pc < run->pc)
        return false;
    run->pc = pc < run->end ? pc : run->end;
    return pc < run->end;
}

static bool advance(struct run *run, uint64_t delta)
{
    return advance_to(run, run->pc + delta * run->cie->code_factor);
}

static void save(struct run *run, uint64_t number, struct saved saved)
{
    if (number == REGISTER_RBP)
        run->state.rbp = saved;
    else if (number == REGISTER_RETURN_ADDRESS)
        run->state.return_address = saved;
}

static void save_at_cfa(struct run *run, uint64_t number, uint64_t factored)
{
    /* Unsigned, so that a hostile product wraps; rule_of_state refuses what is out of its range. */
    save(run, number, (struct saved){SAVED_AT_CFA, (int64_t)(factored * (uint64_t)run->cie->data_factor)});
}

static void restore(struct run *run, uint64_t number)
{
    save(run, number, number == REGISTER_RBP ? run->initial.rbp : run->initial.return_address);
}

static void define_cfa(struct run *run, uint64_t number, int64_t offset)
{
    run->state.cfa_register = number;
    run->state.cfa_offset = offset;
    run->state.cfa_expression = bytes_of(NULL, 0);
}

static int64_t read_factored(struct run *run, struct reader *reader)
{
    return (int64_t)((uint64_t)reader_signed(reader) * (uint64_t)run->cie->data_factor);
}

/* One instruction that has its operands behind it. False: unknown, or the function's end. */
static bool execute_extended(struct run *run, uint8_t instruction, struct reader *reader)
{
    uint64_t number;
    switch (instruction) {
    case CFA_NOP: return true;
    case CFA_SET_LOC:
        return advance_to(run, reader_address(reader, run->cie->encoding, run->source) - run->source->text_start);
    case CFA_ADVANCE_LOC1: return advance(run, reader_fixed(reader, 1));
    case CFA_ADVANCE_LOC2: return advance(run, reader_fixed(reader, 2));
    case CFA_ADVANCE_LOC4: return advance(run, reader_fixed(reader, 4));
    case CFA_OFFSET_EXTENDED:
        number = reader_unsigned(reader);
        save_at_cfa(run, number, reader_unsigned(reader));
        return true;
    case CFA_OFFSET_EXTENDED_SF:
        number = reader_unsigned(reader);
        save_at_cfa(run, number, (uint64_t)reader_signed(reader));
        return true;
    case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
        number = reader_unsigned(reader);
        save_at_cfa(run, number, -reader_unsigned(reader));
        return true;
    case CFA_RESTORE_EXTENDED: restore(run, reader_unsigned(reader)); return true;
    case CFA_UNDEFINED: save(run, reader_unsigned(reader), (struct saved){SAVED_UNDEFINED, 0}); return true;
    case CFA_SAME_VALUE: save(run, reader_unsigned(reader), (struct saved){SAVED_SAME, 0}); return true;
    case CFA_REGISTER:
    case CFA_VAL_OFFSET:
    case CFA_VAL_OFFSET_SF:
        save(run, reader_unsigned(reader), (struct saved){SAVED_ELSEWHERE, 0});
        reader_unsigned(reader);
        return true;
    case CFA_EXPRESSION: {
        number = reader_unsigned(reader);
        struct bytes expression = reader_bytes(reader, reader_unsigned(reader));
        bool at_rbp = EXPRESSION_IS(expression, OP_BREG_RBP, 0);
        save(run, number, (struct saved){at_rbp ? SAVED_AT_RBP : SAVED_ELSEWHERE, 0});
        return true;
    }
    case CFA_VAL_EXPRESSION:
        save(run, reader_unsigned(reader), (struct saved){SAVED_ELSEWHERE, 0});
        reader_bytes(reader, reader_unsigned(reader));
        return true;
    case CFA_REMEMBER_STATE:
        if (run->remembered_count == REMEMBERED_MAX)
            return false;
        run->remembered[run->remembered_count++] = run->state;
        return true;
    case CFA_RESTORE_STATE:
        if (run->remembered_count == 0)
            return false;
        run->state = run->remembered[--run->remembered_count];
        return true;
    case CFA_DEF_CFA:
        number = reader_unsigned(reader);
        define_cfa(run, number, (int64_t)reader_unsigned(reader));
        return true;
    case CFA_DEF_CFA_SF:
        number = reader_unsigned(reader);
        define_cfa(run, number, read_factored(run, reader));
        return true;
    case CFA_DEF_CFA_REGISTER: define_cfa(run, reader_unsigned(reader), run->state.cfa_offset); return true;
    case CFA_DEF_CFA_OFFSET:
        define_cfa(run, run->state.cfa_register, (int64_t)reader_unsigned(reader));
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        define_cfa(run, run->state.cfa_register, read_factored(run, reader));
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        run->state.cfa_expression = reader_bytes(reader, reader_unsigned(reader));
        return true;
    case CFA_GNU_ARGS_SIZE: reader_unsigned(reader); return true;
    default: return false;
    }
}

static bool more(const struct reader *reader)
{
    return !reader->failed && reader->at < reader->end;
}

/* True if every instruction was understood, down to the last or to the function's end. */
static bool execute(struct run *run, struct reader reader)
{
    while (more(&reader)) {
        uint8_t instruction = (uint8_t)reader_fixed(&reader, 1);
        uint8_t operand = instruction & 0x3f;
        bool goes_on = true;
        switch (instruction & 0xc0) {
        case CFA_ADVANCE_LOC: goes_on = advance(run, operand); break;
        case CFA_OFFSET: save_at_cfa(run, operand, reader_unsigned(&reader)); break;
        case CFA_RESTORE: restore(run, operand); break;
        default: goes_on = execute_extended(run, instruction, &reader); break;
        }
        if (!goes_on)
            return false;
    }
    return !reader.failed;
}

/* Append one function's rows. */
static void compile_function(struct run *run, const struct fde *fde)
{
    /* The rows begin where the function does; its CIE only sets up the state. */
    run->state = (struct state){.cfa_register = UINT64_MAX};
    run->remembered_count = 0;
    uint64_t start = run->pc;
    bool understood = execute(run, run->cie->instructions) && run->pc == start;
    run->initial = run->state;
    understood = understood && execute(run, fde->instructions);
    if (run->pc < run->end)
        table_append(run->table, run->first_row, run->pc,
                     understood ? rule_of_state(&run->state, run->cie->is_signal) : CFI_NONE);
}

struct function {
    uint32_t start, end; /* relative to the text's start */
    size_t entry_offset;
};

static int by_start(const void *left, const void *right)
{
    uint32_t a = ((const struct function *)left)->start, b = ((const struct function *)right)->start;
    return a < b ? -1 : a > b;
}

/* The functions of the section by address; the caller frees them. */
static struct function *list_functions(const struct cfi_source *source, size_t *count)
{
    struct function *functions = NULL;
    size_t capacity = 0;
    struct cie cie = {.offset = SIZE_MAX};
    struct entry entry;
    struct fde fde;
    *count = 0;
    for (size_t offset = 0; entry_read(source->eh_frame, offset, &entry); offset = entry.next_offset) {
        if (!fde_read(&fde, &cie, source, &entry) || fde.start < source->text_start || fde.end > source->text_end)
            continue;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 512;
            functions = mem_realloc(functions, capacity * sizeof *functions);
        }
        functions[(*count)++] = (struct function){
            .start = (uint32_t)(fde.start - source->text_start),
            .end = (uint32_t)(fde.end - source->text_start),
            .entry_offset = offset,
        };
    }
    if (*count)
        qsort(functions, *count, sizeof *functions, by_start);
    return functions;
}

void cfi_compile(struct cfi_table *table, const struct cfi_source *source)
{
    if (source->text_end - source->text_start > UINT32_MAX)
        return;
    size_t count;
    struct function *functions = list_functions(source, &count);
    struct cie cie = {.offset = SIZE_MAX};
    struct run run = {.source = source, .cie = &cie, .table = table, .first_row = table->count};
    for (size_t i = 0; i < count; i++) {
        const struct function *function = &functions[i];
        uint32_t next = i + 1 < count ? functions[i + 1].start : UINT32_MAX;
        if (next == function->start)
            continue; /* described twice */
        struct entry entry;
        struct fde fde;
        bool again = entry_read(source->eh_frame, function->entry_offset, &entry) &&
                     fde_read(&fde, &cie, source, &entry);
        ASSERT(again); /* it was read once, and the object stays mapped */
        run.pc = function->start;
        run.end = function->end < next ? function->end : next;
        compile_function(&run, &fde);
        if (next - run.end >= GAP_MIN)
            table_append(table, run.first_row, run.end, CFI_NONE);
    }
    table->function_count += (uint32_t)count;
    mem_free(functions);
}

cfi_rule cfi_find(const struct cfi_row *rows, size_t count, uint32_t pc)
{
    if (count == 0 || pc < rows[0].pc)
        return CFI_NONE;
    /* The row is always among `count` from `rows` on; written so that the compiler needs no branch but the loop's. */
    while (count > 1) {
        size_t half = count / 2;
        rows = rows[half].pc <= pc ? rows + half : rows;
        count -= half;
    }
    return rows->rule;
}
