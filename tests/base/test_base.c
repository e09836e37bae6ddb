/* test_base.c: arenas, buffers, lists, labels, checksums, clocks, error texts and the log. */
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/label.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void arena_memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    for (int round = 0; round < 3; round++) {
        uint8_t *previous = NULL;
        for (size_t size = 1; size < 20000; size = size * 2 + 1) {
            uint8_t *memory = arena_alloc(&arena, size);
            assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(memory[i], 0);
            memset(memory, 0xff, size); /* must not reach the next one */
            assert_ptr_not_equal(memory, previous);
            previous = memory;
        }
        arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    arena_deinit(&arena);
}

static void a_large_allocation_leaves_the_block_with_room_in_use(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    char *small = arena_alloc(&arena, 16);
    arena_alloc(&arena, 1 << 20);
    char *next = arena_alloc(&arena, 16);
    assert_ptr_equal(next, small + 16);
    assert_string_equal(arena_printf(&arena, "%s-%d", "topic", 7), "topic-7");
    assert_string_equal(arena_copy_bytes(&arena, bytes_of("abc", 2)), "ab");
    arena_deinit(&arena);
}

static void buf_grows_and_is_consumed_from_the_front(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    for (int i = 0; i < 1000; i++)
        buf_printf(&buf, "%03d", i);
    assert_int_equal(buf.size, 3000);
    buf_consume(&buf, 2994);
    assert_string_equal(buf_string(&buf), "998999");
    buf_printf(&buf, "%0100d", 7); /* longer than the first try of printf */
    assert_int_equal(buf.size, 106);
    size_t size;
    uint8_t *taken = buf_take(&buf, &size);
    assert_int_equal(size, 106);
    assert_int_equal(taken[105], '7');
    mem_free(taken);
    assert_int_equal(buf.size, 0);
    buf_deinit(&buf);
}

static void list_keeps_order_and_forgets_what_is_removed(void **state)
{
    (void)state;
    struct item {
        int number;
        struct list link;
    } items[4];
    struct list head;
    list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_append(&head, &items[i].link);
    }
    LIST_EACH_SAFE(link, &head)
        if (LIST_ENTRY(link, struct item, link)->number % 2)
            list_remove(link);
    list_remove(&items[1].link); /* a second time is harmless */
    list_prepend(&head, &items[3].link);
    int expected[] = {3, 0, 2}, at = 0;
    LIST_EACH(link, &head)
        assert_int_equal(LIST_ENTRY(link, struct item, link)->number, expected[at++]);
    assert_int_equal(at, 3);
}

static void labels_are_interned_and_bounded(void **state)
{
    (void)state;
    const char *orders = label_intern(LABEL_TOPIC, bytes_of_string("orders"));
    assert_string_equal(orders, "orders");
    assert_ptr_equal(orders, label_intern(LABEL_TOPIC, bytes_of_string("orders")));
    assert_null(label_intern(LABEL_TOPIC, bytes_of_string("")));
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        const char *label = label_intern(LABEL_TOPIC, bytes_of_string(name));
        assert_string_equal(label, i < LABEL_VALUES_MAX - 1 ? name : "other");
    }
    assert_ptr_equal(orders, label_intern(LABEL_TOPIC, bytes_of_string("orders")));
    assert_string_equal(label_key_name(LABEL_CLIENT_ID), "client_id");
    assert_string_equal(label_intern(LABEL_CLIENT_ID, bytes_of_string("t3")), "t3"); /* keys do not share room */
}

static void crc32c_is_castagnoli(void **state)
{
    (void)state;
    assert_int_equal(crc32c(bytes_of_string("123456789")), 0xE3069283u);
    uint8_t zeros[32] = {0}, ones[32];
    memset(ones, 0xff, sizeof ones);
    assert_int_equal(crc32c(bytes_of(zeros, 32)), 0x8A9136AAu); /* RFC 3720, B.4 */
    assert_int_equal(crc32c(bytes_of(ones, 32)), 0x62A8AB43u);
    uint32_t crc = crc32c_extend(crc32c_extend(0, bytes_of_string("1234")), bytes_of_string("56789"));
    assert_int_equal(crc, 0xE3069283u);
    assert_int_equal(crc32c(bytes_of(NULL, 0)), 0);
}

static void a_test_can_hold_the_clocks(void **state)
{
    (void)state;
    clock_test_freeze(5 * NS_PER_S, 1700000000000000000);
    clock_test_advance(1500 * NS_PER_MS);
    assert_int_equal(clock_monotonic_ns(), 6500000000);
    assert_int_equal(clock_wall_ms(), 1700000001500);
    clock_test_real();
    assert_true(clock_monotonic_ns() != 6500000000);
}

static void error_codes_have_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(error_name(ERR_CORRUPT), "ERR_CORRUPT");
    assert_string_equal(error_text(-ENOENT), "No such file or directory");
    assert_string_equal(error_name(-ENOSPC), "ENOSPC");
    assert_string_equal(error_text(-4095), "end of file");
    assert_string_equal(error_text(0), "success");
    assert_string_equal(error_name(-30000), "UNKNOWN");
}

static void keep_line(const char *line, void *context)
{
    snprintf(context, 4096, "%s", line);
}

static void log_lines_are_whole_and_harmless(void **state)
{
    (void)state;
    char line[4096] = "";
    clock_test_freeze(0, 1700000000123000000);
    log_redirect(keep_line, line);
    log_configure((struct log_options){.level = LOG_INFO});
    log_debug("not shown");
    assert_string_equal(line, "");
    log_warning("client left client_id=%s", "a\nb\x1b[31m\"");
    assert_string_equal(line, "2023-11-14T22:13:20.123Z warning client left client_id=a\\x0ab\\x1b[31m\"\n");
    log_warning("name=%s", "\xc3\xa9\xc2\x9b\xff\xe2\x82");
    assert_string_equal(line, "2023-11-14T22:13:20.123Z warning name=\xc3\xa9\\xc2\\x9b\\xff\\xe2\\x82\n");
    log_configure((struct log_options){.level = LOG_ERROR, .format = LOG_JSON});
    log_warning("not shown either");
    log_error("disk \"%s\" full", "d\n");
    assert_string_equal(line, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\",\"message\":"
                              "\"disk \\\"d\\u000a\\\" full\"}\n");
    log_error("name=%s", "\xc3\xa9\xf0\x9f\x98\x80\xed\xa0\x80\xc0\xaf");
    assert_string_equal(line, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\",\"message\":"
                              "\"name=\xc3\xa9\xf0\x9f\x98\x80\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"}\n");
    log_configure((struct log_options){.level = LOG_INFO});
    log_redirect(NULL, NULL);
    clock_test_real();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_large_allocation_leaves_the_block_with_room_in_use),
        cmocka_unit_test(buf_grows_and_is_consumed_from_the_front),
        cmocka_unit_test(list_keeps_order_and_forgets_what_is_removed),
        cmocka_unit_test(labels_are_interned_and_bounded),
        cmocka_unit_test(crc32c_is_castagnoli),
        cmocka_unit_test(a_test_can_hold_the_clocks),
        cmocka_unit_test(error_codes_have_names_and_texts),
        cmocka_unit_test(log_lines_are_whole_and_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
