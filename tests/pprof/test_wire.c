/* test_wire.c: fields of a protocol buffer, and ids; whole profiles are test_decode.c's. */
#include "pprof/wire.h"

#include "base/mem.h"
#include "pprof/id_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void fields_come_with_their_content(void **state)
{
    (void)state;
    static const char text[] = "\x08\x96\x01" "\x12\x02" "hi" "\x19" "12345678" "\x25" "1234" "\x80\x01\x07";
    struct wire wire = wire_of(bytes_of(text, sizeof(text) - 1));
    struct wire_field field;
    assert_true(wire_next(&wire, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 150);
    assert_true(wire_next(&wire, &field));
    assert_int_equal(field.number, 2);
    assert_true(bytes_equal_string(field.content, "hi"));
    assert_true(wire_next(&wire, &field));
    assert_int_equal(field.type, WIRE_TYPE_FIXED64);
    assert_true(wire_next(&wire, &field));
    assert_int_equal(field.type, WIRE_TYPE_FIXED32);
    assert_true(wire_next(&wire, &field));
    assert_int_equal(field.number, 16);
    assert_int_equal(field.value, 7);
    assert_int_equal(field.content.size, 0);
    assert_false(wire_next(&wire, &field));
    assert_false(wire.is_broken);
}

static void what_is_cut_or_none_is_broken(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {{"\x80", 1},     {"\x08", 1}, {"\x08\x80", 2}, {"\x12\x03hi", 4}, {"\x19" "1234567", 8}, {"\x25" "123", 4},
                 {"\x0b", 1},     {"\x0c", 1}, {"\x0e", 1},     {"\x00\x01", 2},
                 {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, {"\xf8\xff\xff\xff\xff\xff\x01\x01", 8}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t *copy = mem_alloc(cases[i].size); /* exact, so that a sanitizer sees a read beyond it */
        memcpy(copy, cases[i].bytes, cases[i].size);
        struct wire wire = wire_of(bytes_of(copy, cases[i].size));
        struct wire_field field;
        assert_false(wire_next(&wire, &field));
        assert_true(wire.is_broken);
        mem_free(copy);
    }
}

static void nothing_has_no_fields_and_is_whole(void **state)
{
    (void)state;
    struct wire wire = wire_of(bytes_of(NULL, 0));
    struct wire_field field;
    assert_false(wire_next(&wire, &field));
    assert_false(wire.is_broken);
}

static void ids_are_found_dense_or_not(void **state)
{
    (void)state;
    static const uint64_t sets[][3] = {{1, 2, 3}, {3, 1, 2}, {9, 4, 7}, {UINT64_MAX, 5, 1ull << 40}};
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        struct id_map map = {0};
        assert_int_equal(id_map_find(&map, 1), 0);
        for (uint32_t j = 0; j < 3; j++)
            id_map_add(&map, sets[i][j], j + 1);
        assert_true(id_map_finish(&map));
        for (uint32_t j = 0; j < 3; j++)
            assert_int_equal(id_map_find(&map, sets[i][j]), j + 1);
        assert_int_equal(id_map_find(&map, 0), 0);
        assert_int_equal(id_map_find(&map, 6), 0);
        assert_int_equal(id_map_find(&map, 1ull << 41), 0);
        id_map_deinit(&map);
    }
}

static void an_id_of_zero_or_twice_is_refused(void **state)
{
    (void)state;
    static const uint64_t sets[][2] = {{0, 1}, {1, 0}, {5, 5}};
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        struct id_map map = {0};
        id_map_add(&map, sets[i][0], 1);
        id_map_add(&map, sets[i][1], 2);
        assert_false(id_map_finish(&map));
        id_map_deinit(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_with_their_content),
        cmocka_unit_test(what_is_cut_or_none_is_broken),
        cmocka_unit_test(nothing_has_no_fields_and_is_whole),
        cmocka_unit_test(ids_are_found_dense_or_not),
        cmocka_unit_test(an_id_of_zero_or_twice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
