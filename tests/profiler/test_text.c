/* test_text.c: stacks as text, byte for byte as Go writes them.
 *
 * The shapes are those of Go 1.19's runtime/pprof and of its text/tabwriter, run on the same cells. */
#include "profiler/text.h"

#include "base/mem.h"
#include "one_profiler.h"
#include "profiler/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct collection collection;
static struct text_writer *writer;
static struct buf text;
static uint32_t epoch;

/* Long enough to have a place 0x24 bytes in. */
#define SOME_CODE(sink) for (unsigned i = 0; i < 100; i++) sink = sink * 3 + i, sink ^= i << 3, sink -= i * 7

static volatile unsigned sink;

static NOINLINE void short_one(void)
{
    SOME_CODE(sink);
}

static NOINLINE void a_function_with_quite_a_long_name(void)
{
    SOME_CODE(sink);
}

static inline __attribute__((always_inline)) void inlined_part(void)
{
    SOME_CODE(sink);
}

static NOINLINE void outer_part(void)
{
    sink = 1;
    inlined_part();
    sink = 2;
}

static int open_writer(void **state)
{
    (void)state;
    buf_init(&text);
    collection = (struct collection){.profiler = profiler, .stacks = stack_table_create(2)};
    epoch = symbols_epoch(profiler_symbols(profiler));
    writer = text_writer_create(&collection, &text);
    return 0;
}

static int close_writer(void **state)
{
    (void)state;
    text_writer_destroy(writer);
    stack_table_destroy(collection.stacks);
    buf_deinit(&text);
    return 0;
}

static struct stack_key key_of(const uintptr_t *pcs, uint32_t depth)
{
    return (struct stack_key){.epoch = epoch, .depth = depth, .is_parked = true, .pcs = pcs};
}

static unsigned long offset(uintptr_t function, unsigned by)
{
    return (unsigned long)(function + by);
}

/* "tests/profiler/test_text.c:77" of the innermost frame there. */
static char *source_at(uintptr_t address, unsigned frame)
{
    struct symbol_frame frames[SYMBOL_INLINE_MAX];
    unsigned count = symbols_resolve(profiler_symbols(profiler), address, false, frames, SYMBOL_INLINE_MAX);
    assert_true(count > frame);
    assert_true(frames[frame].line > 0);
    return mem_printf("%s:%u", frames[frame].file, frames[frame].line);
}

static void assert_text(char *expected)
{
    assert_string_equal(buf_string(&text), expected);
    mem_free(expected);
    buf_clear(&text);
}

static void addresses_are_return_addresses_all_of_them(void **state)
{
    (void)state;
    const uintptr_t pcs[] = {0x43b2f6, 0x44c17e};
    struct stack_key key = key_of(pcs, 2);
    text_write_addresses(writer, &key);
    assert_text(mem_copy_string(" @ 0x43b2f6 0x44c17e\n"));
    key.is_parked = false; /* where a thread stood, not where a call returns to */
    text_write_addresses(writer, &key);
    assert_text(mem_copy_string(" @ 0x43b2f7 0x44c17e\n"));
    key.depth = 0;
    text_write_addresses(writer, &key);
    assert_text(mem_copy_string(" @\n"));
}

static void labels_are_quoted_and_in_order_of_name(void **state)
{
    (void)state;
    struct stack_key key = {.labels = {[LABEL_API] = "Fetch", [LABEL_TOPIC] = "orders", [LABEL_CLIENT_ID] = "c",
                                       [LABEL_THREAD] = "reactor-0", [LABEL_REASON] = "IO wait"}};
    text_write_labels(writer, &key);
    assert_text(mem_copy_string("# labels: {\"api\":\"Fetch\", \"client_id\":\"c\", \"reason\":\"IO wait\", "
                                "\"thread\":\"reactor-0\", \"topic\":\"orders\"}\n"));
    key = (struct stack_key){.labels = {[LABEL_CLIENT_ID] = "Fe\"tch\\\x01\xff\x7f\xc3\xa9\n\t"}};
    text_write_labels(writer, &key);
    assert_text(mem_copy_string("# labels: {\"client_id\":\"Fe\\\"tch\\\\\\x01\\xff\\x7f\xc3\xa9\\n\\t\"}\n"));
    key = (struct stack_key){.depth = 0};
    text_write_labels(writer, &key);
    assert_text(mem_copy_string(""));
}

