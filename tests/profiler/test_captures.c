/* test_captures.c: a slow request saves the trace of the time around it, and no more than it may. */
#include "profiler/captures.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "profiler/profiler.h"
#include "profiler/trace.h"
#include "trace/format.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SLOW_MS 100
#define HOUR_NS (3600 * (int64_t)NS_PER_S)

struct fixture {
    char folder[64];
    struct profiler_options options;
    struct profiler *profiler;
    struct captures *captures;
};

static int set_up(void **state)
{
    struct fixture *fixture = MEM_NEW(struct fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/takhin-captures-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->options = (struct profiler_options){
        .enabled = true,
        .cpu_hz = 100,
        .max_duration_ns = HOUR_NS,
        .trace_buffer = 16ll << 20,
        .slow_request_ms = SLOW_MS,
        .capture_dir = fixture->folder,
        .capture_cooldown_ns = HOUR_NS,
        .capture_bytes = 256ll << 20,
        .capture_age_ns = 24 * HOUR_NS,
    };
    assert_int_equal(profiler_create(&fixture->profiler, &fixture->options), 0);
    fixture->captures = profiler_captures(fixture->profiler);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    profiler_destroy(fixture->profiler);
    char *command = mem_printf("rm -rf '%s'", fixture->folder);
    int rc = system(command);
    mem_free(command);
    mem_free(fixture);
    return rc;
}

static void serve_request(const char *name, uint64_t duration_ms)
{
    trace_request_begin(name, NULL, 1, 100);
    trace_request_end(name, duration_ms * NS_PER_MS);
}

/* What comes of a request is seen from outside. */
#define AWAIT(condition) \
    while (!(condition)) \
        usleep(1000)

static unsigned count_entries(const char *folder)
{
    unsigned count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

static void a_slow_request_saves_a_trace(void **state)
{
    struct fixture *fixture = *state;
    struct capture_file *files;
    struct buf content;
    buf_init(&content);
    serve_request("Produce", SLOW_MS + 50);
    AWAIT(captures_stats(fixture->captures).saved_count == 1);

    assert_int_equal(captures_list(fixture->captures, &files), 1);
    assert_string_equal(strstr(files[0].name, "Z-"), "Z-Produce-150ms.trace");
    assert_int_equal(captures_read(fixture->captures, files[0].name, &content), 0);
    assert_int_equal(content.size, files[0].size_bytes);
    assert_true(content.size > 16);
    assert_memory_equal(content.data, "go 1.19 trace\0\0", 16);
    AWAIT(captures_stats(fixture->captures).held_bytes == content.size);
    mem_free(files);
    buf_deinit(&content);
}

static void one_that_is_fast_enough_saves_none(void **state)
{
    struct fixture *fixture = *state;
    serve_request("Fetch", SLOW_MS - 1);
    serve_request("Produce", SLOW_MS);
    AWAIT(captures_stats(fixture->captures).saved_count == 1);

    struct capture_file *files;
    assert_int_equal(captures_list(fixture->captures, &files), 1);
    assert_non_null(strstr(files[0].name, "-Produce-100ms.trace"));
    assert_int_equal(captures_stats(fixture->captures).skipped_count, 0);
    mem_free(files);
}

/* Slow requests until one of them is captured; no more. */
static void serve_until_captured(struct fixture *fixture)
{
    uint64_t skipped_count;
    do {
        usleep(1000);
        skipped_count = captures_stats(fixture->captures).skipped_count;
        serve_request("Fetch", 2000);
    } while (captures_stats(fixture->captures).skipped_count != skipped_count);
    AWAIT(captures_stats(fixture->captures).saved_count == 2);
}

static void within_the_cooldown_slow_requests_are_counted_only(void **state)
{
    struct fixture *fixture = *state;
    serve_request("Produce", 1000);
    serve_request("Produce", 2000);
    AWAIT(captures_stats(fixture->captures).saved_count == 1);
    serve_request("Produce", 3000);

    assert_int_equal(captures_stats(fixture->captures).skipped_count, 2);
    assert_int_equal(count_entries(fixture->folder), 1);
}

static void after_the_cooldown_the_next_is_saved(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.capture_cooldown_ns = 1;
    profiler_reconfigure(fixture->profiler, &fixture->options);
    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).saved_count == 1);
    serve_until_captured(fixture);
    assert_int_equal(count_entries(fixture->folder), 2);
}

