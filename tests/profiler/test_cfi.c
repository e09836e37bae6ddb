/* test_cfi.c: hand-assembled .eh_frame sections against the rows they must become. */
#include "profiler/cfi.h"

#include "base/check.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* Where the sections pretend to be mapped, and the text they describe. */
#define SECTION 0x700000u
#define HEADER 0x6ff000u
#define TEXT 0x400000u
#define TEXT_END 0x410000u

#define NONE CFI_RULE(CFI_NONE, 0, 0)
#define ROOT CFI_RULE(CFI_ROOT, 0, 0)
#define RSP(offset, saved_rbp) CFI_RULE(CFI_RSP, offset, saved_rbp)
#define RBP(offset, saved_rbp) CFI_RULE(CFI_RBP, offset, saved_rbp)

/* --- assembling --- */

struct section {
    uint8_t bytes[1024];
    size_t size, cie;
};

static void put(struct section *section, const void *bytes, size_t size)
{
    assert_true(section->size + size <= sizeof section->bytes);
    if (size)
        memcpy(section->bytes + section->size, bytes, size);
    section->size += size;
}

static void put_u32(struct section *section, uint32_t value)
{
    put(section, &value, sizeof value);
}

/* An entry's length goes in front of it. */
static size_t begin(struct section *section)
{
    put_u32(section, 0);
    return section->size;
}
static void finish(struct section *section, size_t start)
{
    uint32_t length = (uint32_t)(section->size - start);
    memcpy(section->bytes + start - 4, &length, sizeof length);
}

/* Addresses relative to themselves in four bytes, as compilers write them. */
static const uint8_t cie_usual[] = {
    1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, /* version, augmentation, factors 1 and -8, return address in rip */
    0x0c, 7, 8, 0x90, 1,                  /* CFA = rsp + 8, rip at CFA - 8 */
};

static void put_cie(struct section *section, const uint8_t *content, size_t size)
{
    section->cie = section->size;
    size_t start = begin(section);
    put_u32(section, 0);
    put(section, content, size);
    finish(section, start);
}

static size_t begin_fde(struct section *section)
{
    size_t start = begin(section);
    put_u32(section, (uint32_t)(section->size - section->cie));
    return start;
}

static void put_fde(struct section *section, uint32_t pc, uint32_t size, const uint8_t *instructions, size_t count)
{
    size_t start = begin_fde(section);
    put_u32(section, TEXT + pc - (SECTION + (uint32_t)section->size));
    put_u32(section, size);
    put(section, "", 1); /* no augmentation data */
    put(section, instructions, count);
    finish(section, start);
}

static struct cfi_table compile_bytes(const uint8_t *bytes, size_t size)
{
    /* A copy of its exact size, so that AddressSanitizer sees each byte read beyond it. */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    struct cfi_table table = {0};
    cfi_compile(&table, &(struct cfi_source){bytes_of(copy, size), SECTION, HEADER, TEXT, TEXT_END});
    free(copy);
    return table;
}

static struct cfi_table compile(struct section *section)
{
    put_u32(section, 0);
    return compile_bytes(section->bytes, section->size);
}

static void expect_rows(const struct cfi_table *table, const struct cfi_row *rows, size_t count)
{
    assert_int_equal(table->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(table->rows[i].pc, rows[i].pc);
        assert_int_equal(table->rows[i].rule, rows[i].rule);
    }
}
#define EXPECT_ROWS(table, ...) \
    expect_rows(table, (const struct cfi_row[]){__VA_ARGS__}, \
                sizeof((const struct cfi_row[]){__VA_ARGS__}) / sizeof(struct cfi_row))

/* --- one instruction each --- */

/* A function at 0x100 of 0x40 bytes. Its rows are those here, and none from 0x140 on. */
struct instruction_case {
    const char *name;
    uint8_t size, code[40];
    uint8_t row_count;
    struct cfi_row rows[6];
};