static void columns_are_aligned_as_by_gos_tabwriter(void **state)
{
    (void)state;
    uintptr_t near = (uintptr_t)short_one, far = (uintptr_t)a_function_with_quite_a_long_name;
    const uintptr_t pcs[] = {near + 0x25, far + 0x11, 0x1092, near + 0x11};
    struct stack_key key = key_of(pcs, 4);
    text_write_frames(writer, &key);
    char *one = source_at(near + 0x24, 0), *two = source_at(far + 0x10, 0), *three = source_at(near + 0x10, 0);
    /* The line without a name ends a block of columns: what is beyond has widths of its own. */
    assert_text(mem_printf("#\t0x%lx\tshort_one+0x24\t\t\t\t%s\n"
                           "#\t0x%lx\ta_function_with_quite_a_long_name+0x10\t%s\n"
                           "#\t0x1091\n"
                           "#\t0x%lx\tshort_one+0x10\t%s\n"
                           "\n", offset(near, 0x24), one, offset(far, 0x10), two, offset(near, 0x10), three));
    mem_free(one);
    mem_free(two);
    mem_free(three);
}

static void the_first_byte_of_a_function_has_offset_zero(void **state)
{
    (void)state;
    uintptr_t near = (uintptr_t)short_one;
    struct stack_key key = key_of(&near, 1);
    key.is_parked = false;
    text_write_frames(writer, &key);
    char *source = source_at(near, 0);
    assert_text(mem_printf("#\t0x%lx\tshort_one+0x0\t%s\n\n", (unsigned long)near, source));
    mem_free(source);
}

static void an_empty_stack_is_a_zero_as_in_go(void **state)
{
    (void)state;
    struct stack_key key = {.depth = 0};
    text_write_frames(writer, &key);
    assert_text(mem_copy_string("#\t0x0\n\n"));
    key.function = "[lost samples]";
    text_write_frames(writer, &key);
    assert_text(mem_copy_string("#\t0x0\t[lost samples]\t??:0\n\n"));
}

/* The first place of `outer` that is in what was inlined into it. */
static uintptr_t inlined_place(void (*outer)(void), const char *inlined)
{
    struct symbol_frame frames[SYMBOL_INLINE_MAX];
    uintptr_t place = (uintptr_t)outer;
    while (symbols_resolve(profiler_symbols(profiler), place, false, frames, SYMBOL_INLINE_MAX) < 2)
        place++;
    assert_string_equal(frames[0].function, inlined);
    return place;
}

static void inlined_functions_have_lines_of_their_own(void **state)
{
    (void)state;
    uintptr_t place = inlined_place(outer_part, "inlined_part"), pc = place + 1, entry = (uintptr_t)outer_part;
    struct stack_key key = key_of(&pc, 1);
    text_write_frames(writer, &key);
    char *inner = source_at(place, 0), *outer = source_at(place, 1);
    unsigned long at = (unsigned long)place, by = (unsigned long)(place - entry);
    bool is_wide = strlen("inlined_part+0x") + (by < 16 ? 1 : by < 256 ? 2 : 3) >= 16;
    assert_text(mem_printf("#\t0x%lx\tinlined_part+0x%lx\t%s\n"
                           "#\t0x%lx\touter_part+0x%lx\t%s%s\n\n",
                           at, by, inner, at, by, is_wide ? "\t" : "", outer));
    text_write_traceback(writer, &key); /* Go has an offset for real frames only, and counts to the return address */
    assert_text(mem_printf("inlined_part(...)\n\t%s\nouter_part(...)\n\t%s +0x%lx\n", inner, outer, by + 1));
    mem_free(inner);
    mem_free(outer);
}

static void a_traceback_has_two_lines_a_frame(void **state)
{
    (void)state;
    uintptr_t near = (uintptr_t)short_one, far = (uintptr_t)a_function_with_quite_a_long_name;
    const uintptr_t pcs[] = {near + 0x24, far + 0x11, 0x1092};
    struct stack_key key = key_of(pcs, 3);
    key.is_parked = false;
    text_write_traceback(writer, &key);
    char *one = source_at(near + 0x24, 0), *two = source_at(far + 0x10, 0);
    assert_text(mem_printf("short_one(...)\n\t%s +0x24\na_function_with_quite_a_long_name(...)\n\t%s +0x11\n"
                           "[unknown](...)\n\t??:0 +0x1092\n", one, two));
    mem_free(one);
    mem_free(two);
    key = (struct stack_key){.function = "[no answer]"};
    text_write_traceback(writer, &key);
    assert_text(mem_copy_string("[no answer](...)\n\t??:0\n"));
}