static void a_shorter_cooldown_holds_at_once(void **state)
{
    struct fixture *fixture = *state;
    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).saved_count == 1);
    fixture->options.capture_cooldown_ns = 1;
    profiler_reconfigure(fixture->profiler, &fixture->options);
    serve_until_captured(fixture);
}

/* Whoever keeps all places that there are for traces keeps nobody from a capture. */
static void a_capture_is_none_of_too_many_traces(void **state)
{
    struct fixture *fixture = *state;
    const struct trace_query query = {.format = &trace_format_1_19, .duration_ns = (uint64_t)HOUR_NS};
    struct trace_collection *collections[32];
    unsigned count = 0;
    while (count < ARRAY_COUNT(collections) && trace_open(fixture->profiler, &query, &collections[count]) == 0)
        count++;
    assert_in_range(count, 1, ARRAY_COUNT(collections) - 1);

    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).saved_count + captures_stats(fixture->captures).failed_count == 1);

    assert_int_equal(captures_stats(fixture->captures).saved_count, 1);
    assert_int_equal(trace_open(fixture->profiler, &query, &collections[count]), ERR_BUSY);
    while (count > 0)
        trace_close(collections[--count]);
}

static void write_file(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("x", file);
    fclose(file);
    mem_free(path);
}

static void what_is_beyond_the_cap_goes(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {
        "20010101T000000Z-Old-1ms.trace", "20990101T000000Z-New-1ms.trace", "notes.txt",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        write_file(fixture->folder, names[i]);
    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).held_bytes > 1); /* it has looked since */

    struct capture_file *files;
    assert_int_equal(captures_list(fixture->captures, &files), 2);
    assert_string_equal(files[0].name, names[1]);
    assert_non_null(strstr(files[1].name, "-Produce-"));
    assert_int_equal(count_entries(fixture->folder), 3);
    mem_free(files);
}

static void find_text(const char *line, void *context)
{
    char *text = context;
    if (strstr(line, "slow request"))
        snprintf(text, 256, "%s", line);
}

static void a_folder_that_cannot_be_made_is_told_once_a_cooldown(void **state)
{
    struct fixture *fixture = *state;
    char told[256] = "", *missing = mem_printf("%s/file/captures", fixture->folder);
    char *file = mem_printf("%s/file", fixture->folder);
    fclose(fopen(file, "w"));
    fixture->options.capture_dir = missing;
    profiler_reconfigure(fixture->profiler, &fixture->options);
    log_redirect(find_text, told);
    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).failed_count == 1);
    serve_request("Produce", 1000);
    log_redirect(NULL, NULL);

    assert_non_null(strstr(told, "slow request not captured request=Produce duration_ms=1000 file="));
    assert_non_null(strstr(told, "error=\"Not a directory\""));
    assert_int_equal(captures_stats(fixture->captures).failed_count, 1);
    assert_int_equal(captures_stats(fixture->captures).skipped_count, 1);
    mem_free(file);
    mem_free(missing);
}

/* A limit on the size of files is met as a full disk is. */
static void a_full_disk_leaves_no_part(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before, none;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){.rlim_cur = 8, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).failed_count == 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

    assert_int_equal(count_entries(fixture->folder), 0);
}