#define OP(...) sizeof((const uint8_t[]){__VA_ARGS__}), {__VA_ARGS__}

static const struct instruction_case instruction_cases[] = {
    {"none", 0, {0}, 1, {{0x100, RSP(8, 0)}}},
    {"nop", OP(0, 0, 0), 1, {{0x100, RSP(8, 0)}}},
    {"def_cfa_offset, advance_loc", OP(0x41, 0x0e, 16), 2, {{0x100, RSP(8, 0)}, {0x101, RSP(16, 0)}}},
    {"advance_loc1", OP(0x02, 0x20, 0x0e, 16), 2, {{0x100, RSP(8, 0)}, {0x120, RSP(16, 0)}}},
    {"advance_loc2", OP(0x03, 0x3f, 0, 0x0e, 16), 2, {{0x100, RSP(8, 0)}, {0x13f, RSP(16, 0)}}},
    {"advance_loc4", OP(0x04, 2, 0, 0, 0, 0x0e, 16), 2, {{0x100, RSP(8, 0)}, {0x102, RSP(16, 0)}}},
    {"advance beyond the end", OP(0x02, 0x40, 0x0e, 16), 1, {{0x100, RSP(8, 0)}}},
    {"frame pointer", OP(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x60, 0x0c, 7, 8), 4,
     {{0x100, RSP(8, 0)}, {0x101, RSP(16, 16)}, {0x104, RBP(16, 16)}, {0x124, RSP(8, 0)}}},
    {"other registers do not matter", OP(0x41, 0x83, 3, 0x8c, 2), 1, {{0x100, RSP(8, 0)}}},
    {"offset_extended", OP(0x0e, 32, 0x05, 6, 4), 1, {{0x100, RSP(32, 32)}}},
    {"offset_extended_sf", OP(0x0e, 32, 0x11, 6, 3), 1, {{0x100, RSP(32, 24)}}},
    {"GNU_negative_offset_extended", OP(0x0e, 32, 0x2f, 6, 2), 1, {{0x100, NONE}}},
    {"restore", OP(0x0e, 16, 0x86, 2, 0x41, 0xc6), 2, {{0x100, RSP(16, 16)}, {0x101, RSP(16, 0)}}},
    {"restore_extended", OP(0x0e, 16, 0x86, 2, 0x41, 0x06, 6), 2, {{0x100, RSP(16, 16)}, {0x101, RSP(16, 0)}}},
    {"same_value", OP(0x0e, 16, 0x86, 2, 0x41, 0x08, 6), 2, {{0x100, RSP(16, 16)}, {0x101, RSP(16, 0)}}},
    {"undefined return address", OP(0x07, 16), 1, {{0x100, ROOT}}},
    {"undefined rbp", OP(0x07, 6), 1, {{0x100, NONE}}},
    {"register", OP(0x41, 0x09, 16, 5), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"val_offset", OP(0x41, 0x14, 6, 2), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"val_offset_sf", OP(0x41, 0x15, 6, 2), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"val_expression", OP(0x41, 0x16, 6, 2, 0x77, 8), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"expression", OP(0x41, 0x10, 6, 2, 0x77, 8), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"remember_state, restore_state",
     OP(0x0e, 16, 0x86, 2, 0x0a, 0x41, 0x0e, 8, 0xc6, 0x41, 0x0b, 0x41, 0x0e, 24), 4,
     {{0x100, RSP(16, 16)}, {0x101, RSP(8, 0)}, {0x102, RSP(16, 16)}, {0x103, RSP(24, 16)}}},
    {"restore_state without remember_state", OP(0x41, 0x0b, 0x41, 0x0e, 16), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"def_cfa", OP(0x0c, 6, 0x80, 1), 1, {{0x100, RBP(128, 0)}}},
    {"def_cfa_sf", OP(0x12, 7, 0x7e), 1, {{0x100, RSP(16, 0)}}},
    {"def_cfa_offset_sf", OP(0x13, 0x7d), 1, {{0x100, RSP(24, 0)}}},
    {"CFA by another register", OP(0x41, 0x0d, 10, 0x44, 0x0c, 7, 16), 3,
     {{0x100, RSP(8, 0)}, {0x101, NONE}, {0x105, RSP(16, 0)}}},
    {"GNU_args_size", OP(0x2e, 0x90, 1), 1, {{0x100, RSP(8, 0)}}},
    {"unknown instruction", OP(0x41, 0x3f, 0x41, 0x0e, 16), 2, {{0x100, RSP(8, 0)}, {0x101, NONE}}},
    {"set_loc beyond the end", OP(0x0e, 16, 0x01, 0, 0, 0, 0, 0x0e, 24), 1, {{0x100, RSP(16, 0)}}},
    {"set_loc back", OP(0x0e, 16, 0x01, 0, 0, 0xd0, 0xff, 0x0e, 24), 1, {{0x100, NONE}}},
    {"popped at the return", OP(0x0e, 16, 0x86, 2, 0x48, 0x0c, 7, 8), 2, {{0x100, RSP(16, 16)}, {0x108, RSP(8, 0)}}},
    {"largest frame", OP(0x0e, 0xf8, 0xff, 0x0f), 1, {{0x100, RSP(CFI_OFFSET_MAX, 0)}}},
    {"frame too large", OP(0x0e, 0x80, 0x80, 0x10), 1, {{0x100, NONE}}},
    {"offset that is no word", OP(0x0e, 12), 1, {{0x100, NONE}}},
    {"rbp too far", OP(0x0e, 0x80, 0x40, 0x86, 0x80, 0x04), 1, {{0x100, NONE}}},
    {"return address elsewhere", OP(0x90, 2), 1, {{0x100, NONE}}},
    {"linkage table",
     OP(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), 1,
     {{0x100, CFI_RULE(CFI_PLT, 11 * 8, 0)}}},
    {"stack aligned anew", OP(0x10, 6, 2, 0x76, 0, 0x0f, 3, 0x76, 0x78, 0x06), 1,
     {{0x100, CFI_RULE(CFI_RBP_DEREF, 8, 0)}}},
    {"expression of another kind", OP(0x0f, 3, 0x77, 0x78, 0x06), 1, {{0x100, NONE}}},
    {"signal frame only where the CIE says so", OP(0x0f, 4, 0x77, 0xa0, 1, 0x06), 1, {{0x100, NONE}}},
};

