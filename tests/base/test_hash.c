/* test_hash.c: hashes are the same within a process, and another process has others. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PRINT_ARGUMENT "print"

static struct bytes key(void)
{
    return bytes_of_string("a key of 23 characters.");
}

/* What another run of this program makes of the key. */
static uint64_t hash_of_another_process(void)
{
    char path[1024], command[sizeof(path) + 16];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    assert_true(length > 0);
    path[length] = '\0';
    snprintf(command, sizeof(command), "'%s' " PRINT_ARGUMENT, path);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    unsigned long long hash = 0;
    assert_int_equal(fscanf(output, "%llx", &hash), 1);
    assert_int_equal(pclose(output), 0);
    return hash;
}

static void equal_keys_have_one_hash(void **state)
{
    (void)state;
    char copy[] = "-a key of 23 characters.";
    assert_int_equal(hash_bytes(key()), hash_bytes(bytes_of(copy + 1, strlen(copy) - 1)));
}

static void keys_that_differ_in_length_or_one_byte_have_others(void **state)
{
    (void)state;
    static const uint8_t zeros[24];
    for (size_t size = 0; size < sizeof(zeros); size++) {
        assert_int_not_equal(hash_bytes(bytes_of(zeros, size)), hash_bytes(bytes_of(zeros, size + 1)));
        uint8_t other[sizeof(zeros)] = {0};
        other[size] = 1;
        assert_int_not_equal(hash_bytes(bytes_of(zeros, sizeof(zeros))), hash_bytes(bytes_of(other, sizeof(other))));
    }
}

static void words_cannot_be_chosen_to_take_one_another_out(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 100; i++)
        assert_true(hash_mix(hash_begin(i), i) != hash_mix(hash_begin(0), 0));
}

static void nobody_outside_knows_the_hash(void **state)
{
    (void)state;
    uint64_t first = hash_of_another_process();
    assert_int_not_equal(first, hash_of_another_process());
    assert_int_not_equal(first, hash_bytes(key()));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], PRINT_ARGUMENT) == 0)
        return printf("%llx\n", (unsigned long long)hash_bytes(key())) < 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_have_one_hash),
        cmocka_unit_test(keys_that_differ_in_length_or_one_byte_have_others),
        cmocka_unit_test(words_cannot_be_chosen_to_take_one_another_out),
        cmocka_unit_test(nobody_outside_knows_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