static void without_a_recorder_it_is_warned_of_and_off(void **state)
{
    struct fixture *fixture = *state;
    char told[256] = "";
    fixture->options.trace_buffer = 0;
    log_redirect(find_text, told);
    profiler_reconfigure(fixture->profiler, &fixture->options);
    assert_non_null(strstr(told, "slow requests are not captured: there is no flight recorder "
                                 "profiler.slow_request_ms=100 profiler.trace_buffer=0"));
    *told = '\0';
    profiler_reconfigure(fixture->profiler, &fixture->options); /* nothing new */
    log_redirect(NULL, NULL);

    assert_string_equal(told, "");
    assert_true(atomic_load(&trace_slow_request_ns) == UINT64_MAX);
}

static bool has_thread(void)
{
    bool found = false;
    DIR *directory = opendir("/proc/self/task");
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char *path = mem_printf("/proc/self/task/%s/comm", entry->d_name), name[32] = "";
        FILE *file = fopen(path, "r");
        if (file && fgets(name, sizeof name, file))
            found |= strcmp(name, "captures\n") == 0;
        if (file)
            fclose(file);
        mem_free(path);
    }
    closedir(directory);
    return found;
}

static void switched_off_there_is_no_thread(void **state)
{
    struct fixture *fixture = *state;
    AWAIT(has_thread());
    fixture->options.slow_request_ms = 0;
    profiler_reconfigure(fixture->profiler, &fixture->options);
    AWAIT(!has_thread());
    serve_request("Produce", 1000);
    assert_int_equal(captures_stats(fixture->captures).skipped_count, 0);

    fixture->options.slow_request_ms = SLOW_MS;
    profiler_reconfigure(fixture->profiler, &fixture->options);
    serve_request("Produce", 1000);
    AWAIT(captures_stats(fixture->captures).saved_count == 1);
}

static void switched_off_what_is_too_old_goes_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    profiler_destroy(fixture->profiler);
    write_file(fixture->folder, "20010101T000000Z-Old-1ms.trace");
    write_file(fixture->folder, "20990101T000000Z-New-1ms.trace");
    fixture->options.slow_request_ms = 0;

    assert_int_equal(profiler_create(&fixture->profiler, &fixture->options), 0);
    fixture->captures = profiler_captures(fixture->profiler);

    AWAIT(captures_stats(fixture->captures).held_bytes == 1);
    assert_int_equal(count_entries(fixture->folder), 1);
    AWAIT(has_thread()); /* until there is nothing to remove */
}

/* And nothing of it is left: tear_down waits for it. On a slow machine it may have been saved already. */
static void ending_does_not_wait_for_the_aftermath(void **state)
{
    struct fixture *fixture = *state;
    serve_request("Produce", 1000);
    fixture->options.slow_request_ms = 0;
    profiler_reconfigure(fixture->profiler, &fixture->options);
    AWAIT(!has_thread() || captures_stats(fixture->captures).saved_count == 1);
    struct captures_stats stats = captures_stats(fixture->captures);
    assert_int_equal(stats.failed_count, 0);
    assert_int_equal(count_entries(fixture->folder), stats.saved_count);
}

#define WITH_PROFILER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PROFILER(a_slow_request_saves_a_trace),
        WITH_PROFILER(one_that_is_fast_enough_saves_none),
        WITH_PROFILER(within_the_cooldown_slow_requests_are_counted_only),
        WITH_PROFILER(after_the_cooldown_the_next_is_saved),
        WITH_PROFILER(a_shorter_cooldown_holds_at_once),
        WITH_PROFILER(a_capture_is_none_of_too_many_traces),
        WITH_PROFILER(what_is_beyond_the_cap_goes),
        WITH_PROFILER(a_folder_that_cannot_be_made_is_told_once_a_cooldown),
        WITH_PROFILER(a_full_disk_leaves_no_part),
        WITH_PROFILER(without_a_recorder_it_is_warned_of_and_off),
        WITH_PROFILER(switched_off_there_is_no_thread),
        WITH_PROFILER(switched_off_what_is_too_old_goes_all_the_same),
        WITH_PROFILER(ending_does_not_wait_for_the_aftermath),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
