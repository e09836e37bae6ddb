/* test_capture_folder.c: the folder of saved traces: what is ours there, what goes, and what nobody gets to see. */
#include "profiler/capture_folder.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND ((int64_t)NS_PER_S)

/* 2026-11-23T03:15:02Z. */
#define TIME (1795403702 * SECOND)

struct fixture {
    char folder[64], outside[64];
};

static void write_file(const char *folder, const char *name, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static bool file_exists(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static int make_folders(void **state)
{
    struct fixture *fixture = MEM_NEW(struct fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/takhin-captures-XXXXXX");
    snprintf(fixture->outside, sizeof fixture->outside, "/tmp/takhin-outside-XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->folder) && mkdtemp(fixture->outside) ? 0 : -1;
}

static int remove_folders(void **state)
{
    struct fixture *fixture = *state;
    char *command = mem_printf("rm -rf '%s' '%s'", fixture->folder, fixture->outside);
    int rc = system(command);
    mem_free(command);
    mem_free(fixture);
    return rc;
}

static void a_name_says_what_was_slow(void **state)
{
    (void)state;
    static const struct {
        int64_t time_ns;
        const char *request;
        uint64_t duration_ns;
        unsigned number;
        const char *name;
    } cases[] = {
        {TIME, "Produce", 1203 * NS_PER_MS, 1, "20261123T031502Z-Produce-1203ms.trace"},
        {TIME + SECOND - 1, "Fetch", NS_PER_MS - 1, 1, "20261123T031502Z-Fetch-0ms.trace"},
        {TIME, "../a b\"<", NS_PER_MS, 2, "20261123T031502Z-ab-1ms-2.trace"},
        {TIME, "/", NS_PER_MS, 10, "20261123T031502Z-request-1ms-10.trace"},
        {TIME, "AbcdefghijklmnopqrstuvwxyzAbcdefghijklmnopqrstuvwxyz", UINT64_MAX,
         CAPTURES_ALIKE_MAX, "20261123T031502Z-Abcdefghijklmnopqr-18446744073709ms-99.trace"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char name[CAPTURE_NAME_BYTES], part[sizeof name + 4];
        int64_t time_ns = 0;
        capture_name_write(name, cases[i].time_ns, cases[i].request, cases[i].duration_ns, cases[i].number);
        assert_string_equal(name, cases[i].name);
        assert_true(capture_name_read(name, CAPTURE_ENDING, &time_ns));
        assert_int_equal(time_ns, TIME);
        snprintf(part, sizeof part, "%s.tmp", name);
        assert_true(strlen(part) < sizeof name);
        assert_true(capture_name_read(part, CAPTURE_PART_ENDING, &time_ns));
        assert_false(capture_name_read(part, CAPTURE_ENDING, &time_ns));
    }
}

static const char *const foreign_names[] = {
    "", ".", "..", "notes.txt", "20261123T031502Z", "20261123T031502Z-", "20261123T031502Z-Produce",
    "20261123T031502Z-Produce-", "20261123T031502Z-Produce-ms.trace", "20261123T031502Z--1ms.trace",
    "20261123T031502Z-Produce-1ms.trac", "20261123T031502Z-Produce-1ms.trace2", "20261123T031502Z-Produce--1ms.trace",
    "20261123T031502Z-Pro-duce-1ms.trace", "20261123T031502Z-Pro/duce-1ms.trace", "20261123T031502Z-../x-1ms.trace",
    "20261131T031502Z-Produce-1ms.trace", "20261123T251502Z-Produce-1ms.trace", "2026 123T031502Z-Produce-1ms.trace",
    " 20261123T031502Z-Produce-1ms.trace", "+20261123T031502Z-Produce-1ms.trace",
    "20261123T031502-Produce-1ms.trace", "20261123T031502Z-Abcdefghijklmnopqrs-1ms.trace",
    "20261123T031502Z-Produce-123456789012345ms.trace", "20261123T031502Z-Pro%64uce-1ms.trace",
    "20261123T031502Z-Produce-1ms-.trace", "20261123T031502Z-Produce-1ms-1.trace",
    "20261123T031502Z-Produce-1ms-02.trace", "20261123T031502Z-Produce-1ms-100.trace",
    "20261123T031502Z-Produce-1-2ms.trace", "20261123T031502Z-Produce-1ms-2-2.trace",
};

static void other_names_are_none(void **state)
{
    (void)state;
    static const char name[] = "20261123T031502Z-Produce-1203ms.trace";
    int64_t time_ns;
    for (size_t i = 0; i < ARRAY_COUNT(foreign_names); i++)
        if (capture_name_read(foreign_names[i], CAPTURE_ENDING, &time_ns))
            fail_msg("%s", foreign_names[i]);
    for (size_t size = 0; size < strlen(name); size++) {
        char *cut = mem_copy_bytes(bytes_of(name, size));
        assert_false(capture_name_read(cut, CAPTURE_ENDING, &time_ns));
        mem_free(cut);
    }
}

static void a_folder_is_made_with_all_above_it(void **state)
{
    struct fixture *fixture = *state;
    char *path = mem_printf("%s/a//b/c", fixture->folder), *file = mem_printf("%s/file", fixture->folder);
    assert_int_equal(capture_folder_make(path), 0);
    assert_int_equal(capture_folder_make(path), 0);
    assert_int_equal(access(path, W_OK), 0);
    write_file(fixture->folder, "file", 0);
    char *below = mem_printf("%s/b", file);
    assert_true(capture_folder_make(below) < 0);
    mem_free(below);
    mem_free(file);
    mem_free(path);
}

/* The next path for a request like the others, and its file. */
static char *create_file(const char *folder)
{
    char *path, *part_path;
    int fd = capture_folder_create(folder, TIME, "Produce", 7 * NS_PER_MS, &path, &part_path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(rename(part_path, path), 0);
    mem_free(part_path);
    return path;
}

static void a_name_that_comes_again_gets_a_number(void **state)
{
    struct fixture *fixture = *state;
    char *link = mem_printf("%s/20261123T031502Z-Produce-7ms-3.trace", fixture->folder);
    assert_int_equal(symlink("nowhere", link), 0);
    write_file(fixture->folder, "20261123T031502Z-Produce-7ms.trace", 5);
    write_file(fixture->folder, "20261123T031502Z-Produce-7ms-4.trace.tmp", 0); /* somebody writes it */

    char *second = create_file(fixture->folder), *third = create_file(fixture->folder);

    assert_string_equal(strrchr(second, '/'), "/20261123T031502Z-Produce-7ms-2.trace");
    assert_string_equal(strrchr(third, '/'), "/20261123T031502Z-Produce-7ms-5.trace");
    struct capture_file *files;
    assert_int_equal(capture_folder_list(fixture->folder, CAPTURE_ENDING, &files), 3);
    assert_string_equal(files[0].name, "20261123T031502Z-Produce-7ms.trace");
    assert_int_equal(files[0].size_bytes, 5);
    mem_free(files);
    assert_int_equal(capture_folder_list(fixture->folder, CAPTURE_PART_ENDING, &files), 1);
    mem_free(files);
    mem_free(third);
    mem_free(second);
    mem_free(link);
}

static void too_many_alike_are_an_error(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned number = 1; number <= CAPTURES_ALIKE_MAX; number++)
        mem_free(create_file(fixture->folder));
    char *path, *part_path;
    assert_int_equal(capture_folder_create(fixture->folder, TIME, "Produce", 7 * NS_PER_MS, &path, &part_path),
                     -EEXIST);
    assert_int_not_equal(access(part_path, F_OK), 0);
    mem_free(part_path);
    mem_free(path);
}

static void the_list_has_our_files_only_and_the_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct capture_file *files;
    assert_int_equal(capture_folder_list(fixture->folder, CAPTURE_ENDING, &files), 0);
    assert_null(files);
    write_file(fixture->folder, "20261123T031502Z-Produce-7ms.trace", 3);
    write_file(fixture->folder, "20261124T000000Z-Fetch-1203ms.trace", 5);
    write_file(fixture->folder, "20261123T031502Z-Fetch-9ms.trace", 0);
    write_file(fixture->folder, "20261123T031502Z-Fetch-9ms.trace.tmp", 9);
    write_file(fixture->folder, "notes.txt", 9);
    char *link = mem_printf("%s/20261124T000000Z-Link-1ms.trace", fixture->folder);
    char *folder = mem_printf("%s/20261124T000000Z-Folder-1ms.trace", fixture->folder);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(mkdir(folder, 0700), 0);

    assert_int_equal(capture_folder_list(fixture->folder, CAPTURE_ENDING, &files), 3);

    assert_string_equal(files[0].name, "20261124T000000Z-Fetch-1203ms.trace");
    assert_int_equal(files[0].size_bytes, 5);
    assert_string_equal(files[1].name, "20261123T031502Z-Produce-7ms.trace");
    assert_int_equal(files[1].time_ns, TIME);
    assert_int_equal(files[1].size_bytes, 3);
    assert_string_equal(files[2].name, "20261123T031502Z-Fetch-9ms.trace");
    mem_free(files);
    mem_free(folder);
    mem_free(link);
}

static void a_folder_that_is_missing_has_no_files(void **state)
{
    struct fixture *fixture = *state;
    struct capture_file *files;
    char *missing = mem_printf("%s/missing", fixture->folder), *file = mem_printf("%s/file", fixture->folder);
    write_file(fixture->folder, "file", 0);
    assert_int_equal(capture_folder_list(missing, CAPTURE_ENDING, &files), 0);
    assert_true(capture_folder_list(file, CAPTURE_ENDING, &files) < 0);
    assert_int_equal(capture_folder_trim(missing, TIME, 0, 100), 0);
    assert_int_equal(capture_folder_trim(file, TIME, 0, 100), 0);
    mem_free(file);
    mem_free(missing);
}

static void what_is_too_old_or_too_much_goes(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {
        "20261123T031505Z-A-1ms.trace", "20261123T031504Z-A-1ms.trace", "20261123T031503Z-A-1ms.trace",
        "20261123T031502Z-A-1ms.trace",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        write_file(fixture->folder, names[i], 10);
    write_file(fixture->folder, "20261123T031502Z-A-1ms.trace.bak", 10);
    write_file(fixture->folder, "20260101T000000Z-Part-1ms.trace.tmp", 10);
    write_file(fixture->folder, "20261123T031504Z-Part-1ms.trace.tmp", 10);

    assert_int_equal(capture_folder_trim(fixture->folder, TIME + SECOND, 0, 40), 40);
    assert_int_equal(capture_folder_trim(fixture->folder, TIME + SECOND, TIME + SECOND, 40), 30);
    assert_false(file_exists(fixture->folder, names[3]));
    assert_int_equal(capture_folder_trim(fixture->folder, TIME + SECOND, TIME, 29), 20);
    assert_false(file_exists(fixture->folder, names[2]));
    assert_true(file_exists(fixture->folder, names[1]));
    assert_true(file_exists(fixture->folder, names[0]));
    assert_true(file_exists(fixture->folder, "20261123T031502Z-A-1ms.trace.bak"));
    assert_false(file_exists(fixture->folder, "20260101T000000Z-Part-1ms.trace.tmp"));
    assert_true(file_exists(fixture->folder, "20261123T031504Z-Part-1ms.trace.tmp"));
}

static void only_captures_are_read(void **state)
{
    struct fixture *fixture = *state;
    struct buf content;
    buf_init(&content);
    write_file(fixture->folder, "20261123T031502Z-Produce-7ms.trace", 300);
    write_file(fixture->folder, "notes.txt", 9);
    write_file(fixture->outside, "20261123T031502Z-Fetch-7ms.trace", 9);
    char *link = mem_printf("%s/20261124T000000Z-Link-1ms.trace", fixture->folder);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    char *climbing = mem_printf("..%s/20261123T031502Z-Fetch-7ms.trace", strrchr(fixture->outside, '/'));

    assert_int_equal(capture_folder_read(fixture->folder, "20261123T031502Z-Produce-7ms.trace", &content), 0);
    assert_int_equal(content.size, 300);
    const char *const others[] = {
        "20261123T031502Z-Produce-8ms.trace", "20261124T000000Z-Link-1ms.trace", "notes.txt", climbing, "", ".",
        "../../etc/passwd",
    };
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        assert_int_equal(capture_folder_read(fixture->folder, others[i], &content), ERR_NOT_FOUND);
    assert_int_equal(content.size, 300);
    mem_free(climbing);
    mem_free(link);
    buf_deinit(&content);
}

#define IN_FOLDERS(test) cmocka_unit_test_setup_teardown(test, make_folders, remove_folders)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_says_what_was_slow),
        cmocka_unit_test(other_names_are_none),
        IN_FOLDERS(a_folder_is_made_with_all_above_it),
        IN_FOLDERS(a_name_that_comes_again_gets_a_number),
        IN_FOLDERS(too_many_alike_are_an_error),
        IN_FOLDERS(the_list_has_our_files_only_and_the_newest_first),
        IN_FOLDERS(a_folder_that_is_missing_has_no_files),
        IN_FOLDERS(what_is_too_old_or_too_much_goes),
        IN_FOLDERS(only_captures_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