static void each_instruction_becomes_its_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(instruction_cases); i++) {
        const struct instruction_case *test = &instruction_cases[i];
        struct section section = {0};
        put_cie(&section, cie_usual, sizeof cie_usual);
        put_fde(&section, 0x100, 0x40, test->code, test->size);
        struct cfi_table table = compile(&section);
        struct cfi_row expected[8];
        size_t count = test->row_count;
        memcpy(expected, test->rows, count * sizeof *expected);
        if (expected[count - 1].rule != NONE)
            expected[count++] = (struct cfi_row){0x140, NONE};
        bool same = table.count == count && memcmp(table.rows, expected, count * sizeof *expected) == 0;
        if (!same)
            print_message("case: %s\n", test->name);
        expect_rows(&table, expected, count);
        assert_int_equal(table.function_count, 1);
        mem_free(table.rows);
    }
}

static void set_loc_moves_to_an_address(void **state)
{
    (void)state;
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    size_t start = begin_fde(&section);
    put_u32(&section, TEXT + 0x100 - (SECTION + (uint32_t)section.size));
    put_u32(&section, 0x40);
    put(&section, "\0\1", 2);
    put_u32(&section, TEXT + 0x110 - (SECTION + (uint32_t)section.size));
    put(&section, (const uint8_t[]){0x0e, 16}, 2);
    finish(&section, start);
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0x100, RSP(8, 0)}, {0x110, RSP(16, 0)}, {0x140, NONE});
    mem_free(table.rows);
}