/* By names of the runtime's own, one of them inlined into what called it. */
static NOINLINE void task_park_until(void)
{
    SOME_CODE(sink);
}

static inline __attribute__((always_inline)) void task_park(void)
{
    SOME_CODE(sink);
}

static NOINLINE void caller_of_park(void)
{
    sink = 1;
    task_park();
    sink = 2;
}

static void a_parked_task_s_traceback_begins_at_what_it_called(void **state)
{
    (void)state;
    uintptr_t in_park = inlined_place(caller_of_park, "task_park") + 1;
    uintptr_t pcs[] = {(uintptr_t)task_park_until + 0x11, in_park, (uintptr_t)short_one + 0x25};
    char *park = source_at(pcs[0] - 1, 0), *outer = source_at(in_park - 1, 1), *near = source_at(pcs[2] - 1, 0);
    unsigned long by = (unsigned long)(in_park - (uintptr_t)caller_of_park);
    struct stack_key key = key_of(pcs, 3);
    text_write_traceback(writer, &key);
    assert_text(mem_printf("caller_of_park(...)\n\t%s +0x%lx\nshort_one(...)\n\t%s +0x25\n", outer, by, near));
    key.is_parked = false; /* one that runs is just there */
    text_write_traceback(writer, &key);
    assert_int_equal(strncmp(buf_string(&text), "task_park_until(...)\n", 21), 0);
    buf_clear(&text);
    key = key_of(pcs, 1); /* never nothing */
    text_write_traceback(writer, &key);
    assert_text(mem_printf("task_park_until(...)\n\t%s +0x11\n", park));
    /* Only at the leaf. */
    const uintptr_t above[] = {pcs[2], pcs[0], pcs[2]};
    key = key_of(above, 3);
    text_write_traceback(writer, &key);
    assert_text(mem_printf("short_one(...)\n\t%s +0x25\ntask_park_until(...)\n\t%s +0x11\n"
                           "short_one(...)\n\t%s +0x25\n", near, park, near));
    mem_free(park);
    mem_free(outer);
    mem_free(near);
}

static void a_creator_is_one_frame(void **state)
{
    (void)state;
    uintptr_t near = (uintptr_t)short_one;
    text_write_creator(writer, near + 0x25, " in goroutine 7");
    char *source = source_at(near + 0x24, 0);
    assert_text(mem_printf("created by short_one in goroutine 7\n\t%s +0x25\n", source));
    mem_free(source);
    text_write_creator(writer, 0x1092, "");
    assert_text(mem_copy_string("created by [unknown]\n\t??:0 +0x1092\n"));
}

static void write_both(struct buf *to, const struct stack_entry *entry)
{
    buf_printf(to, "%d %d", (int)entry->values[1], (int)entry->values[0]);
}

static void entries_come_largest_first_and_none_without_a_value(void **state)
{
    (void)state;
    const uintptr_t pcs[] = {0x11, 0x22, 0x33};
    for (unsigned i = 0; i < 3; i++) {
        struct stack_key key = key_of(&pcs[i], 1);
        key.labels[LABEL_API] = i == 1 ? "Fetch" : NULL;
        stack_table_add(collection.stacks, &key, (int64_t[]){i, 100 * i});
    }
    text_write_entries(writer, write_both);
    assert_text(mem_copy_string("200 2 @ 0x33\n#\t0x32\n\n100 1 @ 0x22\n# labels: {\"api\":\"Fetch\"}\n#\t0x21\n\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_writer, close_writer)
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_return_addresses_all_of_them),
        TEST(labels_are_quoted_and_in_order_of_name),
        TEST(columns_are_aligned_as_by_gos_tabwriter),
        TEST(the_first_byte_of_a_function_has_offset_zero),
        TEST(an_empty_stack_is_a_zero_as_in_go),
        TEST(inlined_functions_have_lines_of_their_own),
        TEST(a_traceback_has_two_lines_a_frame),
        TEST(a_parked_task_s_traceback_begins_at_what_it_called),
        TEST(a_creator_is_one_frame),
        TEST(entries_come_largest_first_and_none_without_a_value),
    };
    short_one();
    a_function_with_quite_a_long_name();
    outer_part();
    task_park_until();
    caller_of_park();
    return cmocka_run_group_tests(tests, create_profiler, destroy_profiler);
}
