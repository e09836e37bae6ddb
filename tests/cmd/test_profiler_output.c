/* test_profiler_output.c: what becomes of a file that has the name already, and of one that is never written. */
#include "cmd/profiler/output.h"

#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test has a folder of its own as the current one. */
static int enter_folder(void **state)
{
    char folder[] = "/tmp/takhin-test-XXXXXX";
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    *state = mem_copy_string(folder);
    return 0;
}

static int leave_folder(void **state)
{
    char *command = mem_printf("rm -rf '%s'", (char *)*state);
    int result = chdir("/") == 0 && system(command) == 0 ? 0 : -1;
    mem_free(command);
    mem_free(*state);
    return result;
}

static void put(const char *path, const char *text, enum output_rule rule)
{
    struct output output;
    struct buf message;
    buf_init(&message);
    assert_int_equal(output_open(&output, path, rule, "another", &message), 0);
    assert_int_equal(output_commit(&output, bytes_of_string(text), &message), 0);
    assert_int_equal(message.size, 0);
    output_close(&output);
    buf_deinit(&message);
}

static void assert_holds(const char *path, const char *text)
{
    char content[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fgets(content, sizeof content, file) != NULL);
    fclose(file);
    assert_string_equal(content, text);
}

static int count_files(void)
{
    int count = 0;
    DIR *folder = opendir(".");
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 2; /* "." and ".." */
}

static void a_file_is_replaced(void **state)
{
    (void)state;
    put("cpu.prof", "one", OUTPUT_REPLACES);
    put("cpu.prof", "two", OUTPUT_REPLACES);
    assert_holds("cpu.prof", "two");
    assert_int_equal(count_files(), 1);
}

static void names_are_counted_up_before_the_extension(void **state)
{
    (void)state;
    put("cpu.prof", "one", OUTPUT_GOES_BESIDE);
    put("cpu.prof", "two", OUTPUT_GOES_BESIDE);
    put("cpu.prof", "three", OUTPUT_GOES_BESIDE);
    assert_holds("cpu.prof", "one");
    assert_holds("cpu-2.prof", "two");
    assert_holds("cpu-3.prof", "three");
    assert_int_equal(count_files(), 3);
}

static void one_that_goes_beside_says_what_it_came_to_be_called(void **state)
{
    (void)state;
    struct output output;
    struct buf message;
    buf_init(&message);
    assert_int_equal(output_open(&output, "cpu.prof", OUTPUT_GOES_BESIDE, "another", &message), 0);
    put("cpu.prof", "faster", OUTPUT_GOES_BESIDE);
    assert_int_equal(output_commit(&output, bytes_of_string("slower"), &message), 0);
    assert_string_equal(output.path, "cpu-2.prof");
    output_close(&output);
    assert_holds("cpu.prof", "faster");
    assert_holds("cpu-2.prof", "slower");
    buf_deinit(&message);
}

static void an_old_one_is_moved_to_a_name_with_its_time(void **state)
{
    (void)state;
    const struct timespec times[] = {{.tv_sec = 1790000000}, {.tv_sec = 1790000000}};
    put("manifest.json", "one", OUTPUT_MOVES_OLD);
    assert_int_equal(utimensat(AT_FDCWD, "manifest.json", times, 0), 0);
    put("manifest.json", "two", OUTPUT_MOVES_OLD);
    assert_int_equal(utimensat(AT_FDCWD, "manifest.json", times, 0), 0);
    put("manifest.json", "three", OUTPUT_MOVES_OLD);
    assert_holds("manifest.json", "three");
    assert_holds("manifest_20260921T141320Z.json", "one");
    assert_holds("manifest_20260921T141320Z-2.json", "two");
    assert_int_equal(count_files(), 3);
}

static void what_is_not_committed_leaves_nothing(void **state)
{
    (void)state;
    static const enum output_rule rules[] = {OUTPUT_REPLACES, OUTPUT_GOES_BESIDE, OUTPUT_MOVES_OLD};
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        struct output output;
        struct buf message;
        buf_init(&message);
        assert_int_equal(output_open(&output, "cpu.prof", rules[i], "another", &message), 0);
        assert_int_equal(count_files(), 1);
        output_close(&output);
        assert_int_equal(count_files(), 0);
        buf_deinit(&message);
    }
}

static void folders_are_made_with_those_above_them(void **state)
{
    (void)state;
    struct buf message;
    struct stat status;
    buf_init(&message);
    assert_int_equal(output_make_folder("a//b/c/", &message), 0);
    assert_int_equal(stat("a/b/c", &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(output_make_folder("a/b/c", &message), 0);
    assert_int_equal(output_make_folder("a/../d", &message), 0);
    assert_int_equal(output_make_folder("/", &message), 0);
    assert_int_equal(output_make_folder(".", &message), 0);
    assert_int_equal(message.size, 0);
    put("file", "x", OUTPUT_REPLACES);
    assert_int_equal(output_make_folder("file", &message), -ENOTDIR);
    assert_int_equal(output_make_folder("file/b", &message), -ENOTDIR);
    assert_non_null(strstr(buf_string(&message), "cannot make the folder file/b: "));
    buf_deinit(&message);
}

static void something_is_put_before_the_last_extension_of_the_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"cpu.prof", "cpu-2.prof"}, {"a.b/cpu", "a.b/cpu-2"},
                                           {"a.b/.hidden", "a.b/.hidden-2"}, {"x.tar.gz", "x.tar-2.gz"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *path = output_path_with(cases[i][0], "-2");
        assert_string_equal(path, cases[i][1]);
        mem_free(path);
    }
}

static void a_name_is_behind_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a", "a/x"}, {"a/", "a/x"}, {"/", "/x"}, {".", "./x"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *path = output_path_in(cases[i][0], "x");
        assert_string_equal(path, cases[i][1]);
        mem_free(path);
    }
}

static void times_are_utc(void **state)
{
    (void)state;
    char text[OUTPUT_TIME_SIZE];
    output_format_time(1790000000 * (int64_t)NS_PER_S + 999999999, text);
    assert_string_equal(text, "20260921T141320Z");
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_file_is_replaced),
        IN_A_FOLDER(names_are_counted_up_before_the_extension),
        IN_A_FOLDER(one_that_goes_beside_says_what_it_came_to_be_called),
        IN_A_FOLDER(an_old_one_is_moved_to_a_name_with_its_time),
        IN_A_FOLDER(what_is_not_committed_leaves_nothing),
        IN_A_FOLDER(folders_are_made_with_those_above_them),
        cmocka_unit_test(something_is_put_before_the_last_extension_of_the_name),
        cmocka_unit_test(a_name_is_behind_one_slash),
        cmocka_unit_test(times_are_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