static void remembered_states_are_bounded(void **state)
{
    (void)state;
    uint8_t code[19] = {0x41};
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    memset(code + 1, 0x0a, 18);
    put_fde(&section, 0x100, 0x40, code, 17);
    put_fde(&section, 0x200, 0x40, code, 18);
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0x100, RSP(8, 0)}, {0x140, NONE}, {0x200, RSP(8, 0)}, {0x201, NONE});
    mem_free(table.rows);
}

/* --- entries --- */

static void augmentations_are_understood(void **state)
{
    (void)state;
    /* C++'s: a personality of 4 bytes and a pointer to its data, which the function then has. */
    static const uint8_t with_personality[] = {1, 'z', 'P', 'L', 'R', 0, 1, 0x78, 16, 7, 0x9b, 1, 2, 3, 4, 0x1b, 0x1b,
                                               0x0c, 7, 8, 0x90, 1};
    struct section section = {0};
    put_cie(&section, with_personality, sizeof with_personality);
    size_t start = begin_fde(&section);
    put_u32(&section, TEXT + 0x100 - (SECTION + (uint32_t)section.size));
    put_u32(&section, 0x40);
    put(&section, (const uint8_t[]){4, 9, 9, 9, 9, 0x0e, 16}, 7);
    finish(&section, start);
    /* A signal trampoline, whose CIE has version 3. */
    static const uint8_t of_signal[] = {3, 'z', 'R', 'S', 0, 1, 0x78, 16, 1, 0x1b};
    put_cie(&section, of_signal, sizeof of_signal);
    static const uint8_t restore_rt[] = {0x0f, 4, 0x77, 0xa0, 1, 0x06, 0x10, 16, 3, 0x77, 0xa8, 1};
    put_fde(&section, 0x200, 9, restore_rt, sizeof restore_rt);
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0x100, RSP(16, 0)}, {0x140, NONE}, {0x200, CFI_RULE(CFI_SIGNAL, 0, 0)}, {0x209, NONE});
    mem_free(table.rows);
}

static void addresses_are_read_in_each_encoding(void **state)
{
    (void)state;
    static const struct {
        uint8_t encoding, size;
        uint64_t start, length;
    } cases[] = {
        {0x00, 8, TEXT + 0x100, 0x40},                   /* absolute */
        {0x03, 4, TEXT + 0x100, 0x40},                   /* unsigned, 4 bytes */
        {0x04, 8, TEXT + 0x100, 0x40},                   /* unsigned, 8 bytes */
        {0x0b, 4, TEXT + 0x100, 0x40},                   /* signed, 4 bytes */
        {0x3b, 4, TEXT + 0x100 - (uint64_t)HEADER, 0x40}, /* relative to the header */
        {0x3c, 8, TEXT + 0x100 - (uint64_t)HEADER, 0x40},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t cie[sizeof cie_usual];
        memcpy(cie, cie_usual, sizeof cie);
        cie[8] = cases[i].encoding;
        struct section section = {0};
        put_cie(&section, cie, sizeof cie);
        size_t start = begin_fde(&section);
        put(&section, &cases[i].start, cases[i].size);
        put(&section, &cases[i].length, cases[i].size);
        put(&section, "", 1);
        finish(&section, start);
        struct cfi_table table = compile(&section);
        EXPECT_ROWS(&table, {0x100, RSP(8, 0)}, {0x140, NONE});
        mem_free(table.rows);
    }
}

static void cie_that_is_not_understood_gives_no_rows(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } changes[] = {
        {0, 2},    /* version */
        {1, 'e'},  /* an augmentation whose length is unknown */
        {2, 'X'},  /* a letter that is unknown */
        {4, 0},    /* code factor 0: nothing would ever advance */
        {6, 30},   /* return address in another register */
        {7, 0x7f}, /* augmentation data beyond the entry */
        {8, 0x9b}, /* an indirect address */
        {8, 0x2b}, /* relative to what nothing says */
        {8, 0x0f}, /* no such format */
    };
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        uint8_t cie[sizeof cie_usual];
        memcpy(cie, cie_usual, sizeof cie);
        cie[changes[i].at] = changes[i].byte;
        struct section section = {0};
        put_cie(&section, cie, sizeof cie);
        put_fde(&section, 0x100, 0x40, NULL, 0);
        struct cfi_table table = compile(&section);
        assert_int_equal(table.count, 0);
        mem_free(table.rows);
    }
}

static void fde_outside_of_the_text_is_left_out(void **state)
{
    (void)state;
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    put_fde(&section, UINT32_MAX, 0x10, NULL, 0);             /* starts below */
    put_fde(&section, TEXT_END - TEXT - 8, 0x10, NULL, 0);    /* ends above */
    put_fde(&section, 0x100, 0, NULL, 0);                     /* empty */
    put_fde(&section, TEXT_END - TEXT - 0x10, 0x10, NULL, 0); /* just fits */
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0xfff0, RSP(8, 0)}, {0x10000, NONE});
    mem_free(table.rows);
}

static void cie_pointer_that_leads_nowhere_is_left_out(void **state)
{
    (void)state;
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    size_t first_fde = section.size;
    section.cie = first_fde - 1; /* into the CIE's bytes */
    put_fde(&section, 0x100, 0x40, NULL, 0);
    section.cie = first_fde; /* another FDE */
    put_fde(&section, 0x200, 0x40, NULL, 0);
    section.cie = SIZE_MAX - 1000; /* before the section */
    put_fde(&section, 0x300, 0x40, NULL, 0);
    section.cie = 0;
    put_fde(&section, 0x400, 0x40, NULL, 0);
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0x400, RSP(8, 0)}, {0x440, NONE});
    mem_free(table.rows);
}

/* --- functions beside each other --- */

static void functions_are_sorted_and_gaps_have_no_rule(void **state)
{
    (void)state;
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    static const uint8_t deep[] = {0x0e, 64};
    put_fde(&section, 0x300, 0x20, deep, 2);
    put_fde(&section, 0x100, 0x20, NULL, 0);
    put_fde(&section, 0x120, 0x1a, deep, 2);  /* adjacent */
    put_fde(&section, 0x140, 0x20, NULL, 0);  /* behind padding of less than 16 bytes */
    put_fde(&section, 0x170, 0x20, NULL, 0);  /* behind a gap */
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0x100, RSP(8, 0)}, {0x120, RSP(64, 0)}, {0x140, RSP(8, 0)}, {0x160, NONE},
                {0x170, RSP(8, 0)}, {0x190, NONE}, {0x300, RSP(64, 0)}, {0x320, NONE});
    assert_int_equal(table.function_count, 5);
    mem_free(table.rows);
}

static void overlapping_functions_stay_sorted(void **state)
{
    (void)state;
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    static const uint8_t deeper_at_0x30[] = {0x70, 0x0e, 16};
    put_fde(&section, 0x100, 0x100, deeper_at_0x30, 3);
    put_fde(&section, 0x110, 0x10, (const uint8_t[]){0x0e, 32}, 2);
    put_fde(&section, 0x110, 0x10, (const uint8_t[]){0x0e, 32}, 2);
    struct cfi_table table = compile(&section);
    EXPECT_ROWS(&table, {0x100, RSP(8, 0)}, {0x110, RSP(32, 0)}, {0x120, NONE});
    mem_free(table.rows);
}

static void objects_append_to_one_table(void **state)
{
    (void)state;
    struct section section = {0};
    put_cie(&section, cie_usual, sizeof cie_usual);
    put_fde(&section, 0x100, 0x40, NULL, 0);
    put_u32(&section, 0);
    struct cfi_table table = {0};
    struct cfi_source source = {bytes_of(section.bytes, section.size), SECTION, HEADER, TEXT, TEXT_END};
    cfi_compile(&table, &source);
    cfi_compile(&table, &source);
    EXPECT_ROWS(&table, {0x100, RSP(8, 0)}, {0x140, NONE}, {0x100, RSP(8, 0)}, {0x140, NONE});
    mem_free(table.rows);
}

static void row_that_holds_is_found(void **state)
{
    (void)state;
    static const struct cfi_row rows[] = {
        {0x10, RSP(8, 0)}, {0x11, RSP(16, 0)}, {0x20, RBP(16, 16)}, {0x30, NONE}, {0x40, RSP(8, 0)},
    };
    for (size_t count = 0; count <= ARRAY_COUNT(rows); count++) {
        for (uint32_t pc = 0; pc < 0x50; pc++) {
            cfi_rule expected = NONE;
            for (size_t i = 0; i < count && rows[i].pc <= pc; i++)
                expected = rows[i].rule;
            assert_int_equal(cfi_find(rows, count, pc), expected);
        }
    }
    assert_int_equal(cfi_find(rows, ARRAY_COUNT(rows), UINT32_MAX), RSP(8, 0));
}

/* --- hostile input --- */

static void put_everything(struct section *section)
{
    put_cie(section, cie_usual, sizeof cie_usual);
    uint32_t pc = 0x100;
    for (size_t i = 0; i < ARRAY_COUNT(instruction_cases) && section->size < 900; i += 2, pc += 0x40)
        put_fde(section, pc, 0x40, instruction_cases[i].code, instruction_cases[i].size);
    put_u32(section, 0);
}

static void expect_sorted(const struct cfi_table *table)
{
    for (size_t i = 1; i < table->count; i++)
        assert_true(table->rows[i - 1].pc < table->rows[i].pc);
    for (size_t i = 0; i < table->count; i++) {
        assert_true(table->rows[i].pc <= TEXT_END - TEXT);
        assert_true(table->rows[i].rule >> CFI_RULE_BITS == 0);
    }
    if (table->count)
        assert_int_equal(table->rows[table->count - 1].rule, NONE);
}

static void section_may_end_anywhere(void **state)
{
    (void)state;
    struct section section = {0};
    put_everything(&section);
    struct cfi_table whole = compile_bytes(section.bytes, section.size);
    assert_true(whole.function_count > 10);
    uint32_t functions_before = 0;
    for (size_t size = 0; size <= section.size; size++) {
        struct cfi_table table = compile_bytes(section.bytes, size);
        expect_sorted(&table);
        assert_in_range(table.function_count, functions_before, whole.function_count);
        functions_before = table.function_count;
        mem_free(table.rows);
    }
    assert_int_equal(functions_before, whole.function_count);
    mem_free(whole.rows);
}

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct section section = {0};
    put_everything(&section);
    for (size_t at = 0; at < section.size; at++) {
        uint8_t right = section.bytes[at];
        for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
            section.bytes[at] = values[i];
            struct cfi_table table = compile_bytes(section.bytes, section.size);
            expect_sorted(&table);
            mem_free(table.rows);
        }
        section.bytes[at] = right;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_instruction_becomes_its_rows),
        cmocka_unit_test(set_loc_moves_to_an_address),
        cmocka_unit_test(remembered_states_are_bounded),
        cmocka_unit_test(augmentations_are_understood),
        cmocka_unit_test(addresses_are_read_in_each_encoding),
        cmocka_unit_test(cie_that_is_not_understood_gives_no_rows),
        cmocka_unit_test(fde_outside_of_the_text_is_left_out),
        cmocka_unit_test(cie_pointer_that_leads_nowhere_is_left_out),
        cmocka_unit_test(functions_are_sorted_and_gaps_have_no_rule),
        cmocka_unit_test(overlapping_functions_stay_sorted),
        cmocka_unit_test(objects_append_to_one_table),
        cmocka_unit_test(row_that_holds_is_found),
        cmocka_unit_test(section_may_end_anywhere),
        cmocka_unit_test(any_byte_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
